"""ONNX Runtime on the CPU: the built-in default where there is no GPU."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence

import numpy as np

from ..errors import BackendError
from ..store import ReleasedModel
from .base import Backend, BackendOptions


class OnnxRuntimeBackend(Backend):
    """All encoders as ONNX Runtime sessions, run one after the other."""

    name = 'onnxruntime'

    def __init__(self, sessions: Sequence, device: str) -> None:
        self._sessions = list(sessions)
        self._device = device

    @classmethod
    def missing(cls) -> str | None:
        for module in ('onnxruntime', 'onnx'):
            if importlib.util.find_spec(module) is None:
                return f'the Python package {module} is not installed (pip install {module})'
        return None

    @classmethod
    def load(cls, model: ReleasedModel, options: BackendOptions,
             progress: Callable[[str], None]) -> OnnxRuntimeBackend:
        from .. import artefacts
        threads = options.threads or len(os.sched_getaffinity(0))
        sessions = []
        for encoder in model.encoders:
            where = {'encoders_folder': options.encoders_folder, 'offline': options.offline,
                     'progress': progress}
            path = artefacts.onnx_file(model, encoder, options.precision, **where)
            try:
                sessions.append(_session(path, threads))
            except Exception as error:
                # Whole by its hash, yet of no use to this engine: build it once more, then give up.
                progress(f'{path} does not load ({error}) and is built again')
                path = artefacts.onnx_file(model, encoder, options.precision, rebuild=True, **where)
                sessions.append(_session(path, threads))
        plural = 's' if threads != 1 else ''
        return cls(sessions, f'CPU, {options.precision}, {threads} thread{plural}')

    @property
    def device(self) -> str:
        return self._device

    def run(self, inputs: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
        if not self._sessions:
            raise BackendError('the backend is closed')
        return [session.run(['probabilities'], {
            'input_ids': input_ids, 'attention_mask': attention_mask})[0]
            for session, (input_ids, attention_mask) in zip(self._sessions, inputs)]

    def close(self) -> None:
        self._sessions.clear()


def _session(path, threads: int):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only: its warnings are about graph internals
    return onnxruntime.InferenceSession(
        str(path), options, providers=['CPUExecutionProvider'])
