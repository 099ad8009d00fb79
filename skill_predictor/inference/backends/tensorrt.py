"""TensorRT engines of all encoders on the GPU, each on a stream of its own."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TYPE_CHECKING

import numpy as np

from ..choices import ENGINE_PRECISIONS
from ..errors import BackendError
from ..store import ReleasedModel
from ..tensorrt import cuda
from ..tensorrt.library import find_library
from ..tensorrt.profiles import MOST_TASKS, profiles
from ..tensorrt.runner import EngineRunner
from .base import Backend, BackendOptions

if TYPE_CHECKING:
    from ..tensorrt.engines import EngineRequest


class TensorRtBackend(Backend):
    """All encoders as TensorRT engines, run at the same time."""

    name = 'tensorrt'
    precisions = ENGINE_PRECISIONS
    # Up to about 200 an AGX Orin's arithmetic (42 TFLOPS in half precision, dense; two operations per
    # weight and token) is done before its memory (204.8 GB/s; two bytes per weight) has given the weights.
    free_tokens = 192

    def __init__(self, gpu: cuda.Gpu, runtimes: list[Any], runners: list[EngineRunner],
                 device: str) -> None:
        self._gpu = gpu
        self._runtimes = runtimes  # must outlive their engines
        self._runners = runners
        self._device = device

    @classmethod
    def missing(cls) -> str | None:
        reason = cuda.missing()
        if reason is not None:
            return reason
        try:
            find_library()
        except BackendError as error:
            return str(error)
        return None

    @classmethod
    def prepare(cls, model: ReleasedModel, options: BackendOptions,
                progress: Callable[[str], None], *, rebuild: bool = False) -> list[Path]:
        return _files(_requests(model, options), options, progress, rebuild)

    @classmethod
    def load(cls, model: ReleasedModel, options: BackendOptions,
             progress: Callable[[str], None]) -> TensorRtBackend:
        return cls.of_requests(_requests(model, options), options, progress)

    @classmethod
    def of_requests(cls, requests: Sequence[EngineRequest], options: BackendOptions,
                    progress: Callable[[str], None]) -> TensorRtBackend:
        """Load the engines of one model, which are built first where they are missing.

        Parameters
        ----------
        requests
            One per encoder, all for the same model, library, GPU and precision.
        options
            Where weights come from.
        progress
            Called with lines of text, among them what each engine really computes in.

        Raises
        ------
        BackendError
            When there is no GPU, an engine cannot be built or loaded, or has lost its precision.
        ModelError
            When the base weights cannot be had.
        """
        model, library, device = requests[0].model, requests[0].library, requests[0].device
        paths = _files(requests, options, progress)
        gpu = cuda.Gpu()
        messages = library.messages()
        runtimes: list[Any] = []
        runners: list[EngineRunner] = []
        try:
            with gpu.current():
                runtimes.append(library.module.Runtime(messages))
                for request, path in zip(requests, paths):
                    runners.append(EngineRunner(
                        gpu, library, _engine(runtimes[0], request, path, options, progress, messages),
                        profiles(model.max_tokens), request.encoder.head_layers[-1]))
                    _check_precision(runners[-1], request, progress)
                    runners[-1].warm_up()
        except BaseException as error:
            _close(gpu, runners, runtimes, error)
            raise
        at_hand = device if device.compute_capability else cuda.device()
        return cls(gpu, runtimes, runners, f'{at_hand}, {library}, {requests[0].precision}')

    @property
    def device(self) -> str:
        return self._device

    def layers(self) -> list[str]:
        """What each engine tells of its layers (names, types, kernels), as JSON.

        Raises
        ------
        BackendError
            When the backend is closed.
        """
        if not self._runners:
            raise BackendError('the backend is closed')
        with self._gpu.current():
            return [runner.layers() for runner in self._runners]

    def run(self, inputs: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
        if not self._runners:
            raise BackendError('the backend is closed')
        tasks = len(inputs[0][0])
        parts = []
        with self._gpu.current():
            for start in range(0, tasks, MOST_TASKS):
                for runner, (input_ids, attention_mask) in zip(self._runners, inputs):
                    runner.start(input_ids[start:start + MOST_TASKS],
                                 attention_mask[start:start + MOST_TASKS])
                parts.append([runner.finish() for runner in self._runners])
        return [np.concatenate(answers) for answers in zip(*parts)]

    def close(self) -> None:
        if self._runners:
            _close(self._gpu, self._runners, self._runtimes)


def _requests(model: ReleasedModel, options: BackendOptions) -> list[EngineRequest]:
    from ..tensorrt.engines import EngineRequest
    library = find_library()
    device, precision = cuda.device_for(library), options.precision_for(TensorRtBackend)
    return [EngineRequest(model, encoder, library, device, precision)
            for encoder in model.encoders]


def _files(requests: Sequence[EngineRequest], options: BackendOptions,
           say: Callable[[str], None], rebuild: bool = False) -> list[Path]:
    from ..tensorrt.engines import engine_file
    return [engine_file(request, encoders_folder=options.encoders_folder, rebuild=rebuild,
                        offline=options.offline, progress=say) for request in requests]


def _engine(runtime, request: EngineRequest, path: Path, options: BackendOptions,
            say: Callable[[str], None], messages) -> Any:
    from ..tensorrt.engines import engine_file
    engine = runtime.deserialize_cuda_engine(path.read_bytes())
    if engine is None:
        # Whole by its hash, yet of no use to this library: build it once more, then give up.
        say(f'{path} does not load ({messages.last or "no reason given"}) and is built again')
        path = engine_file(request, encoders_folder=options.encoders_folder, rebuild=True,
                           offline=options.offline, progress=say)
        engine = runtime.deserialize_cuda_engine(path.read_bytes())
    if engine is None:
        raise BackendError(f'{request.library} does not load its own engine of '
                           f'{request.encoder.name}: {messages.last or "no reason given"}')
    return engine


def _check_precision(runner: EngineRunner, request: EngineRequest,
                     say: Callable[[str], None]) -> None:
    """Say what the engine really computes in; refuse one that lost what was asked for."""
    from ..tensorrt import precision
    found = precision.of_engine(runner.layers())
    least = request.encoder.architecture.layers
    precision.check_engine(found, request.precision, least)
    told = precision.in_words(found)
    if sum(found.values()) < least:
        told = (f'WARNING: it tells the types of {sum(found.values())} layers only, so its precision was '
                f'checked before the build alone ({told or "none"})')
    say(f'{request.encoder.name} on the GPU: {told}')


def _close(gpu: cuda.Gpu, runners: list[EngineRunner], runtimes: list[Any],
           error: BaseException | None = None) -> None:
    """Let go of TensorRT's objects, also of those that an error's traceback holds, then of the context."""
    try:
        with gpu.current():
            if error is not None:
                traceback.clear_frames(error.__traceback__)
            while runners:
                runners.pop().close()
            runtimes.clear()
    finally:
        runners.clear()
        runtimes.clear()
        gpu.close()
