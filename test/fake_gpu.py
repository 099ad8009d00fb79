"""A GPU in numpy: what our TensorRT code calls of pycuda, of TensorRT's runtime and of the driver.

Copies and engine runs take place when the stream is synchronised, as on a GPU: whoever reads too early
reads old memory. Every allocation and every push of the context is counted.
"""

from __future__ import annotations

import ctypes
import json
import sys
import threading
import types
import weakref
from collections.abc import Callable

import numpy as np

WIDTH = 6
ADDRESSES: dict[int, 'Memory'] = {}


def answer(input_ids: np.ndarray, attention_mask: np.ndarray, salt: float = 1.0) -> np.ndarray:
    """What the engines here compute: sums that the mask decides, float32, shape (tasks, 6)."""
    total = (input_ids * attention_mask).sum(axis=1, keepdims=True).astype(np.float32)
    return 1 / (1 + np.exp(-np.sin(total * salt + np.arange(WIDTH)))).astype(np.float32)


class Error(Exception):
    """pycuda's."""


class Memory:
    """Device memory: bytes with an address."""

    def __init__(self, gpu: FakeGpu, size: int) -> None:
        self._gpu = gpu
        self.content = np.zeros(size, np.uint8)
        self._address = id(self)
        ADDRESSES[self._address] = self
        gpu.allocations += 1
        gpu.living += 1
        gpu.used += size

    def __int__(self) -> int:
        return self._address

    def free(self) -> None:
        self._gpu.living -= 1
        self._gpu.used -= self.content.size
        del ADDRESSES[self._address]


class Stream:
    """Work that waits until somebody synchronises."""

    def __init__(self, gpu: FakeGpu) -> None:
        self._gpu = gpu
        gpu.streams.append(self)
        self.handle = len(gpu.streams)
        self.waiting: list[Callable[[], None]] = []
        self.recording: list[Callable[[], None]] | None = None

    def add(self, work: Callable[[], None]) -> None:
        (self.waiting if self.recording is None else self.recording).append(work)

    def synchronize(self) -> None:
        self._gpu.check()
        if self.recording is not None:
            raise Error('a stream in capture cannot be synchronised')
        while self.waiting:
            self.waiting.pop(0)()


class ExecutionContext:
    """TensorRT's, with the calls that set its shapes and addresses."""

    def __init__(self, gpu: FakeGpu, salt: float) -> None:
        self._gpu, self._salt = gpu, salt
        self._addresses: dict[str, int] = {}
        self._shapes: dict[str, tuple[int, int]] = {}
        gpu.contexts += 1

    def set_optimization_profile_async(self, index: int, stream: int) -> bool:
        self._most = {0: 1, 1: 8, 2: 64}[index]
        return True

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return name in ('input_ids', 'attention_mask', 'probabilities')

    def set_input_shape(self, name: str, shape: tuple[int, int]) -> bool:
        self._shapes[name] = shape
        return shape[0] <= self._most

    @property
    def shaped(self) -> bool:
        return len(self._shapes) == 2

    def execute_async_v3(self, stream: int) -> bool:
        self._gpu.check()
        self._gpu.runs += 1
        shapes = dict(self._shapes)

        def work() -> None:
            if self._gpu.broken:
                raise Error('cuStreamSynchronize failed: an illegal memory access')
            values = {name: ADDRESSES[self._addresses[name]].content[:8 * shape[0] * shape[1]]
                      .view(np.int64).reshape(shape) for name, shape in shapes.items()}
            found = answer(values['input_ids'], values['attention_mask'], self._salt)
            raw = np.ascontiguousarray(found, np.float32).view(np.uint8).ravel()
            ADDRESSES[self._addresses['probabilities']].content[:raw.size] = raw
        self._gpu.streams[stream - 1].add(work)
        return not self._gpu.refuses


