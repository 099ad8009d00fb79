"""Tasks that would let one split give away another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .duplicates import closest_across
from .manifest import TEST, TEST_DOMAINS, TRAIN, VALIDATION
from .records import TaskRecord

_BY_WEIGHT = (TRAIN, VALIDATION, TEST_DOMAINS, TEST)


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
        groups = {task.group for task, bad in zip(splits[name], alike) if bad} - {''}
        going = [bool(bad) or task.group in groups for task, bad in zip(splits[name], alike)]
        dropped += [task for task, gone in zip(splits[name], going) if gone]
        kept[name] = [task for task, gone in zip(splits[name], going) if not gone]
    return kept, dropped
