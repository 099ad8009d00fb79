"""Whether probabilities mean what they say, and what a review band would cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BINS = 15


@dataclass(frozen=True)
class Bin:
    """Probabilities between two limits.

    Attributes
    ----------
    low, high : float
        Limits, 0..1.
    count : int
    mean_probability : float
        What was said, 0..1.
    frequency : float
        How often it came true, 0..1.
    """

    low: float
    high: float
    count: int
    mean_probability: float
    frequency: float


@dataclass(frozen=True)
class CoveragePoint:
    """What remains when tasks with an unsure probability are left to a person.

    Attributes
    ----------
    band : float
        Tasks with a probability within this distance of the threshold are left out, 0..0.5.
    coverage : float
        Share of the tasks that are still answered, 0..1.
    exact_match : float
        Among those, 0..1; ``nan`` when none is left.
    """

    band: float
    coverage: float
    exact_match: float


def reliability(labels: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> list[Bin]:
    """Probabilities in bins of equal width; empty ones are left out.

    Parameters
    ----------
    labels
        bool, any shape.
    probabilities
        0..1, same shape.
    bins
        How many, at least 1.
    """
    truth, said = np.ravel(labels).astype(bool), np.ravel(probabilities).astype(np.float64)
    limits = np.linspace(0, 1, bins + 1)
    which = np.clip(np.searchsorted(limits, said, side='right') - 1, 0, bins - 1)
    return [Bin(float(limits[index]), float(limits[index + 1]), int(inside.sum()),
                float(said[inside].mean()), float(truth[inside].mean()))
            for index in range(bins) if (inside := which == index).any()]


def expected_calibration_error(labels: np.ndarray, probabilities: np.ndarray,
                               bins: int = BINS) -> float:
    """Mean distance of what is said from what comes true (Naeini et al. 2015), 0..1.

    Parameters
    ----------
    labels, probabilities, bins
        See :func:`reliability`.
    """
    found = reliability(labels, probabilities, bins)
    return sum(part.count * abs(part.mean_probability - part.frequency)
               for part in found) / sum(part.count for part in found)


def coverage_curve(labels: np.ndarray, probabilities: np.ndarray, threshold: float = 0.5,
                   bands: Sequence[float] = tuple(np.arange(0, 0.5, 0.025).round(3))
                   ) -> list[CoveragePoint]:
    """Coverage against exact match for growing review bands.

    Parameters
    ----------
    labels
        bool, shape (n, 6), n at least 1.
    probabilities
        0..1, same shape.
    threshold
        From which a skill is predicted.
    bands
        Widths to try, each 0..0.5.
    """
    margin = np.abs(probabilities - threshold).min(axis=1)
    right = ((probabilities >= threshold) == labels).all(axis=1)
    points = []
    for band in bands:
        sure = margin >= band
        points.append(CoveragePoint(float(band), float(sure.mean()),
                                    float(right[sure].mean()) if sure.any() else float('nan')))
    return points
