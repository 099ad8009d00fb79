"""Labels that a model would not give: confident learning on cross-validated predictions.

Sources: Northcutt, Jiang and Chuang, "Confident Learning", 2021; Thyagarajan et al., "Identifying
Incorrect Annotations in Multi-Label Classification Data", 2022 (both in cleanlab).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...extras import install
from .. import probe

UNSURE = (0.3, 0.7)
"""A probability between these is a model that does not know."""


@dataclass(frozen=True)
class Doubt:
    """One task whose label a cross-validated model does not support.

    Attributes
    ----------
    index : int
        Of the task.
    predicted : numpy.ndarray, bool, shape (6,)
        What the model would have said.
    probabilities : numpy.ndarray, float, shape (6,)
    quality : float
        cleanlab's score of the label, 0..1; low: probably wrong.
    issue : bool
        Whether cleanlab counts it among the label errors.
    """

    index: int
    predicted: np.ndarray
    probabilities: np.ndarray
    quality: float
    issue: bool


def doubts(targets: np.ndarray, probabilities: np.ndarray,
           unsure: tuple[float, float] = UNSURE) -> list[Doubt]:
    """Tasks on which a model disagrees with the label or is unsure, most doubtful first.

    Parameters
    ----------
    targets
        Labels, bool, shape (n, 6).
    probabilities
        Out-of-sample predictions, float in 0..1, shape (n, 6).
    unsure
        Bounds between which a probability counts as unsure.

    Raises
    ------
    ImportError
        When cleanlab is not installed.
    ValueError
        When the arrays do not fit together.
    """
    need_cleanlab()
    targets = np.asarray(targets, dtype=bool)
    probabilities = np.clip(np.asarray(probabilities, dtype=np.float64), 1e-6, 1 - 1e-6)
    if targets.shape != probabilities.shape:
        raise ValueError(f'{targets.shape} targets for {probabilities.shape} probabilities')
    quality, issues = _confident_learning(targets, probabilities)
    predicted = probabilities >= 0.5
    low, high = unsure
    doubted = ((predicted != targets).any(axis=1) | issues
               | ((probabilities > low) & (probabilities < high)).any(axis=1))
    found = [Doubt(int(index), predicted[index], probabilities[index], float(quality[index]),
                   bool(issues[index])) for index in np.flatnonzero(doubted)]
    return sorted(found, key=lambda doubt: doubt.quality)


def need_cleanlab() -> None:
    """Say how to install cleanlab where it is missing, before long work.

    Raises
    ------
    ImportError
        When it, or scikit-learn, is not installed.
    """
    probe.need_scikit_learn('looking for label errors')
    try:
        import cleanlab  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f'looking for label errors needs cleanlab: {install("dataset")}') from error


def _confident_learning(targets: np.ndarray,
                        probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Quality of each label, and whether it is among the label errors."""
    from cleanlab.multilabel_classification import get_label_quality_scores
    from cleanlab.multilabel_classification.filter import find_label_issues
    if not targets.any():  # cleanlab wants a skill that occurs
        return 1 - probabilities.max(axis=1, initial=0.0), np.zeros(len(targets), dtype=bool)
    labels = [np.flatnonzero(row).tolist() for row in targets]
    return (get_label_quality_scores(labels, probabilities),
            np.asarray(find_label_issues(labels, probabilities, n_jobs=1)))


def cross_validated(embeddings: np.ndarray, targets: np.ndarray, groups: Sequence[str],
                    folds: int = 5, seed: int = 0) -> np.ndarray:
    """Out-of-sample probabilities of a linear model per skill.

    Parameters
    ----------
    embeddings
        float, shape (n, width).
    targets
        bool, shape (n, 6).
    groups
        Group of each task; members of one are always in the same fold.
    folds
        At least 2, at most the number of groups.
    seed
        Of the shuffle.

    Returns
    -------
    numpy.ndarray, float64 in 0..1, shape (n, 6)

    Raises
    ------
    ImportError
        When scikit-learn is not installed.
    ValueError
        When so many folds cannot be made of the groups.
    """
    if not 2 <= folds <= len(set(groups)):
        raise ValueError(f'{len(set(groups))} groups cannot make {folds} folds; there must be at '
                         'least 2, and a group for each')
    probe.need_scikit_learn('cross-validation')
    from sklearn.model_selection import GroupKFold
    probabilities = np.empty(targets.shape, dtype=np.float64)
    splitter = GroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    for train, held_out in splitter.split(embeddings, groups=groups):
        model = probe.fit(embeddings[train], targets[train])
        probabilities[held_out] = probe.probabilities(model, embeddings[held_out])
    return probabilities
