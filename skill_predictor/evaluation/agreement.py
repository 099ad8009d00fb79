"""Whether a model answers the same in another form: other engine, other precision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .significance import exact_match


@dataclass(frozen=True)
class Agreement:
    """One form of a model beside the reference, on the same tasks.

    Attributes
    ----------
    largest, mean : float
        Difference of probabilities, 0..1.
    changed : int
        Tasks with another set of required skills.
    clearly_changed : int
        Those among them where the reference was farther from the threshold than ``margin``.
    exact_match : float
        Of this form, 0..1.
    drop : float
        By which its exact match is below the reference's; below 0: it is above.
    """

    largest: float
    mean: float
    changed: int
    clearly_changed: int
    exact_match: float
    drop: float


def agreement(reference: np.ndarray, other: np.ndarray, labels: np.ndarray,
              thresholds: np.ndarray, margin: float = 0.0) -> Agreement:
    """Compare probabilities.

    Parameters
    ----------
    reference, other
        0..1, shape (n, 6), n at least 1.
    labels
        bool, same shape.
    thresholds
        Shape (6,).
    margin
        How near to the threshold rounding alone may change a decision, 0..1.
    """
    difference = np.abs(reference - other)
    decided, decided_otherwise = reference >= thresholds, other >= thresholds
    found = exact_match(labels, decided_otherwise)
    return Agreement(
        float(difference.max()), float(difference.mean()),
        int((decided != decided_otherwise).any(axis=1).sum()),
        int(((decided != decided_otherwise) & (np.abs(reference - thresholds) > margin))
            .any(axis=1).sum()), found,
        exact_match(labels, decided) - found)
