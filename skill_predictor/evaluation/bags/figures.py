"""Figures of a replayed recording: right or wrong, changed or not, how long, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ..metrics import score
from ..significance import bootstrap, exact_match, macro_f1, mcnemar
from ..speed.timing import summary
from .replayed import names, Replayed

TIME_BINS = 40


def figures(found: Replayed) -> dict[str, Any]:
    """All figures, fit for JSON.

    What cannot be said is ``None``: accuracy without labels, agreement without recorded vectors.
    An unreadable task counts as wrong in every flag, as ``skill-predictor evaluate`` counts it.

    Raises
    ------
    ImportError
        When scikit-learn or scipy is not installed.
    """
    return {'tasks': len(found.ids), 'unreadable': found.unreadable,
            'duplicates': found.duplicates, 'vectors_without_task': found.unasked,
            'clock_jumps': len(found.clock_jumps),
            'accuracy': _accuracy(found, found.now),
            'recorded': _beside(found, found.recorded, len(found.changes)),
            'other': _beside(found, found.other, len(found.other_changes)) if found.other else None,
            'latency_ms': {'now': _latency(found.milliseconds),
                           'recorded': _latency(found.recorded_milliseconds)},
            'over_time': over_time(found)}


def rows(found: Replayed) -> list[dict[str, Any]]:
    """A row a task, for the next comparison: id, checksum of the text, time, decision, recorded decision,
    what is right.

    With a second model, what that says as well (``other``).
    """
    made = [{'id': name, 'text': f'{text:08x}', 'time_ns': time_ns, 'required': _listed(now),
             'recorded': _listed(before), 'label': _listed(label),
             'right': None if label < 0 else now == label}
            for name, text, time_ns, now, before, label in zip(
                found.ids, found.checksums, found.times_ns, found.now, found.recorded, found.labels)]
    for row, other in zip(made, found.other):
        row['other'] = _listed(other)
    return made


def _listed(mask: int) -> list[str] | None:
    skills = names(mask)
    return None if skills is None else list(skills)


def _decided(found: Replayed, masks: list[int], labels: np.ndarray) -> np.ndarray:
    """Decisions; where there is none, the opposite of what is right."""
    flags = found.flags(masks)
    return np.where(found.known(masks)[:, None], flags, ~labels)


def _accuracy(found: Replayed, masks: list[int], among: np.ndarray | None = None
              ) -> dict[str, Any] | None:
    chosen = found.known(found.labels) if among is None else among & found.known(found.labels)
    if not chosen.any():
        return None
    labels = found.flags(found.labels)
    decided = _decided(found, masks, labels)[chosen]
    labels = labels[chosen]
    return {'tasks': int(chosen.sum()), **score(labels, decided).to_dict(),
            'exact_match_95': asdict(bootstrap(labels, decided, exact_match)),
            'macro_f1_95': asdict(bootstrap(labels, decided, macro_f1))}


def _beside(found: Replayed, masks: list[int], kept: int) -> dict[str, Any] | None:
    """Another system's decisions beside those of now."""
    both = found.known(masks)
    if not both.any():
        return None
    now, before = np.array(found.now), np.array(masks)
    changed = int((now != before)[both].sum())
    labelled = both & found.known(found.labels)
    labels = np.array(found.labels)
    result = {'tasks': int(both.sum()), 'changed': changed, 'changes_kept': kept,
              'agreement': 1 - changed / int(both.sum()),
              'accuracy': _accuracy(found, masks, both), 'mcnemar': None}
    if labelled.any():
        result['mcnemar'] = asdict(mcnemar((before == labels)[labelled], (now == labels)[labelled]))
    return result


def _latency(milliseconds: Sequence[float]) -> dict[str, Any] | None:
    values = np.array(milliseconds, dtype=np.float64)
    values = values[np.isfinite(values)]
    return asdict(summary(values / 1e3)) if len(values) else None


def over_time(found: Replayed, bins: int = TIME_BINS) -> list[dict[str, Any]]:
    """Tasks, exact match and agreement in stretches of equal length; empty ones are left out."""
    if not found.ids:
        return []
    times = np.array(found.times_ns, dtype=np.float64)
    start, end = times.min(), times.max()
    which = np.minimum(((times - start) / max(end - start, 1.0) * bins).astype(int), bins - 1)
    now = np.array(found.now)
    parts = []
    for index in range(bins):
        inside = which == index
        if not inside.any():
            continue
        parts.append({
            'start_s': float(index * (end - start) / bins / 1e9), 'tasks': int(inside.sum()),
            'exact_match': _share(now, found.labels, inside),
            'agreement': _share(now, found.recorded, inside)})
    return parts


def _share(now: np.ndarray, masks: Sequence[int], inside: np.ndarray) -> float | None:
    other = np.array(masks)
    chosen = inside & (other >= 0)
    return float((now == other)[chosen].mean()) if chosen.any() else None
