"""Ways to make one answer of the encoders' probabilities, tried by cross-validation on validation.

What a way chooses (temperatures, weights, thresholds) it chooses on nine tenths, and is judged by the tenth
that it has not seen; so ways with more to choose have no advantage by it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..evaluation.calibration import expected_calibration_error
from ..evaluation.significance import difference, Interval, mcnemar
from ..inference.averaging import weighted_mean
from ..taxonomy import DEFAULT_THRESHOLD
from .calibration import fit_calibration, logits_of, scaled

FOLDS = 10
THRESHOLDS = np.linspace(0.2, 0.8, 25)

PLAIN = 'plain mean'
RELEASED = 'temperatures and weights (taken)'

Answer = tuple[np.ndarray, np.ndarray]
"""Probabilities and decisions, both of shape (n, 6)."""
Way = Callable[[Sequence[np.ndarray]], Answer]
"""Answers of encoders' probabilities, each of shape (n, 6)."""


@dataclass(frozen=True)
class WayScore:
    """How good one way is on tasks that chose nothing of it.

    Attributes
    ----------
    name : str
    exact_match : float
        0..1.
    cross_entropy : float
        Per flag, in nats.
    calibration_error : float
        Expected calibration error of all flags, 0..1.
    p_value : float
        Of McNemar's test against the plain mean.
    difference : Interval
        Its exact match minus the plain mean's, -1..1, with the 95 % interval.
    """

    name: str
    exact_match: float
    cross_entropy: float
    calibration_error: float
    p_value: float
    difference: Interval


def try_ways(by_encoder: Sequence[np.ndarray], targets: np.ndarray, groups: Sequence[str] = (),
             seed: int = 0) -> list[WayScore]:
    """Judge every way, the plain mean first.

    Parameters
    ----------
    by_encoder
        Probabilities of each encoder, float32 in 0..1, shape (n, 6), n at least :data:`FOLDS`.
    targets
        0 or 1, shape (n, 6).
    groups
        Name of each task's contrast pair, '' for none; a pair is in one fold.
    seed
        Of the folds.
    """
    truth = np.asarray(targets) > 0.5
    fold = _folds(groups or [''] * len(truth), seed)
    found: dict[str, list[np.ndarray]] = {}
    for name, choose in _WAYS.items():
        probabilities = np.empty(truth.shape, dtype=np.float64)
        decided = np.empty(truth.shape, dtype=bool)
        for number in range(FOLDS):
            judged = fold == number
            way = choose([values[~judged] for values in by_encoder], truth[~judged])
            probabilities[judged], decided[judged] = way([values[judged] for values in by_encoder])
        found[name] = [probabilities.clip(1e-6, 1 - 1e-6), (decided == truth).all(axis=1)]
    return [WayScore(name, float(right.mean()),
                     float(-np.log(np.where(truth, said, 1 - said)).mean()),
                     expected_calibration_error(truth, said),
                     mcnemar(found[PLAIN][1], right).p_value,
                     difference(found[PLAIN][1], right, groups=groups))
            for name, (said, right) in found.items()]


def _folds(groups: Sequence[str], seed: int) -> np.ndarray:
    """Number of each task's fold; tasks of one group are in one."""
    names = [group or f'\0{index}' for index, group in enumerate(groups)]
    unit = {name: index for index, name in enumerate(dict.fromkeys(names))}
    order = np.random.default_rng(seed).permutation(len(unit))
    return np.array([order[unit[name]] % FOLDS for name in names])


def _plain(by_encoder: Sequence[np.ndarray]) -> Answer:
    mean = np.mean(by_encoder, axis=0)
    return mean, mean >= DEFAULT_THRESHOLD


def _mean_of_logits(by_encoder: Sequence[np.ndarray]) -> Answer:
    mean = 1 / (1 + np.exp(-np.mean([logits_of(values) for values in by_encoder], axis=0)))
    return mean, mean >= DEFAULT_THRESHOLD


def _surest(by_encoder: Sequence[np.ndarray]) -> Answer:
    """For every flag the encoder that is further from one half."""
    values = np.stack(by_encoder)
    chosen = np.abs(values - 0.5).argmax(axis=0)
    taken = np.take_along_axis(values, chosen[None], axis=0)[0]
    return taken, taken >= DEFAULT_THRESHOLD


def _fitted(by_encoder: Sequence[np.ndarray], truth: np.ndarray) -> Way:
    chosen = fit_calibration(by_encoder, truth)

    def way(others: Sequence[np.ndarray]) -> Answer:
        mean = weighted_mean([scaled(values, temperature) for values, temperature in zip(
            others, chosen.temperatures)], chosen.weights)
        return mean, mean >= DEFAULT_THRESHOLD
    return way


def _with_thresholds(by_encoder: Sequence[np.ndarray], truth: np.ndarray) -> Way:
    """Of the released way, each skill's threshold with the fewest wrong flags, the nearest to 0.5."""
    released = _fitted(by_encoder, truth)
    mean, _ = released(by_encoder)
    wrong = np.array([((mean >= threshold) != truth).sum(axis=0) for threshold in THRESHOLDS])
    cost = wrong + np.abs(THRESHOLDS - DEFAULT_THRESHOLD)[:, None]  # below 1: decides ties alone
    thresholds = THRESHOLDS[cost.argmin(axis=0)]

    def way(others: Sequence[np.ndarray]) -> Answer:
        probabilities, _ = released(others)
        return probabilities, probabilities >= thresholds
    return way


_WAYS: dict[str, Callable[[Sequence[np.ndarray], np.ndarray], Way]] = {
    PLAIN: lambda by_encoder, truth: _plain,
    'mean of the logits': lambda by_encoder, truth: _mean_of_logits,
    'the surer encoder for each flag': lambda by_encoder, truth: _surest,
    RELEASED: _fitted,
    'the same, and a threshold for each skill': _with_thresholds}
