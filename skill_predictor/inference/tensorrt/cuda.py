"""The GPU through pycuda: its primary context, memory, streams; CUDA graphs through the driver."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BackendError
from .device import ANY_DEVICE, Device, LEAST_OF_ANY
from .library import Library

_THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: other threads may use the GPU meanwhile
_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING: nothing waits for, or breaks, the stream that CUDA has by default


def missing(library: Library | None = None) -> str | None:
    """Why there is no GPU to run on, without making a context; ``None`` when there is one.

    Parameters
    ----------
    library
        Whose engines it is to run; ``None``: any.
    """
    try:
        driver = _driver()
        if driver.Device.count() == 0:
            return 'there is no GPU'
        capability = driver.Device(0).compute_capability()
        if library is not None and library.builds_without_gpu and capability < LEAST_OF_ANY:
            return (f'{library} runs our engines on {ANY_DEVICE}, this one has '
                    f'{".".join(map(str, capability))}; TensorRT suits it (pip install tensorrt)')
    except ModuleNotFoundError as error:
        if not _sign_of_gpu():  # no package would help
            return 'there is no NVIDIA GPU here, and no driver for one'
        package = (error.name or 'pycuda').partition('.')[0]
        return f'pycuda does not load ({error}); pip install {package}'
    except ImportError as error:  # of a shared library
        return f"pycuda does not load ({error}); are NVIDIA's driver and CUDA installed?"
    except Exception as error:  # pycuda's own errors, which exist only where it loads
        return f'the GPU does not answer ({error})'
    return None


def device(index: int = 0) -> Device:
    """The GPU at hand.

    Raises
    ------
    BackendError
        When there is none.
    """
    reason = missing()
    if reason is not None:
        raise BackendError(reason)
    driver = _driver()
    found = driver.Device(index)
    gib = -(-found.total_memory() >> 30)
    return Device(found.name(), '.'.join(map(str, found.compute_capability())),
                  found.get_attribute(driver.device_attribute.MULTIPROCESSOR_COUNT),
                  1 << (gib - 1).bit_length())


def device_for(library: Library) -> Device:
    """What a library builds engines for on this machine.

    Raises
    ------
    BackendError
        When it builds for the GPU at hand, and there is none.
    """
    return ANY_DEVICE if library.builds_without_gpu else device()


def _sign_of_gpu() -> bool:
    """Whether a device, or NVIDIA's driver, is there; to be asked without pycuda."""
    if any(Path('/dev').glob('nvidia*')) or any(Path('/dev').glob('nvhost*')):
        return True
    with suppress(OSError):
        _driver_library()
        return True
    return False


def _driver():
    import pycuda.driver
    pycuda.driver.init()
    return pycuda.driver