class FakeGpu:
    """State of the machine; ``install`` puts it where Python finds pycuda and the driver."""

    def __init__(self) -> None:
        self.used = self.allocations = self.living = self.contexts = self.runs = self.launches = 0
        self.pushed = 0
        self.streams: list[Stream] = []
        self.broken = self.refuses = self.records_not = False
        self.layer_format = 'Half'
        self.integrated = 0
        self.layers = 2
        self.retained = 0
        self.engines: weakref.WeakSet = weakref.WeakSet()
        self.spoilt: set[bytes] = set()

    def check(self) -> None:
        if self.pushed <= 0:
            raise Error('no context is current')

    def install(self, monkeypatch) -> None:
        driver = types.ModuleType('pycuda.driver')
        gpu = self

        class Context:
            def push(self) -> None:
                gpu.pushed += 1

            @staticmethod
            def pop() -> None:
                gpu.pushed -= 1

            def __init__(self) -> None:
                self._thread = threading.get_ident()

            def detach(self) -> None:
                if not gpu.pushed:
                    if threading.get_ident() != self._thread:
                        return  # pycuda gives up on it
                    gpu.pushed += 1  # it makes it current for this, and a primary one stays so
                gpu.retained -= 1
                assert gpu.retained or not gpu.engines, 'an engine outlives its context'
                gpu.living -= 1

        class Device:
            def __init__(self, index: int) -> None:
                pass

            @staticmethod
            def count() -> int:
                return 1

            def name(self) -> str:
                return 'Orin (fake)'

            def compute_capability(self) -> tuple[int, int]:
                return (8, 7)

            def get_attribute(self, attribute: str) -> int:
                return {'processors': 16, 'integrated': gpu.integrated}[attribute]

            def total_memory(self) -> int:
                return 64 << 30

            def retain_primary_context(self) -> Context:
                gpu.living += 1
                gpu.retained += 1
                return Context()

        def upload(target: Memory, source: np.ndarray, stream: Stream) -> None:
            gpu.check()
            raw = source.view(np.uint8).ravel()
            stream.add(lambda: target.content.__setitem__(slice(raw.size), raw))

        def download(target: np.ndarray, source: Memory, stream: Stream) -> None:
            gpu.check()
            raw = target.view(np.uint8).ravel()
            stream.add(lambda: raw.__setitem__(slice(None), source.content[:raw.size]))

        def copy(target: Memory, source: Memory, size: int, stream: Stream) -> None:
            gpu.check()
            stream.add(lambda: target.content.__setitem__(slice(size), source.content[:size]))

        def mem_get_info() -> tuple[int, int]:
            total = 1 << 34
            gpu.check()
            return total - gpu.used, total

        def pagelocked_empty(size: int, dtype: type) -> np.ndarray:
            gpu.allocations += 1
            return np.zeros(size, dtype)

        driver.init = lambda: None
        driver.device_attribute = types.SimpleNamespace(
            MULTIPROCESSOR_COUNT='processors', INTEGRATED='integrated')
        driver.Device, driver.Context, driver.Error = Device, Context, Error
        driver.Stream = lambda: Stream(gpu)
        driver.mem_get_info = mem_get_info
        driver.mem_alloc = lambda size: Memory(gpu, size)
        driver.pagelocked_empty = pagelocked_empty
        driver.memcpy_htod_async, driver.memcpy_dtoh_async = upload, download
        driver.memcpy_dtod_async = copy
        package = types.ModuleType('pycuda')
        package.driver = driver
        monkeypatch.setitem(sys.modules, 'pycuda', package)
        monkeypatch.setitem(sys.modules, 'pycuda.driver', driver)
        monkeypatch.setattr(ctypes, 'CDLL', lambda name: DriverLibrary(self))
        monkeypatch.setitem(sys.modules, 'tensorrt', self.tensorrt())

    def tensorrt(self) -> types.ModuleType:
        """The runtime's half of TensorRT."""
        module = types.ModuleType('tensorrt')
        gpu = self

        class Logger:
            ERROR, INTERNAL_ERROR = 1, 0

        class Inspector:
            execution_context = None

            def get_engine_information(self, form: str) -> str:
                shaped = self.execution_context is not None and self.execution_context.shaped
                return json.dumps({'Layers': [{'Name': f'layer.{index}', 'Outputs': [{
                    'Name': 'x', 'Format/Datatype': gpu.layer_format if shaped else
                    'N/A due to dynamic shapes'}]} for index in range(gpu.layers)]})

        class Engine:
            def __init__(self, content: bytes) -> None:
                gpu.engines.add(self)
                self._salt = 1.0 if b'mpnet' in content else 2.0

            def create_execution_context(self, strategy: str) -> ExecutionContext:
                gpu.check()
                assert strategy == 'on profile change'
                return ExecutionContext(gpu, self._salt)

            def create_engine_inspector(self) -> Inspector:
                return Inspector()

        class Runtime:
            def __init__(self, logger: Logger) -> None:
                self._logger = logger

            def deserialize_cuda_engine(self, content: bytes) -> Engine | None:
                gpu.check()
                if content in gpu.spoilt:
                    self._logger.log(Logger.ERROR, 'magic tag does not match')
                    return None
                return Engine(content)

        module.__version__ = '10.7.0'
        module.ILogger, module.Runtime = Logger, Runtime
        module.ExecutionContextAllocationStrategy = types.SimpleNamespace(
            ON_PROFILE_CHANGE='on profile change')
        module.LayerInformationFormat = types.SimpleNamespace(JSON='json')
        return module


class DriverLibrary:
    """libcuda's calls for CUDA graphs, and for what pycuda leaves behind."""

    def __init__(self, gpu: FakeGpu) -> None:
        self._gpu = gpu
        self._graphs: list[list[Callable[[], None]]] = []

    def cuCtxGetCurrent(self, handle) -> int:
        handle._obj.value = 7 if self._gpu.pushed else None
        return 0

    def cuCtxPopCurrent_v2(self, handle) -> int:
        self._gpu.check()
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
