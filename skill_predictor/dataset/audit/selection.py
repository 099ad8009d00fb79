"""Which tasks the second annotator gets."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence

from ..records import TaskRecord


def select(tasks: Sequence[TaskRecord], *, fraction: float = 0.2, seed: int = 0,
           doubted: Collection[str] = (), done: Collection[str] = (),
           everything: bool = False) -> dict[str, str]:
    """Tasks to be labelled again, and why.

    Every boundary task, a random fraction of the others, and every task whose label is doubted. The
    random part is drawn task by task from its id, so that it stays the same when tasks are added.

    Parameters
    ----------
    tasks
        All labelled tasks.
    fraction
        Of the tasks that test no boundary, 0..1.
    seed
        Start of the random draw.
    doubted
        Ids of tasks whose label a model would not give.
    done
        Ids of tasks that have been labelled twice already.
    everything
        Whether to take all other tasks as well.

    Returns
    -------
    dict of str to str
        Id to reason (one of :data:`.records.REASONS`), in random order.
    """
    doubted, done = set(doubted), set(done)
    chosen = {}
    for task in tasks:
        if task.id in done:
            continue
        if task.boundary:
            chosen[task.id] = 'boundary'
        elif random.Random(f'{seed} {task.id}').random() < fraction:
            chosen[task.id] = 'sample'
        elif task.id in doubted:
            chosen[task.id] = 'doubt'
        elif everything:
            chosen[task.id] = 'rest'
    # Members of a contrast pair must not stand side by side: one would give the other away.
    order = list(chosen)
    random.Random(seed).shuffle(order)
    return {task: chosen[task] for task in order}
