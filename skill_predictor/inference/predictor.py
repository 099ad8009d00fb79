"""Text to skill probabilities: the one code path of node, CLI, evaluation and bag replay."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .. import taxonomy
from .averaging import weighted_mean
from .backends import Backend, BackendOptions, open_backend
from .errors import BackendError, TextError
from .grouping import groups_of_like_length
from .locations import find_model
from .store import ReleasedModel, read_model
from .text import DEFAULT_MAX_LENGTH, clean_text
from .tokenizer import TaskTokenizer, batch_ids

OFFLINE_BATCH = 32
"""Texts that :meth:`SkillPredictor.predict` puts through the encoders together."""

WARM_UP_LENGTHS = (9, 30)
"""Tokens of the texts that :meth:`SkillPredictor.warm_up` runs."""


@dataclass(frozen=True)
class Prediction:
    """The skills of one task, or why there is no prediction."""

    probabilities: np.ndarray
    """float32, shape (6,), 0..1; NaN when ``error`` is set."""
    thresholds: tuple[float, ...]
    error: str = ''
    read_as: str = ''
    """The text with mistyped words as they were meant; empty: it was read as it was written."""

    @property
    def required(self) -> tuple[bool, ...]:
        """Six flags: probability at least threshold. All false when ``error`` is set."""
        return tuple(bool(p >= t) for p, t in zip(self.probabilities, self.thresholds))

    @property
    def skills(self) -> tuple[str, ...]:
        """Names of the required skills in vector order."""
        return taxonomy.from_flags(self.required)


class SkillPredictor:
    """An ensemble of encoders that predicts skill probabilities. Used from one thread at a time.

    Parameters
    ----------
    model
        A verified model folder.
    backend
        An engine with that model loaded; the predictor owns and closes it.

    Examples
    --------
    >>> predictor = SkillPredictor.load()
    >>> predictor.predict(['Bring me the fire extinguisher from the hallway'])[0].skills
    ('wheels', 'hands')
    """

    def __init__(self, model: ReleasedModel, backend: Backend) -> None:
        self.model = model
        self.backend = backend
        self.thresholds: tuple[float, ...] = model.thresholds
        """Six thresholds in 0..1, the model's own unless replaced."""
        self.max_length: int = DEFAULT_MAX_LENGTH
        """Most characters of a text."""
        self.correct_spelling: bool = True
        """Whether mistyped words are read as they were meant, if the model has the words for it."""
        self.on_mended: Callable[[str, str], None] | None = None
        """Called with a text and what it was read as, where that is not the same."""
        self._tokenizer = TaskTokenizer.of(model)
        self._plain = self._tokenizer.plain()

    @property
    def version(self) -> str:
        """The model's, and whether mistyped words are read as they are though it could mend them."""
        as_written = self.model.words is not None and not self.correct_spelling
        return self.model.version + (', as written' if as_written else '')

    @classmethod
    def load(cls, model: str | os.PathLike | None = None, backend: str = 'auto',
             options: BackendOptions | None = None,
             progress: Callable[[str], None] | None = None) -> SkillPredictor:
        """Read a model, build what is missing, load an engine and warm it up.

        Parameters
        ----------
        model
            Folder or name of a released model; ``None``: the default one.
        backend
            ``auto``, ``onnxruntime`` or ``tensorrt``.
        options
            See :class:`BackendOptions`.
        progress
            Called with a line of text at every step that takes time.

        Raises
        ------
        ModelError, BackendError, ValueError
            See :func:`read_model` and :func:`open_backend`.
        """
        released = read_model(find_model(model))
        predictor = cls(released, open_backend(backend, released, options, progress))
        try:
            predictor.warm_up()
        except BaseException:
            predictor.close()
            raise
        return predictor

    def warm_up(self) -> float:
        """Run the engine once for a short and once for a longer text; returns seconds."""
        started = time.perf_counter()
        for length in WARM_UP_LENGTHS:
            self.probabilities([[0] * min(length, self.model.max_tokens - 2)])
        return time.perf_counter() - started

    def tokenize(self, text: object) -> list[int]:
        """Tokens of a raw text, ready for :meth:`probabilities`.

        Raises
        ------
        TextError
            When the text is no task description; see :func:`clean_text` and
            :meth:`TaskTokenizer.tokenize`.
        """
        return self._read_and_tokenize(text)[1]

    def _read_and_tokenize(self, text: object) -> tuple[str, list[int]]:
        """What was mended in the text, or nothing where it is as it was written, and its tokens."""
        tokenizer = self._tokenizer if self.correct_spelling else self._plain
        cleaned = clean_text(text, self.max_length)
        read, tokens = tokenizer.read_and_tokenize(cleaned)
        if read == cleaned:
            return '', tokens
        if self.on_mended is not None:
            self.on_mended(cleaned, read)
        return read, tokens

    def probabilities(self, rows: Sequence[Sequence[int]]) -> np.ndarray:
        """Weighted mean of the encoders' probabilities for one batch, run in groups of like length.

        Parameters
        ----------
        rows
            Tokens per text, from :meth:`tokenize`; at least one.

        Returns
        -------
        numpy.ndarray, float32 in 0..1, shape (len(rows), 6)

        Raises
        ------
        BackendError
            When the engine's answer is not finite.
        """
        return self.averaged(self.probabilities_by_encoder(rows))

    def groups(self, lengths: Sequence[int]) -> list[list[int]]:
        """Positions of texts of so many tokens that go through the engine together; see
        :func:`.grouping.groups_of_like_length`."""
        return groups_of_like_length(lengths, self.backend.free_tokens)

    def averaged(self, by_encoder: np.ndarray) -> np.ndarray:
        """The encoders' probabilities, shape (encoders, ..., 6), averaged by the model's weights."""
        return weighted_mean(by_encoder, [encoder.weight for encoder in self.model.encoders])

    def probabilities_by_encoder(self, rows: Sequence[Sequence[int]]) -> np.ndarray:
        """Each encoder's own probabilities; parameters and errors as :meth:`probabilities`.

        Returns
        -------
        numpy.ndarray, float32 in 0..1, shape (encoders, len(rows), 6)
        """
        found = np.empty((len(self.model.encoders), len(rows), taxonomy.NUM_SKILLS),
                         dtype=np.float32)
        for group in self.groups([len(row) for row in rows]):
            inputs = [batch_ids([rows[index] for index in group], encoder.token_ids)
                      for encoder in self.model.encoders]
            found[:, group] = self.backend.run(inputs)
        if not np.isfinite(found).all():
            raise BackendError('the engine gave probabilities that are not finite')
        return found

    def predict(self, texts: Sequence[object],
                on_done: Callable[[int], None] | None = None) -> list[Prediction]:
        """Predictions for any number of texts, in order; a bad text costs only its own answer.

        Parameters
        ----------
        texts
            Task descriptions.
        on_done
            Called with the number of texts answered since the last call.
        """
        done = on_done or (lambda count: None)
        predictions: list[Prediction | None] = [None] * len(texts)
        rows: dict[int, list[int]] = {}
        mended: dict[int, str] = {}
        for index, text in enumerate(texts):
            try:
                mended[index], rows[index] = self._read_and_tokenize(text)
            except TextError as error:
                predictions[index] = Prediction(no_probabilities(), self.thresholds, str(error))
                done(1)
        # Sorted, so that texts of like length meet in one batch.
        by_length = sorted(rows, key=lambda index: len(rows[index]))
        for start in range(0, len(by_length), OFFLINE_BATCH):
            batch = by_length[start:start + OFFLINE_BATCH]
            probabilities = self.probabilities([rows[index] for index in batch])
            for index, values in zip(batch, probabilities):
                predictions[index] = Prediction(values, self.thresholds, read_as=mended[index])
            done(len(batch))
        return predictions

    def close(self) -> None:
        """Free the engine."""
        self.backend.close()


def no_probabilities() -> np.ndarray:
    """What stands for probabilities where there is no prediction: six NaN, float32."""
    return np.full(taxonomy.NUM_SKILLS, np.nan, dtype=np.float32)
