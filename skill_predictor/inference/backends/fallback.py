"""A backend that may fail, and another that takes over when it does."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from ..errors import BackendError
from .base import Backend


RETRY_S = 60.0
"""Between two attempts to load the second one."""


class FallbackBackend(Backend):
    """Runs the first backend until it fails once, and the second from then on.

    A batch in which the first one fails is run by the second: nothing is lost, and nothing that the
    first one left half done is taken for an answer.

    Parameters
    ----------
    first
        Loaded.
    load_second
        Loads the other one when it is needed.
    say
        Called with a line of text when the first one failed.
    """

    def __init__(self, first: Backend, load_second: Callable[[], Backend],
                 say: Callable[[str], None]) -> None:
        self.name = first.name
        self._backend = first
        self._load_second: Callable[[], Backend] | None = load_second
        self._say = say
        self._failure = ''
        self._next_try = 0.0
        self.trouble = first.trouble

    @classmethod
    def missing(cls) -> str | None:
        return 'it is made of two others'

    @classmethod
    def prepare(cls, model, options, progress, *, rebuild=False):
        raise BackendError(cls.missing())

    @classmethod
    def load(cls, model, options, progress):
        raise BackendError(cls.missing())

    @property
    def device(self) -> str:
        return self._backend.device

    @property
    def free_tokens(self) -> int:
        return self._backend.free_tokens

    def run(self, inputs: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
        if self._load_second is None:
            return self._backend.run(inputs)
        if not self._failure:
            try:
                answers = self._backend.run(inputs)
                if all(np.isfinite(answer).all() for answer in answers):
                    return answers
                raise BackendError('its answers are not finite')
            except Exception as error:  # a driver, or TensorRT, raises what it likes
                self._give_up(error)
        self._take_over()
        return self._backend.run(inputs)

    def _give_up(self, error: Exception) -> None:
        self._failure = self.trouble = f'{self.name} failed: {error}'
        self._say(f'WARNING: {self.name} failed ({error}); the CPU takes over')
        # What failed may fail again when it is closed; that must not keep the other from answering.
        try:
            self._backend.close()
        except Exception as closing:
            self._say(f'WARNING: {self.name} could not be closed: {closing}')

    def _take_over(self) -> None:
        """Load the second one; when that fails too, tell both reasons, and try again after a while."""
        assert self._load_second is not None
        if time.monotonic() < self._next_try:
            raise BackendError(self.trouble)
        try:
            self._backend = self._load_second()
        except Exception as error:
            self._next_try = time.monotonic() + RETRY_S
            self.trouble = (f'{self._failure}, and the CPU cannot take over: '
                            f'{type(error).__name__}: {error}')
            self._say(f'WARNING: {self.trouble}')
            raise BackendError(self.trouble) from error
        self._load_second = None
        self.trouble = self._failure
        self.name = self._backend.name

    def close(self) -> None:
        self._backend.close()
