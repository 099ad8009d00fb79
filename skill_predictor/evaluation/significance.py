"""How sure a figure is: bootstrap intervals, and McNemar's test between two systems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000
MOST_DRAWN = 4_000_000
"""Rows times samples that are in memory at once."""

Figure = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Makes one number per sample of labels and predictions, bool, shape (n, columns), and of how often each
sample holds each row, shape (samples, n); without that, the number for all rows once. They repeat what
scikit-learn computes for :mod:`skill_predictor.evaluation.metrics`, but for thousands of samples at once."""


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


def bootstrap(labels: np.ndarray, predicted: np.ndarray, figure: Figure, *,
              groups: Sequence[str] = (), resamples: int = RESAMPLES, seed: int = 0,
              share: bool = True) -> Interval:
    """A figure with its 95 % percentile bootstrap interval (Efron and Tibshirani 1993).

    Where nothing was answered wrong all samples agree, and say nothing of what they do not hold. The
    interval of a share is then Wilson's (1927), of as many right answers as there are groups, times the
    figure (a mean of F1 over skills of which some do not occur is below 1 then).

    Parameters
    ----------
    labels, predicted
        bool, shape (n, columns), n at least 1; their rows are drawn together.
    figure
        Makes numbers of such arrays and of how often each row is drawn, see :data:`Figure`.
    groups
        Name of each row's group, '' for none: rows of one group are drawn together, since they tell
        less than as many others would; empty: all rows are on their own.
    resamples
        How many samples are drawn, at least 1.
    seed
        Start of the random numbers.
    share
        Whether the figure is one of 0..1 that is 0 or 1 where all answers are right, or all wrong.

    Raises
    ------
    ValueError
        When there is nothing, or not as many predictions as labels.
    ImportError
        When scipy is not installed and Wilson's interval is wanted.
    """
    if not len(labels) or len(labels) != len(predicted):
        raise ValueError(f'{len(labels)} labels for {len(predicted)} predictions')
    rng = np.random.default_rng(seed)
    unit = _units(groups or [''] * len(labels))
    units = int(unit.max()) + 1
    at_once, values = max(1, MOST_DRAWN // len(labels)), []
    for start in range(0, resamples, at_once):
        times = rng.multinomial(units, np.full(units, 1 / units),
                                size=min(at_once, resamples - start))
        values.append(figure(labels, predicted, times[:, unit].astype(np.float32)))
    value = float(figure(labels, predicted, np.ones((1, len(labels))))[0])
    drawn = np.concatenate(values)
    drawn = drawn[np.isfinite(drawn)]  # samples that say nothing of it
    low, high = np.percentile(drawn, (2.5, 97.5)) if len(drawn) else (value, value)
    all_right, all_wrong = (labels == predicted).all(), value == 0.0
    if share and (all_wrong or all_right) and np.isclose(low, high):
        # Of a skill's F1 only rows that need it, or are said to, tell anything.
        telling = len(set(unit[(labels | predicted).any(axis=1)])) if labels.shape[1] == 1 else units
        low, high = _wilson(float(not all_wrong), telling)
        if all_right and value > 0.0:
            low, high = value * low, value * high
    return Interval(value, float(low), float(high))


def difference(right_first: np.ndarray, right_second: np.ndarray, *,
               groups: Sequence[str] = ()) -> Interval:
    """By how much the second system's share of right answers is above the first's, with its interval.

    Parameters
    ----------
    right_first, right_second
        bool, shape (n,): which tasks each system answers right.
    groups
        See :func:`bootstrap`.
    """
    return bootstrap(right_first[:, None], right_second[:, None], lambda first, second, times: _mean(
        second[:, 0].astype(np.float32) - first[:, 0], times), groups=groups, share=False)


def _wilson(share: float, trials: int) -> tuple[float, float]:
    from scipy.stats import binomtest
    if not trials:
        return 0.0, 1.0
    found = binomtest(round(share * trials), trials).proportion_ci(method='wilson')
    return found.low, found.high


def _units(groups: Sequence[str]) -> np.ndarray:
    """Number of the unit that each row belongs to: its group, or itself."""
    known: dict[object, int] = {}
    return np.array([known.setdefault(group or index, len(known))
                     for index, group in enumerate(groups)])


def exact_match(labels: np.ndarray, predicted: np.ndarray, times: np.ndarray | None = None):
    """Share of rows that are equal, 0..1; a :data:`Figure`."""
    return _mean((labels == predicted).all(axis=1), times)


def hamming_loss(labels: np.ndarray, predicted: np.ndarray, times: np.ndarray | None = None):
    """Share of flags that differ, 0..1; a :data:`Figure`."""
    return _mean((labels != predicted).mean(axis=1), times)


def macro_f1(labels: np.ndarray, predicted: np.ndarray, times: np.ndarray | None = None):
    """Mean F1 of the columns, 0..1; a :data:`Figure`.

    A column that never occurs and is never predicted counts 0. A sample that happens to lack a column says
    nothing of it: its mean is that of the columns that it has; NaN where it has none.
    """
    drawn = np.ones((1, len(labels))) if times is None else times
    both = drawn @ (labels & predicted).astype(drawn.dtype)
    some = drawn @ (labels.astype(drawn.dtype) + predicted)
    found = np.divide(2 * both, some, out=np.zeros_like(both), where=some > 0)
    occurring = (labels | predicted).any(axis=0)
    if times is None or not occurring.any():
        found = found.mean(axis=1)
        return float(found[0]) if times is None else found
    has = (some > 0).sum(axis=1)
    mean = np.divide(found.sum(axis=1), has, out=np.full(len(has), np.nan), where=has > 0)
    return mean * occurring.mean()


def _mean(values: np.ndarray, times: np.ndarray | None):
    if times is None:
        return float(values.mean())
    return times @ values.astype(times.dtype) / times.sum(axis=1)


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
