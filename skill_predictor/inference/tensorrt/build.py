"""Builds one engine from one ONNX graph."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import BackendError
from ..tensor_names import ATTENTION_MASK, INPUT_IDS
from . import precision
from .library import Library, made
from .profiles import Profile

Progress = Callable[[str], None]

BUILD_VERSION = 1
"""Raised with every change of this file that changes an engine; part of the engines' key."""

_EVERY_S = 5.0


@dataclass(frozen=True)
class Plan:
    """A built engine.

    Attributes
    ----------
    content : bytes
        What TensorRT reads.
    layers : str
        Layers of its network by kind and type, in words.
    seconds : float
        That the build took.
    """

    content: bytes
    layers: str
    seconds: float


def build_plan(library: Library, graph: Path, shapes: Sequence[Profile], wanted: str, *,
               workspace_bytes: int | None = None, timing_cache: Path | None = None,
               forget_timings: bool = False, progress: Progress | None = None) -> Plan:
    """Build an engine.

    Parameters
    ----------
    library
        From :func:`skill_predictor.inference.tensorrt.library.find_library`.
    graph
        An ONNX file whose tensors have the types that are wanted.
    shapes
        Optimisation profiles.
    wanted
        ``fp16`` or ``fp32``, see :func:`precision.check_network`.
    workspace_bytes
        Most memory for scratch; ``None``: as much as the library sees fit.
    timing_cache
        File with measurements of earlier builds, which is read, and written afterwards.
    forget_timings
        Measure anew all the same: clocks may have changed, which the file does not know.
    progress
        Called with a line of text every few seconds.

    Raises
    ------
    BackendError
        When the graph cannot be parsed, has lost its precision, or no engine can be built.
    """
    started = time.monotonic()
    trt = library.module
    timing_cache = timing_cache if library.keeps_timings else None
    messages = library.messages()
    builder = made(trt.Builder, messages)
    network = library.typed_network(builder)
    parser = trt.OnnxParser(network, messages)
    if not parser.parse(graph.read_bytes()):
        errors = [str(parser.get_error(index)) for index in range(parser.num_errors)]
        raise BackendError(f'{library} cannot read {graph.name}: {"; ".join(errors)}')
    precision.check_network(network, wanted)
    config = builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # so that it can be inspected
    config.clear_flag(trt.BuilderFlag.TF32)  # float32 is to mean float32
    if workspace_bytes is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace_bytes)
    for shape in shapes:
        profile = builder.create_optimization_profile()
        for name in (INPUT_IDS, ATTENTION_MASK):
            profile.set_shape(name, *shape.shapes)
        if config.add_optimization_profile(profile) < 0:
            raise BackendError(f'{library} refuses the shapes {shape.shapes}')
    if timing_cache is not None:
        _use_timings(config, None if forget_timings else timing_cache)
    monitor = None
    with _interrupts() as interrupted:
        if progress is not None and hasattr(trt, 'IProgressMonitor'):
            monitor = config.progress_monitor = _monitor(
                library, graph.stem, progress, interrupted)
        content = builder.build_serialized_network(network, config)
    if interrupted.is_set():
        raise KeyboardInterrupt
    if monitor is not None and monitor.stopped_by is not None:
        raise monitor.stopped_by
    if content is None:
        raise BackendError(f'{library} built no engine of {graph.name}: '
                           f'{messages.last or "it does not say why"}')
    if timing_cache is not None:
        _keep_timings(config, timing_cache)
    return Plan(bytes(content), precision.in_words(precision.of_network(network)),
                time.monotonic() - started)


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Ctrl-C as an event: raised within TensorRT's calls, the exception would be swallowed."""
    pressed = threading.Event()
    if (threading.current_thread() is not threading.main_thread()
            or signal.getsignal(signal.SIGINT) is not signal.default_int_handler):
        yield pressed
        return
    before = signal.signal(signal.SIGINT, lambda *_: pressed.set())
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


def _monitor(library: Library, name: str, say: Progress, interrupted: threading.Event):
    """Tells now and then which phase a build is in, and ends it after Ctrl-C."""
    trt = library.module

    class Monitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.stopped_by: BaseException | None = None
            self._steps: dict[str, int] = {}
            self._said = time.monotonic()

        def phase_start(self, phase_name, parent_phase, num_steps) -> None:
            self._steps[phase_name] = num_steps

        def step_complete(self, phase_name, step) -> bool:
            now = time.monotonic()
            try:
                if now - self._said >= _EVERY_S:
                    self._said = now
                    say(f'building {name}: {phase_name.lower()}, step {step + 1} of '
                        f'{self._steps.get(phase_name, "?")}')
            except BaseException as error:  # TensorRT would swallow it
                self.stopped_by = error
            return self.stopped_by is None and not interrupted.is_set()  # go on?

        def phase_finish(self, phase_name) -> None:
            self._steps.pop(phase_name, None)
    return Monitor()


def _use_timings(config, path: Path | None) -> None:
    """Earlier measurements, unless they are damaged or of another device: then none."""
    try:
        content = path.read_bytes() if path is not None else b''
    except OSError:
        content = b''
    cache = config.create_timing_cache(content) or config.create_timing_cache(b'')
    if cache is not None and not config.set_timing_cache(cache, False):
        config.set_timing_cache(config.create_timing_cache(b''), False)


def _keep_timings(config, path: Path) -> None:
    """For the next build; what goes wrong with it must not cost the engine that was built."""
    cache = config.get_timing_cache()
    if cache is None:
        return
    with suppress(OSError), tempfile.TemporaryDirectory(
            dir=path.parent, prefix=f'.{path.name}.') as scratch:
        written = Path(scratch) / path.name
        written.write_bytes(bytes(cache.serialize()))
        os.replace(written, path)
