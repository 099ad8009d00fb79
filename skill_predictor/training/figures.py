"""The figures of a model card: held-out predictions, scored for every encoder and the ensemble."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ..evaluation.metrics import score, Scores
from ..taxonomy import DEFAULT_THRESHOLD
from .heads import fit_head, Head, HeadRecipe

ENSEMBLE = 'ensemble'
"""Name of the mean of all encoders' probabilities, beside the encoders' own names."""


def measure_all(probabilities: Mapping[str, np.ndarray], targets: np.ndarray,
                threshold: float = DEFAULT_THRESHOLD) -> dict[str, Scores]:
    """Scores of every encoder and, last, of the ensemble.

    Parameters
    ----------
    probabilities
        Per encoder, float32 in 0..1, shape (n, 6).
    targets
        0 or 1, shape (n, 6).
    threshold
        A skill is predicted when its probability is at least this.

    Raises
    ------
    ImportError
        When scikit-learn is not installed.
    """
    everything = dict(probabilities)
    everything[ENSEMBLE] = ensemble(probabilities)
    required = np.asarray(targets) > 0.5
    return {name: score(required, values >= threshold) for name, values in everything.items()}


def ensemble(probabilities: Mapping[str, np.ndarray]) -> np.ndarray:
    """Mean over the encoders, float32 in 0..1, shape (n, 6), as the predictor takes it."""
    return np.mean(list(probabilities.values()), axis=0, dtype=np.float32)


def predict_all(heads: Mapping[str, Head],
                embeddings: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Probabilities per encoder, float32, shape (n, 6)."""
    return {name: head.probabilities(embeddings[name]) for name, head in heads.items()}


def cross_validate(embeddings: Mapping[str, np.ndarray], targets: np.ndarray,
                   fold_of: np.ndarray, recipe: HeadRecipe, seed: int = 0,
                   on_epoch: Callable[[], None] | None = None) -> dict[str, np.ndarray]:
    """Probabilities of every task from heads that were fitted without its fold.

    Parameters
    ----------
    embeddings
        Per encoder, float32, shape (n, hidden).
    targets
        0 or 1, shape (n, 6).
    fold_of
        Fold of every task, from :func:`skill_predictor.training.corpus.folds`.
    recipe, seed, on_epoch
        See :func:`skill_predictor.training.heads.fit_head`.

    Returns
    -------
    dict of numpy.ndarray, float32 in 0..1, shape (n, 6)
    """
    held_out = {name: np.empty(targets.shape, dtype=np.float32) for name in embeddings}
    for fold in np.unique(fold_of):
        test = fold_of == fold
        for name, values in embeddings.items():
            head = fit_head(values[~test], targets[~test], recipe, seed, on_epoch)
            held_out[name][test] = head.probabilities(values[test])
    return held_out
