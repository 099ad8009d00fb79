"""ONNX Runtime on the CPU: the built-in default where there is no GPU."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..errors import BackendError
from ..processors import usable_processors
from ..store import ReleasedModel
from .base import Backend, BackendOptions

DISABLED_OPTIMIZERS = ['SkipLayerNormFusion']
"""ONNX Runtime's joint operator for a sum and its layer norm takes longer than the two (1.31)."""


class OnnxRuntimeBackend(Backend):
    """All encoders as ONNX Runtime sessions, run one after the other."""

    name = 'onnxruntime'
    precisions = ('int8', 'fp32')

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
    def prepare(cls, model: ReleasedModel, options: BackendOptions,
                progress: Callable[[str], None], *, rebuild: bool = False) -> list[Path]:
        from .. import artefacts
        return [artefacts.onnx_file(
            model, encoder, options.precision_for(cls), encoders_folder=options.encoders_folder,
            rebuild=rebuild, offline=options.offline, progress=progress)
            for encoder in model.encoders]

    @classmethod
    def load(cls, model: ReleasedModel, options: BackendOptions,
             progress: Callable[[str], None]) -> OnnxRuntimeBackend:
        precision = options.precision_for(cls)
        threads = options.threads or usable_processors()
        paths = cls.prepare(model, options, progress)
        session_settings = session_options(threads)
        try:
            sessions = [_session(path, session_settings) for path in paths]
        except Exception as error:
            # Whole by their hashes, yet of no use to this engine: build once more, then give up.
            progress(f'what was built does not load ({error}) and is built again')
            paths = cls.prepare(model, options, progress, rebuild=True)
            sessions = [_session(path, session_settings) for path in paths]
        plural = 's' if threads != 1 else ''
        return cls(sessions, f'CPU, {precision}, {threads} thread{plural}')

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


def session_options(threads: int):
    """Options of a session, chosen by measurement (``benchmarks/options.py``)."""
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that wait for more work spin; those of one encoder would take the cores from the next.
    options.add_session_config_entry('session.force_spinning_stop', '1')
    options.log_severity_level = 3  # errors only: its warnings are about graph internals
    return options


def _session(path, settings):
    import onnxruntime
    return onnxruntime.InferenceSession(
        str(path), settings, providers=['CPUExecutionProvider'],
        disabled_optimizers=DISABLED_OPTIMIZERS)
