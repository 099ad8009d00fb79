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
    groups = [task.group for task in tasks]
    gone: set[int] = set()
    for pair in sorted(similar_pairs(embeddings, threshold), key=lambda p: (p.first, p.second)):
        first, second = pair.first, pair.second
        if {first, second} & gone or (groups[first] and groups[first] == groups[second]):
            continue
        if tasks[first].label == tasks[second].label:
            gone.add(second)
            continue
        joined = groups[first] or groups[second] or f'{tasks[first].id}-alike'
        old = {groups[first], groups[second]} - {''}
        groups = [joined if group in old or index in (first, second) else group
                  for index, group in enumerate(groups)]
    kept = [replace(task, group=group)
            for index, (task, group) in enumerate(zip(tasks, groups)) if index not in gone]
    return without_lonely_groups(kept), [tasks[index] for index in sorted(gone)]
