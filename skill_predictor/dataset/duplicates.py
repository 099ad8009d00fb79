"""Near-duplicates by cosine similarity of sentence embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .groups import without_lonely_groups
from .records import TaskRecord

_BLOCK = 1024


@dataclass(frozen=True)
class Similar:
    """Two tasks that are alike, by index, and their cosine similarity."""

    first: int
    second: int
    cosine: float


def normalised(embeddings: np.ndarray) -> np.ndarray:
    """Embeddings of length 1, float32."""
    norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return (embeddings / np.maximum(norms, 1e-12)).astype(np.float32)


def similar_pairs(embeddings: np.ndarray, threshold: float) -> list[Similar]:
    """All pairs above a similarity, most alike first.

    Parameters
    ----------
    embeddings
        float, shape (n, width).
    threshold
        Cosine similarity, -1..1; pairs strictly above it are returned.
    """
    unit = normalised(embeddings)
    found = []
    for start in range(0, len(unit), _BLOCK):
        # Only later columns: every pair once, none with itself.
        cosines = unit[start:start + _BLOCK] @ unit[start:].T
        rows, columns = np.nonzero(np.triu(cosines > threshold, k=1))
        found += [Similar(start + int(row), start + int(column), float(cosines[row, column]))
                  for row, column in zip(rows, columns)]
    return sorted(found, key=lambda pair: -pair.cosine)


def closest_across(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each row of ``first`` the most similar row of ``second``.

    Returns
    -------
    index : numpy.ndarray, int64, shape (len(first),)
    cosine : numpy.ndarray, float32, shape (len(first),)
    """
    left, right = normalised(first), normalised(second)
    index = np.empty(len(left), dtype=np.int64)
    cosine = np.empty(len(left), dtype=np.float32)
    for start in range(0, len(left), _BLOCK):
        cosines = left[start:start + _BLOCK] @ right.T
        best = cosines.argmax(axis=1)
        index[start:start + _BLOCK] = best
        cosine[start:start + _BLOCK] = cosines[np.arange(len(best)), best]
    return index, cosine


def drop_repeats(tasks: Sequence[TaskRecord], embeddings: np.ndarray,
                 threshold: float) -> tuple[list[TaskRecord], list[TaskRecord]]:
    """Leave out tasks that only repeat an earlier one, and join contrast pairs.

    Two tasks that are alike and have the same label are one task, unless they are in one group. Two
    that are alike and have different labels are a contrast pair, and become a group: that of one of
    them, or one named after the earlier task.

    Parameters
    ----------
    tasks
        Labelled.
    embeddings
        float, shape (len(tasks), width).
    threshold
        Cosine similarity above which two tasks are alike.

    Returns
    -------
    kept : list of TaskRecord
        In order, in the groups that they are in now.
    repeats : list of TaskRecord
        What was left out.
    """
    alike = sorted((pair.first, pair.second) for pair in similar_pairs(embeddings, threshold))
    # First what goes, by the groups that were given: a pair joined meanwhile would spare a repeat.
    gone: set[int] = set()
    for first, second in alike:
        one_group = tasks[first].group and tasks[first].group == tasks[second].group
        if (tasks[first].label == tasks[second].label and not one_group
                and not {first, second} & gone):
            gone.add(second)
    groups = _joined(tasks, [pair for pair in alike if not {*pair} & gone
                             and tasks[pair[0]].label != tasks[pair[1]].label])
    kept = [replace(task, group=group)
            for index, (task, group) in enumerate(zip(tasks, groups)) if index not in gone]
    return without_lonely_groups(kept), [tasks[index] for index in sorted(gone)]


def _joined(tasks: Sequence[TaskRecord], pairs: Sequence[tuple[int, int]]) -> list[str]:
    """Groups of the tasks once those of each pair are one."""
    groups = [task.group for task in tasks]
    merged: dict[str, str] = {}  # a group to the one that it has become part of

    def now(group: str) -> str:
        while group in merged:
            # Halves the way, so that long chains stay cheap.
            merged[group] = group = merged.get(merged[group], merged[group])
        return group

    for first, second in pairs:
        old = now(groups[first]), now(groups[second])
        joined = old[0] or old[1] or f'{tasks[first].id}-alike'
        for index, group in zip((first, second), old):
            if not group:
                groups[index] = joined
            elif group != joined:
                merged[group] = joined
    return [now(group) for group in groups]
