"""TensorRT: which library there is, engines built and cached, engines run on the GPU.

Works with TensorRT 10 (JetPack 6.1 and later) and 11, and with TensorRT for RTX, which builds engines
without a GPU as well. ``build`` and ``engines`` need the library alone, ``cuda`` and ``runner``
pycuda and a GPU.
"""
