"""Predict labelled tasks one by one, as a robot would, and score the answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TYPE_CHECKING

import numpy as np

from ..dataset.records import TaskRecord
from ..taxonomy import to_flags
from .calibration import expected_calibration_error
from .metrics import score, Scores
from .significance import bootstrap, exact_match, hamming_loss, Interval, macro_f1

if TYPE_CHECKING:
    from ..inference.predictor import Prediction, SkillPredictor


@dataclass(frozen=True)
class Outcome:
    """A labelled task and what became of it."""

    record: TaskRecord
    prediction: Prediction
    milliseconds: float
    """From text to skills."""


@dataclass(frozen=True)
class Latency:
    """Milliseconds from one text to its skills, over the tasks that could be read."""

    mean: float
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class Evaluation:
    """Scores of a model on labelled tasks."""

    scores: Scores
    intervals: dict[str, Interval]
    """Exact match, Hamming loss and macro F1 again, with 95 % bootstrap intervals."""
    calibration_error: float | None
    """Expected calibration error of all flags of the tasks that could be read."""
    unreadable: int
    """Tasks whose text the model cannot read; they are in ``scores`` with all six flags wrong."""
    latency_ms: Latency | None
    """``None`` when no task could be read."""

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain numbers, fit for JSON."""
        return {'unreadable': self.unreadable, **self.scores.to_dict(),
                **{f'{name}_95': [value.low, value.high] for name, value in self.intervals.items()},
                'expected_calibration_error': self.calibration_error,
                'latency_ms': asdict(self.latency_ms) if self.latency_ms else None}


def predict_each(predictor: SkillPredictor, records: Iterable[TaskRecord],
                 on_done: Callable[[int], None] | None = None) -> list[Outcome]:
    """Predict tasks one at a time and take the time of each.

    Parameters
    ----------
    predictor
        A predictor that is warm.
    records
        Tasks, labelled or not.
    on_done
        Called with the number of tasks done since the last call.
    """
    outcomes = []
    for record in records:
        started = time.perf_counter()
        prediction, = predictor.predict([record.text], on_done)
        outcomes.append(Outcome(record, prediction, (time.perf_counter() - started) * 1e3))
    return outcomes


def evaluate(outcomes: Sequence[Outcome]) -> Evaluation:
    """Score the outcomes of labelled tasks.

    A task whose text could not be read counts as wrong in every flag: it makes no vector, and
    leaving it out would make a model that reads less look better.

    Raises
    ------
    ValueError
        When there are no outcomes, or one has no label.
    ImportError
        When scikit-learn is not installed.
    """
    unlabelled = [outcome.record.id for outcome in outcomes if outcome.record.label is None]
    if unlabelled:
        raise ValueError(f'task {unlabelled[0]!r} has no label')
    labels = _flags([to_flags(outcome.record.label) for outcome in outcomes])
    predicted = _flags([outcome.prediction.required for outcome in outcomes])
    unreadable = np.array([bool(outcome.prediction.error) for outcome in outcomes], dtype=bool)
    predicted[unreadable] = ~labels[unreadable]
    times = [outcome.milliseconds for outcome in outcomes if not outcome.prediction.error]
    scores = score(labels, predicted)
    groups = [outcome.record.group for outcome in outcomes]
    intervals = {figure.__name__: bootstrap(labels, predicted, figure, groups=groups)
                 for figure in (exact_match, hamming_loss, macro_f1)}
    probabilities = np.array([outcome.prediction.probabilities for outcome in outcomes])
    read = ~unreadable
    error = (expected_calibration_error(labels[read], probabilities[read]) if read.any() else None)
    return Evaluation(scores, intervals, error, int(unreadable.sum()),
                      _latency(times))


def _flags(rows: Sequence[Sequence[bool]]) -> np.ndarray:
    return np.array(rows, dtype=bool).reshape(-1, len(to_flags(())))


def _latency(times: Sequence[float]) -> Latency | None:
    if not times:
        return None
    p50, p95, p99 = np.percentile(times, (50, 95, 99))
    return Latency(float(np.mean(times)), float(p50), float(p95), float(p99))
