"""Several systems on the same tasks, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..markdown import table
from .metrics import score
from .significance import bootstrap, Comparison, exact_match, Interval, macro_f1, mcnemar


@dataclass(frozen=True)
class SystemScores:
    """What one system reaches.

    Attributes
    ----------
    name : str
    exact_match, macro_f1 : Interval
        0..1, with 95 % bootstrap intervals.
    hamming_loss : float
        0..1.
    f1 : mapping of str to float
        By skill, 0..1.
    against : Comparison, or None
        McNemar's test of exact matches against the reference; ``None`` for the reference itself.
    """

    name: str
    exact_match: Interval
    macro_f1: Interval
    hamming_loss: float
    f1: Mapping[str, float]
    against: Comparison | None

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values, fit for JSON."""
        return asdict(self)


def compare(answers: Mapping[str, np.ndarray], labels: np.ndarray,
            reference: str, groups: Sequence[str] = ()) -> list[SystemScores]:
    """Score systems, and test each against one of them.

    Parameters
    ----------
    answers
        Decisions by name of the system, bool, shape (n, 6).
    labels
        bool, same shape, n at least 1.
    reference
        Name of the system that the others are tested against.
    groups
        See :func:`skill_predictor.evaluation.significance.bootstrap`.

    Raises
    ------
    ValueError
        When shapes differ.
    KeyError
        When there is no such reference.
    """
    right = {name: (flags == labels).all(axis=1) for name, flags in answers.items()}
    return [_scores(name, flags, labels, groups, None if name == reference else
                    mcnemar(right[reference], right[name]))
            for name, flags in answers.items()]


def _scores(name: str, flags: np.ndarray, labels: np.ndarray, groups: Sequence[str],
            against: Comparison | None) -> SystemScores:
    scores = score(labels, flags)
    return SystemScores(
        name, bootstrap(labels, flags, exact_match, groups=groups),
        bootstrap(labels, flags, macro_f1, groups=groups),
        scores.hamming_loss, {skill: part.f1 for skill, part in scores.skills.items()}, against)


def markdown(rows: Sequence[SystemScores]) -> str:
    """A table, a system per line, as Markdown."""
    return table(
        ['system', 'exact match (95 %)', 'macro F1 (95 %)', 'Hamming loss', 'F1 wheels', 'p'],
        [[row.name, row.exact_match, row.macro_f1, f'{row.hamming_loss:.4f}',
          f'{row.f1["wheels"]:.3f}', '' if row.against is None else _p(row.against.p_value)]
         for row in rows])


def _p(value: float) -> str:
    return '< 0.001' if value < 0.001 else f'{value:.3f}'
