"""Dividing tasks so that no split gives away another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .check import check_stratification
from .duplicates import closest_across
from .manifest import Manifest, TEST, TEST_DOMAINS, TRAIN, VALIDATION
from .records import TaskRecord
from .split import split

_BY_WEIGHT = (TRAIN, VALIDATION, TEST_DOMAINS, TEST)


def divide(tasks: Sequence[TaskRecord], embeddings: np.ndarray, manifest: Manifest,
           reported: np.ndarray) -> tuple[dict[str, list[TaskRecord]], list[TaskRecord]]:
    """Divide tasks as a manifest says, without near-duplicates across splits.

    What is like a task that is for reporting alone goes first; then what :func:`drop_straddling`
    finds. Where the test set has not the shares of what is left, it is drawn from that again.

    Parameters
    ----------
    tasks
        Labelled, with distinct ids.
    embeddings
        float, shape (len(tasks), width).
    manifest
        How to divide.
    reported
        Embeddings of the tasks that are for reporting alone, float, shape (m, width).

    Returns
    -------
    splits : dict of str to list of TaskRecord
    dropped : list of TaskRecord

    Raises
    ------
    SplitError
        See :func:`.split.split`.
    """
    rows = {task.id: row for row, task in enumerate(tasks)}
    limit = manifest.requirements.max_cosine
    tasks, dropped = drop_alike(tasks, embeddings, reported, limit)
    while True:
        splits = split(tasks, manifest)
        kept, gone = drop_straddling(splits, {
            name: embeddings[np.array([rows[task.id] for task in part], dtype=np.int64)]
            for name, part in splits.items()}, limit)
        # The test set was drawn from these as well.
        drawn_from = (VALIDATION,) if manifest.held_out_writers else (TRAIN, VALIDATION)
        pool = {task.id for name in drawn_from for task in splits[name]}
        again = pool & {task.id for task in gone}
        if not again or check_stratification(kept, manifest).passed:
            return kept, dropped + gone
        dropped += [task for task in tasks if task.id in again]
        tasks = [task for task in tasks if task.id not in again]


def drop_straddling(splits: Mapping[str, Sequence[TaskRecord]],
                    embeddings: Mapping[str, np.ndarray], limit: float
                    ) -> tuple[dict[str, list[TaskRecord]], list[TaskRecord]]:
    """Leave out of a split what is too much like a task of one that weighs more.

    ``train`` gives way to all others, ``validation`` to both test sets, and ``test_domains`` to
    ``test``, which keeps its size. With a task its group goes.

    Parameters
    ----------
    splits
        Tasks by split.
    embeddings
        float, shape (tasks, width), by split.
    limit
        Cosine similarity above which two tasks are too much alike.

    Returns
    -------
    splits : dict of str to list of TaskRecord
    dropped : list of TaskRecord
    """
    kept = {name: list(tasks) for name, tasks in splits.items()}
    dropped = []
    names = [name for name in _BY_WEIGHT if splits[name]]
    for position, name in enumerate(names):
        alike = np.zeros(len(splits[name]), dtype=bool)
        for later in names[position + 1:]:
            alike |= closest_across(embeddings[name], embeddings[later])[1] > limit
        kept[name], gone = _without(splits[name], alike)
        dropped += gone
    return kept, dropped


def drop_alike(tasks: Sequence[TaskRecord], embeddings: np.ndarray, others: np.ndarray, limit: float
               ) -> tuple[list[TaskRecord], list[TaskRecord]]:
    """Leave out, with their groups, tasks that are too much like one of others that stay.

    Parameters
    ----------
    tasks
        What may go.
    embeddings
        float, shape (tasks, width).
    others
        Embeddings of the others, float, shape (m, width).
    limit
        Cosine similarity above which two tasks are too much alike.

    Returns
    -------
    kept, dropped : list of TaskRecord
    """
    if not len(tasks) or not len(others):
        return list(tasks), []
    return _without(tasks, closest_across(embeddings, others)[1] > limit)


def _without(tasks: Sequence[TaskRecord], bad: np.ndarray
             ) -> tuple[list[TaskRecord], list[TaskRecord]]:
    groups = {task.group for task, alike in zip(tasks, bad) if alike} - {''}
    going = [bool(alike) or task.group in groups for task, alike in zip(tasks, bad)]
    return ([task for task, gone in zip(tasks, going) if not gone],
            [task for task, gone in zip(tasks, going) if gone])
