"""Matrix products whose inputs are made even before int8 rounds them.

A few channels of an encoder's states are tens of times larger than the rest. Dynamic quantisation has
one scale for all channels of an input, so the rest would be rounded to a handful of steps. Dividing each
channel by a factor, and multiplying the weights that read it by the same, leaves the product as it is
and moves the unevenness into the weights, which have a scale for each output (SmoothQuant, Xiao et al.
2023).

A model that bears this brings the largest magnitude of every channel, measured on training tasks, as
tensors named ``range.<product>``, float16, shape (channels,).
"""

from __future__ import annotations

import numpy as np

RANGE = 'range.'
"""Beginning of the names of those tensors."""

EXPONENTS = {'qkv': 0.6, 'up': 0.6, 'down': 0.8}
"""How much of the unevenness goes to the weights, by kind of product: 1, all of it. By trial; see
docs/training.md."""

_LEAST_RANGE, _LEAST_WEIGHT = 1e-3, 1e-5


def kind_of(product: str) -> str:
    """``layer.3.up`` is an ``up``."""
    return product.rpartition('.')[2]


def factors(ranges: np.ndarray, weight: np.ndarray, exponent: float) -> np.ndarray:
    """What each channel is divided by, float32, shape (channels,), of geometric mean 1.

    Parameters
    ----------
    ranges
        Largest magnitude of every channel, shape (channels,).
    weight
        Shape (outputs, channels).
    exponent
        0..1, see :data:`EXPONENTS`.
    """
    large = np.maximum(ranges, _LEAST_RANGE).astype(np.float64)
    strong = np.maximum(np.abs(weight).max(axis=0), _LEAST_WEIGHT).astype(np.float64)
    logarithms = exponent * np.log(large) - (1.0 - exponent) * np.log(strong)
    return np.exp(logarithms - logarithms.mean()).astype(np.float32)
