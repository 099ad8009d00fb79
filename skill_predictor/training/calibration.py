"""Temperature scaling (Guo et al. 2017): probabilities that mean what they say.

One number per encoder, chosen on validation, divides the logits. It is folded into the head's last
layer, so that nothing else knows of it; no decision of an encoder at a threshold of 0.5 changes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .heads import Head

SMALLEST, LARGEST = 0.25, 8.0
"""Limits of the search."""


def logits_of(probabilities: np.ndarray) -> np.ndarray:
    """Inverse of the sigmoid, float64; probabilities that float32 rounds to 0 or 1 are limited."""
    limited = np.clip(probabilities.astype(np.float64), 1e-7, 1 - 1e-7)
    return np.log(limited) - np.log1p(-limited)


def scaled(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities whose logits are divided by the temperature, float32, same shape."""
    return (1 / (1 + np.exp(-logits_of(probabilities) / temperature))).astype(np.float32)


def fit_temperature(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """The temperature with the smallest cross-entropy.

    Parameters
    ----------
    probabilities
        float32 in 0..1, shape (n, 6), n at least 1.
    targets
        0 or 1, same shape.
    """
    from scipy.optimize import minimize_scalar
    logits = logits_of(probabilities)
    signs = np.where(np.asarray(targets) > 0.5, 1.0, -1.0)

    def loss(log_temperature: float) -> float:
        return float(np.logaddexp(0, -signs * logits / np.exp(log_temperature)).mean())
    found = minimize_scalar(loss, bounds=(np.log(SMALLEST), np.log(LARGEST)), method='bounded')
    return float(np.exp(found.x))


def cooled(head: Head, temperature: float) -> Head:
    """The head with its logits divided by the temperature."""
    return replace(head, weights=(*head.weights[:-1],
                                  head.weights[-1] / np.float32(temperature)),
                   biases=(*head.biases[:-1], head.biases[-1] / np.float32(temperature)))
