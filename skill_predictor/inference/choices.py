"""What a user may choose from. Kept apart so that `skill-predictor --help` loads nothing heavy."""

ENGINES = ('tensorrt', 'onnxruntime')
"""Engines by name, best first. One that does not work on the machine is refused with the reason."""

PRECISIONS = ('auto', 'int8', 'fp16', 'fp32')
"""``auto``: int8 on the CPU, fp16 on a GPU; not every engine knows all."""

GRAPHS = ('int8', 'fp32', 'fp16')
"""In which precisions an encoder's ONNX graph can be built."""

TENSORRT_LIBRARIES = ('tensorrt', 'tensorrt_rtx')
"""Python modules of TensorRT, the one for robots first."""

ENGINE_PRECISIONS = ('fp16', 'fp32')
"""In which TensorRT engines are built, the default first."""

MAX_THREADS = 256
"""Most CPU threads that may be asked for."""
