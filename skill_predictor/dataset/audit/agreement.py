"""How well two blind labellings agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...taxonomy import SKILLS, to_flags
from ..probe import need_scikit_learn
from .records import AuditEntry, REASONS


@dataclass(frozen=True)
class Agreement:
    """Agreement of two labellings of the same tasks, before anything was decided.

    Attributes
    ----------
    tasks : int
        Tasks labelled twice.
    exact_match : float
        Share of tasks with the same label, 0..1; NaN without tasks.
    kappa : dict of str to float
        Cohen's kappa (1960) per skill, at most 1; NaN where both gave the skill always, or never.
    """

    tasks: int
    exact_match: float
    kappa: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values, fit for JSON; NaN becomes ``None``."""
        return _without_nan(asdict(self))


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(part) for key, part in value.items()}
    return None if isinstance(value, float) and np.isnan(value) else value


def agreement(entries: Sequence[AuditEntry]) -> Agreement:
    """Compare the first and the second labels.

    Raises
    ------
    ImportError
        When scikit-learn is not installed.
    """
    if not entries:
        return Agreement(0, float('nan'), {skill: float('nan') for skill in SKILLS})
    need_scikit_learn('the agreement of two labellings')
    from sklearn.metrics import cohen_kappa_score
    first = np.array([to_flags(entry.first) for entry in entries])
    second = np.array([to_flags(entry.second) for entry in entries])
    kappa = {}
    for index, skill in enumerate(SKILLS):
        pair = first[:, index], second[:, index]
        # With one value only there is no chance agreement to compare with.
        varies = len(np.unique(pair)) > 1
        kappa[skill] = float(cohen_kappa_score(*pair, labels=[False, True])) if varies else np.nan
    return Agreement(len(entries), float((first == second).all(axis=1).mean()), kappa)


def agreement_by_reason(entries: Sequence[AuditEntry]) -> dict[str, Agreement]:
    """Agreement for each reason of :data:`REASONS` that occurs, and for all together (``all``).

    Without entries there is none.
    """
    if not entries:
        return {}
    parts = {why: [entry for entry in entries if entry.why == why] for why in REASONS}
    return {**{why: agreement(part) for why, part in parts.items() if part},
            'all': agreement(entries)}
