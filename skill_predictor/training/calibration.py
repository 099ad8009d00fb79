"""Probabilities that mean what they say: temperature scaling (Guo et al. 2017) of an ensemble.

One number per encoder divides its logits, and one says how much its probabilities count in the mean. All
are chosen together on validation, by the cross-entropy of the mean: temperatures that suit each encoder
alone make a mean that is too unsure. Of weights that are equally good, within one standard error, those
nearest to the plain mean are taken (the rule of Breiman et al. 1984 for the simplest model): tasks
of another kind may suit the other encoder. A temperature is folded into the head's last layer, so that
nothing else knows of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .heads import Head

TEMPERATURES = 0.25, 8.0
"""Limits of the search."""
STEPS = 10
"""Between the plain mean and the weights of the smallest cross-entropy."""
LOG_WEIGHT = 3.0
"""No encoder counts more than e^3 times as much as the first, or less than so small a part."""


@dataclass(frozen=True)
class Calibration:
    """What was chosen, in the order of the encoders.

    Attributes
    ----------
    temperatures : tuple of float
    weights : tuple of float
        Above 0; their sum is 1.
    """

    temperatures: tuple[float, ...]
    weights: tuple[float, ...]

    @classmethod
    def none(cls, encoders: int) -> Calibration:
        """The plain mean of as many encoders' own probabilities."""
        return cls((1.0,) * encoders, (1 / encoders,) * encoders)


def logits_of(probabilities: np.ndarray) -> np.ndarray:
    """Inverse of the sigmoid, float64; probabilities that float32 rounds to 0 or 1 are limited."""
    limited = np.clip(probabilities.astype(np.float64), 1e-7, 1 - 1e-7)
    return np.log(limited) - np.log1p(-limited)


def scaled(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities whose logits are divided by the temperature, float32, same shape."""
    return (1 / (1 + np.exp(-logits_of(probabilities) / temperature))).astype(np.float32)


def fit_calibration(by_encoder: Sequence[np.ndarray], targets: np.ndarray) -> Calibration:
    """The temperatures and weights whose mean has a small cross-entropy, see above.

    Parameters
    ----------
    by_encoder
        Probabilities of each encoder, float32 in 0..1, shape (n, 6), n at least 1.
    targets
        0 or 1, shape (n, 6).
    """
    from scipy.optimize import minimize
    from scipy.special import logsumexp
    count = len(by_encoder)
    signs = np.where(np.asarray(targets) > 0.5, 1.0, -1.0)
    right = np.stack([logits_of(values) * signs for values in by_encoder])

    def calibration(values: np.ndarray) -> Calibration:
        weights = np.exp([0.0, *values[count:]])  # only ratios count
        return Calibration(tuple(map(float, np.exp(values[:count]))),
                           tuple(map(float, weights / weights.sum())))

    def losses(values: np.ndarray) -> np.ndarray:
        """Cross-entropy of each task, shape (n,)."""
        chosen = calibration(values)
        temperatures, weights = (np.reshape(part, (count, 1, 1)) for part in (
            chosen.temperatures, chosen.weights))
        return -logsumexp(-np.logaddexp(0, -right / temperatures), axis=0, b=weights).mean(axis=1)

    def best(log_weights: np.ndarray | None) -> np.ndarray:
        """All values, with the weights given or free."""
        given = log_weights is not None
        limits = [tuple(np.log(TEMPERATURES))] * count + (
            [(value, value) for value in log_weights] if given
            else [(-LOG_WEIGHT, LOG_WEIGHT)] * (count - 1))
        start = np.concatenate([np.zeros(count), log_weights if given else np.zeros(count - 1)])
        return minimize(lambda values: losses(values).mean(), start, method='L-BFGS-B',
                        bounds=limits).x
    free = best(None)
    for step in range(STEPS):
        nearer = best(free[count:] * step / STEPS)
        worse = losses(nearer) - losses(free)
        if worse.mean() <= worse.std() / np.sqrt(len(worse)):
            return calibration(nearer)
    return calibration(free)


def cooled(head: Head, temperature: float) -> Head:
    """The head with its logits divided by the temperature."""
    return replace(head, weights=(*head.weights[:-1],
                                  head.weights[-1] / np.float32(temperature)),
                   biases=(*head.biases[:-1], head.biases[-1] / np.float32(temperature)))
