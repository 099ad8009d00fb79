"""Engines that run the encoders, behind one small interface.

``open_backend('auto', ...)`` takes the best one that really loads and says which and why.
"""

from __future__ import annotations

from collections.abc import Callable

from ..choices import ENGINES
from ..errors import BackendError, ModelError
from ..store import ReleasedModel
from .base import Backend, BackendOptions
from .onnxruntime import OnnxRuntimeBackend

__all__ = ['BACKENDS', 'Backend', 'BackendOptions', 'open_backend', 'unavailable']

BACKENDS: dict[str, type[Backend]] = {OnnxRuntimeBackend.name: OnnxRuntimeBackend}
"""Engines of this version, by name."""


def unavailable(name: str) -> str | None:
    """Why a backend cannot run here; ``None`` when nothing speaks against it."""
    if name not in BACKENDS:
        return 'this version of skill_predictor has no such engine yet'
    return BACKENDS[name].missing()


def open_backend(name: str, model: ReleasedModel, options: BackendOptions | None = None,
                 progress: Callable[[str], None] | None = None) -> Backend:
    """Load a model into an engine.

    Parameters
    ----------
    name
        ``auto``, ``onnxruntime`` or ``tensorrt``.
    model
        A released model.
    options
        See :class:`BackendOptions`.
    progress
        Called with a line of text at every step that takes time, and with the choice and its reason.

    Raises
    ------
    BackendError
        When the engine cannot run here, or, with ``auto``, when none can.
    ModelError
        When the model's weights cannot be had.
    ValueError
        When there is no backend of that name, or an option is out of range.
    """
    if name not in ('auto', *ENGINES):
        raise ValueError(f'unknown backend {name!r}; choose from auto, {", ".join(ENGINES)}')
    say = progress or (lambda line: None)
    options = options or BackendOptions()
    options.check()
    reasons = []
    for candidate in ENGINES if name == 'auto' else (name,):
        reason = unavailable(candidate)
        if reason is None:
            try:
                backend = BACKENDS[candidate].load(model, options, say)
            except (ModelError, OSError):
                raise  # no other engine has better weights or a larger disk
            except Exception as error:
                reason = f'{type(error).__name__}: {error}'
            else:
                why = f' ({"; ".join(reasons)})' if reasons else ''
                say(f'backend {candidate}: {backend.device}{why}')
                return backend
        reasons.append(f'{candidate}: {reason}')
    raise BackendError(f'no engine can run the model here. {"; ".join(reasons)}')
