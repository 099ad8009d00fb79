"""Near-duplicates by cosine similarity of sentence embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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


def drop_repeats(embeddings: np.ndarray, groups: Sequence[str], threshold: float) -> list[int]:
    """Indices of tasks that only repeat an earlier one.

    Members of one group are meant to be alike and do not count as repeats of each other.

    Parameters
    ----------
    embeddings
        float, shape (n, width).
    groups
        Group of each task; empty: none.
    threshold
        Cosine similarity above which two tasks count as one.

    Returns
    -------
    list of int
        Ascending; of two alike the later one.
    """
    dropped: set[int] = set()
    for pair in sorted(similar_pairs(embeddings, threshold), key=lambda p: (p.first, p.second)):
        same_group = bool(groups[pair.first]) and groups[pair.first] == groups[pair.second]
        if not same_group and pair.first not in dropped:
            dropped.add(pair.second)
    return sorted(dropped)
