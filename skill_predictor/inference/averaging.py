"""From several encoders' probabilities to one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def weighted_mean(by_encoder: np.ndarray | Sequence[np.ndarray], weights: Sequence[float]
                  ) -> np.ndarray:
    """The encoders' probabilities averaged.

    Parameters
    ----------
    by_encoder
        float32 in 0..1, shape (encoders, ..., 6).
    weights
        One per encoder, above 0; only their ratios count.

    Returns
    -------
    numpy.ndarray, float32 in 0..1, shape (..., 6)
    """
    return np.average(by_encoder, axis=0, weights=weights).astype(np.float32)
