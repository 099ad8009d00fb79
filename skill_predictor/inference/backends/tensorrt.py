"""TensorRT engines of all encoders on the GPU, each on a stream of its own."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TYPE_CHECKING

import numpy as np

from ..choices import ENGINE_PRECISIONS
from ..errors import BackendError
from ..store import ReleasedModel
from ..tensorrt import cuda
from ..tensorrt.library import find_library, made
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
    checked_batches = (1, 4, 12)

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
            return cuda.missing(find_library())
        except BackendError as error:
            return str(error)

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
                    progress: Callable[[str], None], *,
                    workspace_bytes: int | None = None) -> TensorRtBackend:
        """Load the engines of one model, which are built first where they are missing.

        Parameters
        ----------
        requests
            One per encoder, all for the same model, library, GPU and precision.
        options
            Where weights come from.
        progress
            Called with lines of text, among them what each engine really computes in.
        workspace_bytes
            For engines that have to be built, see
            :func:`skill_predictor.inference.tensorrt.build.build_plan`.

        Raises
        ------
        BackendError
            When there is no GPU, an engine cannot be built or loaded, or has lost its precision.
        ModelError
            When the base weights cannot be had.
        """
        model, library, device = requests[0].model, requests[0].library, requests[0].device
        paths = _files(requests, options, progress, workspace_bytes=workspace_bytes)
        messages = library.messages()
        gpu = cuda.Gpu()
        runtimes: list[Any] = []
        runners: list[EngineRunner] = []
        try:
            with gpu.current():
                runtimes.append(made(library.module.Runtime, messages))
                for request, path in zip(requests, paths):
                    # Without a name of its own here, which would keep the engine while it is closed.
                    runners.append(EngineRunner(
                        gpu, library, _engine(runtimes[0], request, path, options, progress,
                                              messages, workspace_bytes),
                        profiles(model.max_tokens), request.encoder.head_layers[-1]))
                    _check_precision(runners[-1], request, progress)
                    runners[-1].warm_up()
                    if runners[-1].unrecorded:
                        progress(f'WARNING: {request.encoder.name} runs without CUDA graphs, single '
                                 f'tasks take a little longer: {runners[-1].unrecorded}')
        except BaseException:
            with suppress(BackendError):  # the first reason is the one to tell
                _close(gpu, runners, runtimes)
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
    reason = TensorRtBackend.missing()
    if reason is not None:  # not after minutes of building: TensorRT for RTX builds without a GPU
        raise BackendError(reason)
    library = find_library()
    device, precision = cuda.device_for(library), options.precision_for(TensorRtBackend)
    return [EngineRequest(model, encoder, library, device, precision)
            for encoder in model.encoders]


def _files(requests: Sequence[EngineRequest], options: BackendOptions,
           say: Callable[[str], None], rebuild: bool = False,
           workspace_bytes: int | None = None) -> list[Path]:
    from ..tensorrt.engines import engine_file
    return [engine_file(request, encoders_folder=options.encoders_folder, rebuild=rebuild,
                        workspace_bytes=workspace_bytes, offline=options.offline, progress=say)
            for request in requests]


def _engine(runtime, request: EngineRequest, path: Path, options: BackendOptions,
            say: Callable[[str], None], messages, workspace_bytes: int | None) -> Any:
    engine = runtime.deserialize_cuda_engine(path.read_bytes())
    if engine is None:
        # Whole by its hash, yet of no use to this library: build it once more, then give up.
        say(f'{path} does not load ({messages.last or "no reason given"}) and is built again')
        path, = _files([request], options, say, True, workspace_bytes)
        engine = runtime.deserialize_cuda_engine(path.read_bytes())
    if engine is None:
        raise BackendError(f'{request.library} does not load its own engine of '
                           f'{request.encoder.name}: {messages.last or "no reason given"}')
    return engine


def _check_precision(runner: EngineRunner, request: EngineRequest,
                     say: Callable[[str], None]) -> None:
    """Say what the engine really computes in; refuse one that lost what was asked for."""
    from ..tensorrt import precision
    layers = runner.layers()
    found, least = precision.of_engine(layers), request.encoder.architecture.layers
    try:
        precision.check_engine(found, request.precision, least)
    except BackendError as error:
        raise BackendError(f'{error}{_kept(layers, request)}') from error
    told, count = precision.in_words(found), precision.floating(found)
    if count < least:
        say(f'WARNING: {request.encoder.name} on the GPU tells the types of {count} layers only, so its '
            f'precision was checked before the build alone ({told or "none"})')
    else:
        say(f'{request.encoder.name} on the GPU: {told}')


def _kept(layers: str, request: EngineRequest) -> str:
    """Keep what a refused engine tells of itself, and say where."""
    path = request.path.with_suffix('.layers.json')
    try:
        path.write_text(layers, encoding='utf-8')
    except OSError:  # the reason for the refusal is worth more
        return ''
    return f'; what it tells of its layers is in {path}'


def _close(gpu: cuda.Gpu, runners: list[EngineRunner], runtimes: list[Any]) -> None:
    """Let go of TensorRT's objects, then of the context.

    Also of those objects that are held by the error which is being handled, if one is.
    """
    try:
        with gpu.current():
            _forget_frames(sys.exc_info()[1])
            while runners:
                runners.pop().close()
            runtimes.clear()
    finally:
        # Before what is left when the context cannot be made current: in a context that still counts as
        # valid, pycuda would try to free streams and memory, fail, and end the process.
        gpu.close()
        runners.clear()
        runtimes.clear()


def _forget_frames(error: BaseException | None) -> None:
    """Clear the variables of all calls that ended with an error, and with those that it came from."""
    waiting, seen = [error], set()
    while waiting:
        error = waiting.pop()
        if error is not None and id(error) not in seen:
            seen.add(id(error))
            traceback.clear_frames(error.__traceback__)
            waiting += [error.__cause__, error.__context__]
