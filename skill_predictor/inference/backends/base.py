"""The interface of an engine."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..choices import MAX_THREADS, PRECISIONS
from ..errors import BackendError
from ..store import ReleasedModel


@dataclass(frozen=True)
class BackendOptions:
    """What a user may choose about an engine."""

    precision: str = 'auto'
    """One of :data:`skill_predictor.inference.choices.PRECISIONS`."""
    threads: int = 0
    """CPU threads; 0: one per core that this process may use."""
    encoders_folder: str | os.PathLike | None = None
    """Where base weights are looked for first; ``None``: the usual places."""
    offline: bool = False
    """Never download anything."""
    fallback: bool = True
    """Go on with the CPU when the GPU fails while the model is in use."""

    def check(self) -> None:
        """Raise ValueError when an option is out of range."""
        if self.precision not in PRECISIONS:
            raise ValueError(
                f'unknown precision {self.precision!r}; choose from {", ".join(PRECISIONS)}')
        if not 0 <= self.threads <= MAX_THREADS:
            raise ValueError(f'threads must be from 0 to {MAX_THREADS}, not {self.threads}')

    def precision_for(self, backend: type[Backend]) -> str:
        """The precision that a backend is to compute in.

        Raises
        ------
        BackendError
            When it does not know the one that was chosen.
        """
        if self.precision == 'auto':
            return backend.precisions[0]
        if self.precision not in backend.precisions:
            raise BackendError(f'{backend.name} computes in {" or ".join(backend.precisions)}, '
                               f'not in {self.precision}')
        return self.precision


class Backend(ABC):
    """One engine with all encoders of a model loaded. Used from one thread at a time."""

    name: str = ''
    precisions: tuple[str, ...] = ()
    """In which it can compute, the default first."""

    free_tokens: int = 0
    """Tokens of a run, padding included, that take no longer than one: it waits for the weights."""

    checked_batches: tuple[int, ...] = (1,)
    """Sizes of batches by which it is checked when it is loaded: one for each program that it has."""

    trouble: str = ''
    """What is not as it should be while the backend still answers; empty: nothing."""

    @classmethod
    @abstractmethod
    def missing(cls) -> str | None:
        """Why this engine cannot run here, without loading anything heavy; ``None`` if it may."""

    @classmethod
    @abstractmethod
    def prepare(cls, model: ReleasedModel, options: BackendOptions,
                progress: Callable[[str], None], *, rebuild: bool = False) -> list[Path]:
        """Build what is missing, without loading it.

        Parameters
        ----------
        model, options, progress
            See :func:`skill_predictor.inference.backends.open_backend`.
        rebuild
            Build also what is there.

        Returns
        -------
        list of Path
            A file per encoder.

        Raises
        ------
        BackendError, ModelError
            When something cannot be built.
        """

    @classmethod
    @abstractmethod
    def load(cls, model: ReleasedModel, options: BackendOptions,
             progress: Callable[[str], None]) -> Backend:
        """Build what is missing and load all encoders."""

    @property
    @abstractmethod
    def device(self) -> str:
        """Device, precision and threads, in words."""

    @abstractmethod
    def run(self, inputs: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
        """Probabilities of one batch, per encoder.

        Parameters
        ----------
        inputs
            Per encoder, in the model's order: ``input_ids`` and ``attention_mask``, int64, shape
            (batch, tokens).

        Returns
        -------
        list of numpy.ndarray, float32 in 0..1, shape (batch, 6)
        """

    @abstractmethod
    def close(self) -> None:
        """Free everything; the backend is not used afterwards. May be called twice."""
