"""How sure a figure is: bootstrap intervals, and McNemar's test between two systems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f'{self.value:.3f} ({self.low:.3f} to {self.high:.3f})'


@dataclass(frozen=True)
class Comparison:
    """Two systems on the same tasks.

    Attributes
    ----------
    only_first, only_second : int
        Tasks that one of them alone answers right.
    p_value : float
        Probability of a difference at least so large if both were equally good, 0..1.
    """

    only_first: int
    only_second: int
    p_value: float


def bootstrap(labels: np.ndarray, predicted: np.ndarray,
              figure: Callable[[np.ndarray, np.ndarray], float], *,
              groups: Sequence[str] = (), resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """A figure with its 95 % percentile bootstrap interval (Efron and Tibshirani 1993).

    Parameters
    ----------
    labels, predicted
        Same length, at least 1; their rows are drawn together.
    figure
        Makes a number of such arrays.
    groups
        Name of each row's group, '' for none: rows of one group are drawn together, since they tell
        less than as many others would; empty: all rows are on their own.
    resamples
        How many samples are drawn, at least 1.
    seed
        Start of the random numbers.

    Raises
    ------
    ValueError
        When there is nothing, or not as many predictions as labels.
    """
    if not len(labels) or len(labels) != len(predicted):
        raise ValueError(f'{len(labels)} labels for {len(predicted)} predictions')
    rng = np.random.default_rng(seed)
    unit = _units(groups or [''] * len(labels))
    units, values = unit.max() + 1, []
    for _ in range(resamples):
        times = np.bincount(rng.integers(units, size=units), minlength=units)
        chosen = np.repeat(np.arange(len(labels)), times[unit])
        values.append(figure(labels[chosen], predicted[chosen]))
    low, high = np.percentile(values, (2.5, 97.5))
    return Interval(float(figure(labels, predicted)), float(low), float(high))


def _units(groups: Sequence[str]) -> np.ndarray:
    """Number of the unit that each row belongs to: its group, or itself."""
    known: dict[object, int] = {}
    return np.array([known.setdefault(group or index, len(known))
                     for index, group in enumerate(groups)])


def exact_match(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Share of rows that are equal, 0..1."""
    return float((labels == predicted).all(axis=1).mean())


def macro_f1(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Mean F1 of the columns, 0..1; a column that never occurs and is never predicted counts 0."""
    both = (labels & predicted).sum(axis=0)
    some = labels.sum(axis=0) + predicted.sum(axis=0)
    return float(np.divide(2 * both, some, out=np.zeros(len(both)), where=some > 0).mean())


def mcnemar(right_first: np.ndarray, right_second: np.ndarray) -> Comparison:
    """McNemar's exact test (McNemar 1947): do two systems answer as many tasks right?

    Parameters
    ----------
    right_first, right_second
        bool, shape (n,): which tasks each system answers right.

    Raises
    ------
    ValueError
        When the shapes differ.
    """
    from scipy.stats import binomtest
    first, second = np.asarray(right_first, dtype=bool), np.asarray(right_second, dtype=bool)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f'answers of shapes {first.shape} and {second.shape} cannot be compared')
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    split = only_first + only_second
    p_value = float(binomtest(only_first, split).pvalue) if split else 1.0
    return Comparison(only_first, only_second, p_value)
