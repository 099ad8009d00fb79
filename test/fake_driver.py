"""What our code calls of libcuda itself, on the GPU in numpy."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fake_gpu import FakeGpu, Stream


class DriverLibrary:
    """libcuda's calls for CUDA graphs, and for what pycuda leaves behind."""

    def __init__(self, gpu: FakeGpu) -> None:
        self._gpu = gpu
        self._graphs: list[list[Callable[[], None]]] = []

    def cuCtxPopCurrent_v2(self, handle) -> int:
        if not self._gpu.pushed:
            return 201
        self._gpu.pushed -= 1
        return 0

    def _stream(self, handle: ctypes.c_void_p) -> Stream:
        return self._gpu.streams[handle.value - 1]

    def cuStreamBeginCapture_v2(self, handle, mode) -> int:
        if self._gpu.records_not:
            return 900
        assert mode == 1
        self._stream(handle).recording = []
        return 0

    def cuStreamEndCapture(self, handle, graph) -> int:
        stream = self._stream(handle)
        if stream.recording is None:
            return 901
        self._graphs.append(stream.recording)
        stream.recording = None
        graph._obj.value = len(self._graphs)
        return 0

    def cuGraphInstantiateWithFlags(self, executable, graph, flags) -> int:
        if not self._gpu.recordings:
            return 2
        self._gpu.recordings -= 1
        executable._obj.value = graph.value
        self._gpu.living += 1
        return 0

    def cuGraphDestroy(self, graph) -> int:
        return 0

    def cuGraphLaunch(self, executable, handle) -> int:
        self._gpu.launches += 1
        for work in self._graphs[executable.value - 1]:
            self._stream(handle).add(work)
        return 0

    def cuGraphExecDestroy(self, executable) -> int:
        self._gpu.living -= 1
        return 0
