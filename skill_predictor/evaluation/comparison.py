"""Several systems on the same tasks, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..markdown import table
from ..taxonomy import SKILLS
from .significance import (bootstrap, Comparison, difference, exact_match, hamming_loss, Interval,
                           macro_f1, mcnemar)


@dataclass(frozen=True)
class SystemScores:
    """What one system reaches.

    Attributes
    ----------
    name : str
    exact_match, macro_f1, hamming_loss : Interval
        0..1, with 95 % bootstrap intervals.
    f1 : mapping of str to Interval
        By skill, 0..1.
    against : Comparison, or None
        McNemar's test of exact matches against the reference; ``None`` for the reference itself.
    difference : Interval, or None
        Its exact match minus the reference's, -1..1.
    """

    name: str
    exact_match: Interval
    macro_f1: Interval
    hamming_loss: Interval
    f1: Mapping[str, Interval]
    against: Comparison | None
    difference: Interval | None

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
    scored = []
    for name, flags in answers.items():
        exact, macro, hamming = (bootstrap(labels, flags, figure, groups=groups)
                                 for figure in (exact_match, macro_f1, hamming_loss))
        f1 = {skill: bootstrap(labels[:, index:index + 1], flags[:, index:index + 1], macro_f1,
                               groups=groups) for index, skill in enumerate(SKILLS)}
        other = name != reference
        scored.append(SystemScores(
            name, exact, macro, hamming, f1,
            mcnemar(right[reference], right[name]) if other else None,
            difference(right[reference], right[name], groups=groups) if other else None))
    return scored


def markdown(rows: Sequence[SystemScores], unanswered: Mapping[str, int] | None = None) -> str:
    """A table, a system per line, as Markdown.

    Parameters
    ----------
    rows
        From :func:`compare`.
    unanswered
        Tasks without an answer by name of the system; they count as wrong in every flag.
    """
    return table(
        ['system', 'exact match (95 %)', 'minus the first (95 %)', 'p', 'macro F1 (95 %)',
         'Hamming loss (95 %)', 'F1 wheels (95 %)'],
        [[f'**{row.name}**' if row.against is None else named(row.name, unanswered), row.exact_match,
          '' if row.difference is None else signed(row.difference),
          '' if row.against is None else shown_p(row.against.p_value), row.macro_f1,
          fine(row.hamming_loss), row.f1['wheels']] for row in rows])


def named(name: str, unanswered: Mapping[str, int] | None) -> str:
    """A system's name, and how many tasks it did not answer, if any."""
    count = (unanswered or {}).get(name, 0)
    return f'{name} ({count:,} unanswered)' if count else name


def signed(interval: Interval) -> str:
    """A difference, in points of a hundred."""
    return (f'{100 * interval.value:+.1f} points ({100 * interval.low:+.1f} to '
            f'{100 * interval.high:+.1f})')


def fine(interval: Interval) -> str:
    """A small figure."""
    return f'{interval.value:.4f} ({interval.low:.4f} to {interval.high:.4f})'


def shown_p(value: float) -> str:
    """A p value."""
    return '< 0.001' if value < 0.001 else f'{value:.3f}'