class Gpu:
    """One GPU's primary context, which other libraries of the process share.

    Every use is between :meth:`current`'s enter and exit: the context is pushed to the calling thread
    and popped again, so that any thread may use it, one at a time.

    Raises
    ------
    BackendError
        When there is no GPU, or it gives no context.
    """

    def __init__(self, index: int = 0) -> None:
        reason = missing()
        if reason is not None:
            raise BackendError(reason)
        self._cuda = _driver()
        try:
            self._device = self._cuda.Device(index)
            self._context = self._device.retain_primary_context()
        except self._cuda.Error as error:
            raise BackendError(f'the GPU gives no context: {error}') from error
        self._made_by = threading.get_ident()
        self._graphs = _DriverGraphs()

    @contextmanager
    def current(self) -> Iterator[None]:
        """The context, for the calling thread.

        Raises
        ------
        BackendError
            When the driver reports an error inside, or the GPU was closed.
        """
        if self._context is None:
            raise BackendError('the GPU is closed')
        try:
            self._context.push()
            try:
                yield
            finally:
                self._cuda.Context.pop()
        except self._cuda.Error as error:
            raise BackendError(f'the GPU failed: {error}') from error

    def stream(self):
        """A new stream; its ``handle`` is the driver's."""
        return self._cuda.Stream(_NON_BLOCKING)

    def host_array(self, size: int, dtype: type) -> np.ndarray:
        """Memory of the host that the GPU reads and writes by itself, shape (size,)."""
        return self._cuda.pagelocked_empty(size, dtype)

    def memory(self, size_bytes: int):
        """Memory of the GPU; ``int()`` gives its address, ``free()`` gives it back."""
        return self._cuda.mem_alloc(size_bytes)

    def upload(self, target, source: np.ndarray, stream) -> None:
        """Start a copy to the GPU."""
        self._cuda.memcpy_htod_async(target, source, stream)

    def download(self, target: np.ndarray, source, stream) -> None:
        """Start a copy from the GPU."""
        self._cuda.memcpy_dtoh_async(target, source, stream)

    def copy(self, target, source, size_bytes: int, stream) -> None:
        """Start a copy within the GPU's memory."""
        self._cuda.memcpy_dtod_async(target, source, size_bytes, stream)

    def record(self, stream, work: Callable[[], None]) -> RecordedWork:
        """Record what ``work`` starts on a stream, without running it.

        Raises
        ------
        BackendError
            When something in it cannot be recorded.
        """
        try:
            return self._graphs.record(stream, work)
        except (self._cuda.Error, OSError, AttributeError) as error:  # also: a driver without them
            raise BackendError(f'nothing was recorded: {error}') from error

    def free_bytes(self) -> int:
        """Memory of the GPU that nobody uses."""
        return self._cuda.mem_get_info()[0]

    @property
    def shares_memory(self) -> bool:
        """Whether the GPU has no memory of its own, as on a Jetson."""
        return bool(self._device.get_attribute(self._cuda.device_attribute.INTEGRATED))

    def close(self) -> None:
        """Let go of the context. May be called twice."""
        context, self._context = self._context, None
        if context is None:
            return
        if threading.get_ident() != self._made_by:
            try:
                context.push()  # pycuda leaks a context that is detached elsewhere, unless current
            except self._cuda.Error:
                context.detach()  # leaked; but what lies on it must not count on it any more
                return
        context.detach()
        # pycuda makes a context current to detach it, and leaves a primary one so.
        with suppress(OSError, AttributeError, BackendError):
            _call(_driver_library(), 'cuCtxPopCurrent_v2', ctypes.byref(ctypes.c_void_p()))


class RecordedWork:
    """A CUDA graph: work that the GPU starts as a whole."""

    def __init__(self, library, executable: ctypes.c_void_p) -> None:
        self._library = library
        self._executable = executable

    def launch(self, stream) -> None:
        """Start it.

        Raises
        ------
        BackendError
            When the driver refuses.
        """
        _call(self._library, 'cuGraphLaunch', self._executable, ctypes.c_void_p(stream.handle))

    def close(self) -> None:
        """Give its memory back. May be called twice."""
        if self._executable is not None:
            _call(self._library, 'cuGraphExecDestroy', self._executable)
            self._executable = None


class _DriverGraphs:
    """pycuda knows no CUDA graphs; these few calls of the driver make them."""

    def record(self, stream, work: Callable[[], None]) -> RecordedWork:
        library = _driver_library()
        handle, graph = ctypes.c_void_p(stream.handle), ctypes.c_void_p()
        executable = ctypes.c_void_p()
        _call(library, 'cuStreamBeginCapture_v2', handle, _THREAD_LOCAL)
        try:
            try:
                work()
            finally:
                # Also after an error: a stream that stays in capture is of no use any more.
                _call(library, 'cuStreamEndCapture', handle, ctypes.byref(graph))
            _call(library, 'cuGraphInstantiateWithFlags', ctypes.byref(executable), graph,
                  ctypes.c_ulonglong(0))
        finally:
            if graph.value:
                _call(library, 'cuGraphDestroy', graph)
        return RecordedWork(library, executable)


def _driver_library() -> ctypes.CDLL:
    return ctypes.CDLL('libcuda.so.1')


def _call(library, name: str, *arguments) -> None:
    code = getattr(library, name)(*arguments)
    if code:
        raise BackendError(f'{name} failed with CUDA error {code}')
