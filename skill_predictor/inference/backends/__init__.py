"""Engines that run the encoders, behind one small interface.

``open_backend('auto', ...)`` takes the best one that really loads and says which and why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..choices import ENGINES
from ..errors import BackendError, ModelError
from ..self_check import check_answers
from ..store import ReleasedModel
from .base import Backend, BackendOptions
from .fallback import FallbackBackend
from .onnxruntime import OnnxRuntimeBackend
from .tensorrt import TensorRtBackend

__all__ = ['BACKENDS', 'Backend', 'BackendOptions', 'on_cpu', 'open_backend', 'unavailable']

BACKENDS: dict[str, type[Backend]] = {
    backend.name: backend for backend in (TensorRtBackend, OnnxRuntimeBackend)}
"""Engines by name."""


def unavailable(name: str) -> str | None:
    """Why a backend cannot run here; ``None`` when nothing speaks against it."""
    return BACKENDS[name].missing()


def on_cpu(options: BackendOptions) -> BackendOptions:
    """Options with which the CPU takes over from a GPU: its precision, where the CPU knows it."""
    known = options.precision in OnnxRuntimeBackend.precisions
    return options if known else replace(options, precision='auto')


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
    reasons, failures, unmendable = [], [], None
    for candidate in ENGINES if name == 'auto' else (name,):
        reason = unavailable(candidate)
        if reason is None:
            try:
                backend = _checked(BACKENDS[candidate].load(model, options, say), model, options)
            except Exception as error:
                reason = f'{type(error).__name__}: {error}'
                failures.append(f'{candidate} could not be loaded: {reason}')
                if isinstance(error, (ModelError, OSError)):
                    unmendable = error
            else:
                why = f' ({"; ".join(reasons)})' if reasons else ''
                say(f'backend {candidate}: {backend.device}{why}')
                # An engine that is not installed is no trouble; one that is, and fails, is.
                backend.trouble = '; '.join(failures)
                return _with_fallback(backend, model, options, say)
        reasons.append(f'{candidate}: {reason}')
    if unmendable is not None:
        raise unmendable  # no weights, no room on the disk: that is what has to be put right
    raise BackendError(f'no engine can run the model here. {"; ".join(reasons)}')


def _checked(backend: Backend, model: ReleasedModel, options: BackendOptions) -> Backend:
    if not model.examples:
        return backend
    try:
        check_answers(model, backend.run, options.precision_for(type(backend)), backend.checked_batches)
    except BaseException:
        backend.close()
        raise
    return backend


def _with_fallback(backend: Backend, model: ReleasedModel, options: BackendOptions,
                   say: Callable[[str], None]) -> Backend:
    if not isinstance(backend, TensorRtBackend) or not options.fallback:
        return backend
    second = on_cpu(options)
    try:
        # Now, not when the GPU has failed and tasks are waiting.
        OnnxRuntimeBackend.prepare(model, second, say)
    except Exception as error:  # whatever it is, the GPU works
        unready = ('the CPU is not ready to take over from the GPU: '
                   f'{type(error).__name__}: {error}')
        say(unready)
        backend.trouble = '; '.join(filter(None, [backend.trouble, unready]))
    except BaseException:
        backend.close()
        raise
    return FallbackBackend(backend, lambda: OnnxRuntimeBackend.load(model, second, say), say)
