"""A GPU in numpy: what our TensorRT code calls of pycuda, with TensorRT's runtime and the driver.

Copies and engine runs take place when the stream is synchronised, as on a GPU: whoever reads too early
reads old memory. Every allocation and every push of the context is counted. The driver's stack of
contexts and pycuda's own are two: pycuda does not see what others pushed.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import types
import weakref
from collections.abc import Callable

import numpy as np

from fake_driver import DriverLibrary
from fake_tensorrt import tensorrt


class Error(Exception):
    """pycuda's."""


class Memory:
    """Device memory: bytes with an address."""

    def __init__(self, gpu: FakeGpu, size: int) -> None:
        if gpu.used + size > gpu.memory:
            raise Error('cuMemAlloc failed: out of memory')
        self._gpu = gpu
        self.content = np.zeros(size, np.uint8)
        self._address = id(self)
        gpu.addresses[self._address] = self
        gpu.allocations += 1
        gpu.living += 1
        gpu.used += size

    def __int__(self) -> int:
        return self._address

    def free(self) -> None:
        self._gpu.living -= 1
        self._gpu.used -= self.content.size
        del self._gpu.addresses[self._address]


class Stream:
    """Work that waits until somebody synchronises."""

    def __init__(self, gpu: FakeGpu, flags: int) -> None:
        self._gpu = gpu
        self.flags = flags
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
        if self._gpu.broken and self.waiting:
            raise Error('cuStreamSynchronize failed: an illegal memory access')
        while self.waiting:
            self.waiting.pop(0)()


class FakeGpu:
    """State of the machine; ``install`` puts it where Python finds pycuda and the driver."""

    def __init__(self) -> None:
        self.used = self.allocations = self.living = self.contexts = self.runs = self.launches = 0
        self.pushed = 0
        """Entries of the driver's stack of contexts."""
        self.active = 0
        """Entries of pycuda's own."""
        self.valid = 0
        """Contexts in which pycuda would still free what lies on them."""
        self.lost = False
        """No context can be made current any more."""
        self.memory = 1 << 34
        self.total = 64 << 30
        """What the driver calls the device's memory."""
        self.recordings = 1 << 10
        """Most CUDA graphs for which there is memory."""
        self.compute_capability = (8, 7)
        self.addresses: dict[int, Memory] = {}
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
                if gpu.lost:
                    raise Error('cuCtxPushCurrent failed: unspecified launch failure')
                gpu.pushed += 1
                gpu.active += 1

            @staticmethod
            def pop() -> None:
                gpu.pushed -= 1
                gpu.active -= 1

            def __init__(self) -> None:
                self._thread = threading.get_ident()

            def detach(self) -> None:
                gpu.valid -= 1
                if gpu.active:
                    gpu.active -= 1  # the driver's entry stays: the context is a primary one
                elif threading.get_ident() != self._thread:
                    return  # pycuda gives up on it
                elif not gpu.lost:
                    gpu.pushed += 1  # it makes it current for this, and leaves it so
                gpu.retained -= 1
                assert gpu.lost or gpu.retained or not gpu.engines, 'an engine outlives its context'
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
                return gpu.compute_capability

            def get_attribute(self, attribute: str) -> int:
                return {'processors': 16, 'integrated': gpu.integrated}[attribute]

            def total_memory(self) -> int:
                return gpu.total

            def retain_primary_context(self) -> Context:
                gpu.living += 1
                gpu.retained += 1
                gpu.valid += 1
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
            gpu.check()
            return gpu.memory - gpu.used, gpu.memory

        def pagelocked_empty(size: int, dtype: type) -> np.ndarray:
            gpu.allocations += 1
            return np.zeros(size, dtype)

        driver.init = lambda: None
        driver.device_attribute = types.SimpleNamespace(
            MULTIPROCESSOR_COUNT='processors', INTEGRATED='integrated')
        driver.Device, driver.Context, driver.Error = Device, Context, Error
        driver.Stream = lambda flags=0: Stream(gpu, flags)
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
        monkeypatch.setitem(sys.modules, 'tensorrt', tensorrt(self))
