"""Runs one engine: buffers made once, shapes set, work started on a stream of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import BackendError
from ..grouping import MAX_RUN_TOKENS
from ..tensor_names import ATTENTION_MASK, INPUT_IDS, PROBABILITIES
from .cuda import Gpu, RecordedWork
from .library import Library
from .profiles import fitting, Profile

TOKEN_STEP = 8
"""Tokens are padded to a multiple of this: tensor cores like it, and fewer shapes come up."""

RECORDED_TASKS = 1
"""Batches up to this size are recorded as CUDA graphs, ..."""

RECORDED_TOKENS = 64
"""... up to this length: the shapes in which robots ask one by one."""


@dataclass
class _Context:
    """An execution context with all addresses set, and what was recorded with it."""

    execution: object
    recorded: RecordedWork | None = None
    shape: tuple[int, int] | None = None


class EngineRunner:
    """An engine with all memory that it will ever use. To be used while its GPU is current.

    Parameters
    ----------
    gpu
        Whose context is current.
    library
        That the engine is of.
    engine
        A deserialised engine with the profiles below.
    profiles
        In the engine's order.
    width
        Probabilities per task.

    Raises
    ------
    BackendError
        When the GPU lacks memory, or the engine has other profiles or tensors.
    """

    def __init__(self, gpu: Gpu, library: Library, engine, profiles: Sequence[Profile],
                 width: int) -> None:
        self._gpu = gpu
        self._library = library
        self._engine = engine
        self._profiles = tuple(profiles)
        self._width = width
        tasks, tokens = self._profiles[-1].tasks[2], self._profiles[-1].tokens[2]
        self._most_tokens = tokens
        self._stream = gpu.stream()
        self._host: dict[str, np.ndarray] = {}
        self._device: dict[str, Any] = {}
        self._contexts: list[_Context] = []
        # A recorded graph keeps the state of its context, so each has one of its own.
        self._single: dict[tuple[int, int], _Context] = {}
        # TensorRT for RTX replaces kernels while it runs; what is recorded early stays slow.
        self._may_record = not library.builds_without_gpu
        self.unrecorded = ''
        """Why nothing is recorded any more; empty: nothing went wrong."""
        self._tasks = 0
        try:
            for name, size, dtype in ((INPUT_IDS, tasks * tokens, np.int64),
                                      (ATTENTION_MASK, tasks * tokens, np.int64),
                                      (PROBABILITIES, tasks * width, np.float32)):
                self._host[name] = gpu.host_array(size, dtype)
                self._device[name] = gpu.memory(self._host[name].nbytes)
            self._contexts += [self._context(index) for index in range(len(self._profiles))]
        except BaseException:
            self.close()
            raise

    def _context(self, profile: int) -> _Context:
        # Memory for this profile's shapes only: the default is that of the largest of all.
        strategy = self._library.module.ExecutionContextAllocationStrategy.ON_PROFILE_CHANGE
        execution = self._engine.create_execution_context(strategy)
        if execution is None:
            raise BackendError('TensorRT made no execution context; the GPU may lack memory')
        try:
            chosen = execution.set_optimization_profile_async(profile, self._stream.handle)
        except RuntimeError as error:
            raise BackendError(f'TensorRT refuses profile {profile}: {error}') from error
        if not chosen:
            raise BackendError(f'TensorRT refuses profile {profile}')
        for name, memory in self._device.items():
            if not execution.set_tensor_address(name, int(memory)):
                raise BackendError(f'the engine has no tensor {name!r}')
        self._stream.synchronize()
        return _Context(execution)

    def layers(self) -> str:
        """What the engine tells of its layers, as JSON; see :mod:`precision`."""
        context, expected = self._contexts[0], self._profiles[0].shapes[1]
        self._shape(context, expected)  # without shapes it tells no types
        inspector = self._engine.create_engine_inspector()
        inspector.execution_context = context.execution
        return inspector.get_engine_information(
            self._library.module.LayerInformationFormat.JSON)

    def warm_up(self) -> None:
        """Run every shape that robots ask for one by one, and each profile, so that nobody has to wait."""
        for tokens in range(TOKEN_STEP, min(RECORDED_TOKENS, self._most_tokens) + 1, TOKEN_STEP):
            for _ in range(2):  # the first run prepares, the second is recorded
                self._run_any(RECORDED_TASKS, tokens)
        # A profile has kernels of its own, which are loaded, and may take memory, by its first runs.
        for tasks, tokens in self._large_batches():
            if tasks > RECORDED_TASKS or tokens > RECORDED_TOKENS:
                self._run_any(tasks, tokens)

    def _large_batches(self) -> Iterator[tuple[int, int]]:
        """Of each profile the batch that is expected, that of most tasks, and that of the longest."""
        fewest = 1
        for profile in self._profiles:
            yield profile.shapes[1]
            for tasks in (profile.tasks[2], fewest):
                yield tasks, min(MAX_RUN_TOKENS // tasks, self._most_tokens)
            fewest = profile.tasks[2] + 1

    def _run_any(self, tasks: int, tokens: int) -> None:
        ids = np.zeros((tasks, tokens), dtype=np.int64)
        self.start(ids, np.ones_like(ids))
        self.finish()

    def start(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> None:
        """Start a batch; :meth:`finish` gives its answer.

        Parameters
        ----------
        input_ids, attention_mask
            int64, shape (tasks, tokens), within the largest profile.

        Raises
        ------
        BackendError
            When TensorRT refuses.
        ValueError
            When there are too many tasks or tokens.
        """
        tasks, tokens = input_ids.shape
        profile = fitting(self._profiles, tasks)
        padded = min(-(-tokens // TOKEN_STEP) * TOKEN_STEP, self._most_tokens)
        if tokens > padded:
            raise ValueError(f'{tokens} tokens do not fit, at most {self._most_tokens} do')
        self._tasks = tasks
        # Padding that the mask hides: the ids in it are read, but never counted.
        for name, values in ((INPUT_IDS, input_ids), (ATTENTION_MASK, attention_mask)):
            target = self._host[name][:tasks * padded].reshape(tasks, padded)
            target[:, :tokens] = values
            target[:, tokens:] = 0
        shape = (tasks, padded)
        if self._may_record and tasks <= RECORDED_TASKS and padded <= RECORDED_TOKENS:
            self._start_recorded(profile, shape)
        else:
            self._start(self._contexts[profile], shape)

    def _start(self, context: _Context, shape: tuple[int, int]) -> None:
        self._shape(context, shape)
        self._enqueue(context, shape)

    def _shape(self, context: _Context, shape: tuple[int, int]) -> None:
        if context.shape == shape:
            return
        context.shape = None  # until both inputs have it
        for name in (INPUT_IDS, ATTENTION_MASK):
            if not context.execution.set_input_shape(name, shape):
                raise BackendError(f'TensorRT refuses the shape {shape}')
        context.shape = shape

    def _enqueue(self, context: _Context, shape: tuple[int, int]) -> None:
        tasks, tokens = shape
        for name in (INPUT_IDS, ATTENTION_MASK):
            self._gpu.upload(self._device[name], self._host[name][:tasks * tokens], self._stream)
        if not context.execution.execute_async_v3(self._stream.handle):
            raise BackendError('TensorRT could not run the engine')
        self._gpu.download(self._host[PROBABILITIES][:tasks * self._width],
                           self._device[PROBABILITIES], self._stream)

    def _start_recorded(self, profile: int, shape: tuple[int, int]) -> None:
        context = self._single.get(shape)
        if context is None:
            # The first run of a shape prepares what a recording must not do.
            context = self._single[shape] = self._context(profile)
            self._start(context, shape)
            return
        if context.recorded is None:
            try:
                context.recorded = self._gpu.record(
                    self._stream, lambda: self._enqueue(context, shape))
            except BackendError as error:
                self._may_record = False  # slower, not wrong
                self.unrecorded = str(error)
                self._drop_recorded()
                self._start(self._contexts[profile], shape)
                return
        context.recorded.launch(self._stream)

    def _drop_recorded(self) -> None:
        for context in self._single.values():
            if context.recorded is not None:
                with suppress(BackendError):  # after an error of the GPU, the driver frees it all
                    context.recorded.close()
        self._single.clear()

    def finish(self) -> np.ndarray:
        """Wait for the batch that was started.

        Returns
        -------
        numpy.ndarray, float32 in 0..1, shape (tasks, width)
        """
        self._stream.synchronize()
        found = self._host[PROBABILITIES][:self._tasks * self._width]
        return found.reshape(self._tasks, self._width).copy()

    def close(self) -> None:
        """Free everything, while the GPU is current. May be called twice."""
        frees = [self._stream.synchronize, self._drop_recorded, self._contexts.clear,
                 *(memory.free for memory in self._device.values())]
        for free in frees:
            try:
                free()
            except Exception:
                pass  # after an error of the GPU nothing answers, and the driver frees it all
        self._device.clear()
        self._host.clear()
        self._engine = None
