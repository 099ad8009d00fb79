"""Metrics of multi-label classification, computed by scikit-learn.

Definitions: Zhang and Zhou, "A Review on Multi-Label Learning Algorithms", 2014. Where a precision,
recall or F1 has nothing to divide by (a skill that is never required, or never predicted), it is 0,
scikit-learn's ``zero_division=0``; so a macro F1 over a set in which a skill never occurs is lower
than one would think.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any

import numpy as np

from ..extras import install
from ..taxonomy import NUM_SKILLS, SKILLS


@dataclass(frozen=True)
class SkillScores:
    """Scores of one skill."""

    precision: float
    """Share of the tasks predicted to need the skill that need it, 0..1."""
    recall: float
    """Share of the tasks that need the skill that are predicted to, 0..1."""
    f1: float
    """Harmonic mean of precision and recall, 0..1."""
    support: int
    """Tasks that need the skill."""


@dataclass(frozen=True)
class Scores:
    """Scores of predicted skill vectors."""

    tasks: int
    """Vectors that were compared."""
    exact_match: float
    """Share of vectors with all six flags right (subset accuracy), 0..1."""
    hamming_loss: float
    """Share of single flags that are wrong, 0..1; lower is better."""
    macro_f1: float
    """Mean of the six F1, 0..1."""
    micro_f1: float
    """F1 over all single flags together, 0..1."""
    skills: Mapping[str, SkillScores]
    """Scores by name of the skill, in vector order."""

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain numbers, fit for JSON."""
        return asdict(self)


def scikit_learn() -> ModuleType:
    """The module ``sklearn.metrics``.

    Raises
    ------
    ImportError
        When scikit-learn is not installed; says how to install it.
    """
    try:
        from sklearn import metrics
    except ImportError as error:
        raise ImportError(f'scoring needs scikit-learn: {install("evaluation")}') from error
    return metrics


def score(labels: np.ndarray, predicted: np.ndarray) -> Scores:
    """Compare predicted skill vectors with the true ones.

    Parameters
    ----------
    labels, predicted
        bool, shape (n, 6), n at least 1, columns in vector order.

    Raises
    ------
    ValueError
        When there is nothing to score, or an array has another shape or is not boolean.
    ImportError
        When scikit-learn is not installed.
    """
    labels, predicted = _checked(labels, 'labels'), _checked(predicted, 'predicted')
    if len(labels) != len(predicted):
        raise ValueError(f'{len(labels)} labels for {len(predicted)} predicted vectors')
    if not len(labels):
        raise ValueError('nothing to score: there is no task')
    sklearn = scikit_learn()
    per_skill = sklearn.precision_recall_fscore_support(labels, predicted, zero_division=0)
    return Scores(
        tasks=len(labels),
        exact_match=float(sklearn.accuracy_score(labels, predicted)),
        hamming_loss=float(sklearn.hamming_loss(labels, predicted)),
        macro_f1=float(sklearn.f1_score(labels, predicted, average='macro', zero_division=0)),
        micro_f1=float(sklearn.f1_score(labels, predicted, average='micro', zero_division=0)),
        skills={skill: SkillScores(float(p), float(r), float(f1), int(support))
                for skill, p, r, f1, support in zip(SKILLS, *per_skill)})


def _checked(flags: np.ndarray, name: str) -> np.ndarray:
    flags = np.asarray(flags)
    if flags.ndim != 2 or flags.shape[1] != NUM_SKILLS:
        raise ValueError(f'{name} must have shape (n, {NUM_SKILLS}), not {flags.shape}')
    if flags.dtype != np.bool_:
        raise ValueError(f'{name} must be boolean, not {flags.dtype}; compare probabilities with '
                         'their thresholds first')
    return flags
