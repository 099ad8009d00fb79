"""The regression gate: is this model worse than an earlier one on the same recordings?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

LEAST_SHARE = 0.99
"""So large a part of the baseline's tasks must be there again."""


@dataclass(frozen=True)
class Verdict:
    """Outcome of the gate.

    Attributes
    ----------
    passed : bool
    drop : float
        With labels: exact match before minus now. Without: share of changed decisions.
    labelled : bool
        Whether the drop is of exact match.
    compared : int
        Tasks that the drop is of.
    changed : int
        Decisions that are not the same any more, of all tasks that both have.
    missing : int
        Tasks of the baseline that are not there, have another text, or have lost their label.
    worse : tuple of str
        Ids of tasks that were right and are wrong (with labels), or are decided otherwise.
    """

    passed: bool
    drop: float
    labelled: bool
    compared: int
    changed: int
    missing: int
    worse: tuple[str, ...]


def judge(before: Iterable[Mapping[str, Any]], now: Iterable[Mapping[str, Any]],
          max_drop: float) -> Verdict:
    """Compare two evaluations of the same recordings.

    Labels decide where the baseline has any. The gate is closed as well when more than one in a hundred of
    the tasks that should be compared are missing.

    Parameters
    ----------
    before, now
        Rows from :func:`skill_predictor.evaluation.bags.figures.rows`. Planners count anew every day, so a
        task is the same by its id and its text (which the rows of older versions do not tell).
    max_drop
        By how much it may be worse, 0..1.
    """
    earlier = {row['id']: row for row in before}
    labelled = any(row['right'] is not None for row in earlier.values())
    pairs = [(earlier[row['id']], row) for row in now if row['id'] in earlier
             and earlier[row['id']].get('text', row.get('text')) == row.get('text')]
    changed = [new['id'] for old, new in pairs if old['required'] != new['required']]
    wanted = len(earlier)
    worse, drop, compared = changed, len(changed) / max(1, len(pairs)), len(pairs)
    if labelled:
        wanted = sum(row['right'] is not None for row in earlier.values())
        both = [(old, new) for old, new in pairs
                if old['right'] is not None and new['right'] is not None]
        worse = [new['id'] for old, new in both if old['right'] and not new['right']]
        better = sum(new['right'] and not old['right'] for old, new in both)
        drop, compared = (len(worse) - better) / max(1, len(both)), len(both)
    enough = compared >= LEAST_SHARE * wanted and compared > 0
    return Verdict(enough and drop <= max_drop, drop, labelled, compared, len(changed),
                   wanted - compared, tuple(worse))
