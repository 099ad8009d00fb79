"""The regression gate: is this model worse than an earlier one on the same recordings?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


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
        Tasks that both have.
    worse : tuple of str
        Ids of tasks that were right and are wrong (with labels), or are decided otherwise.
    """

    passed: bool
    drop: float
    labelled: bool
    compared: int
    worse: tuple[str, ...]


def judge(before: Iterable[Mapping[str, Any]], now: Iterable[Mapping[str, Any]],
          max_drop: float) -> Verdict:
    """Compare two evaluations of the same recordings.

    Parameters
    ----------
    before, now
        Rows from :func:`skill_predictor.evaluation.bags.figures.rows`.
    max_drop
        By how much it may be worse, 0..1.

    Raises
    ------
    ValueError
        When the two have no task in common.
    """
    earlier = {row['id']: row for row in before}
    pairs = [(earlier[row['id']], row) for row in now if row['id'] in earlier]
    if not pairs:
        raise ValueError('the baseline has no task of these bags; it was made of other recordings')
    labelled = [(old, new) for old, new in pairs
                if old['right'] is not None and new['right'] is not None]
    if labelled:
        worse = [new['id'] for old, new in labelled if old['right'] and not new['right']]
        better = sum(new['right'] and not old['right'] for old, new in labelled)
        drop, compared = (len(worse) - better) / len(labelled), len(labelled)
    else:
        worse = [new['id'] for old, new in pairs if old['required'] != new['required']]
        drop, compared = len(worse) / len(pairs), len(pairs)
    return Verdict(drop <= max_drop, drop, bool(labelled), compared, tuple(worse))
