"""Which tasks the second annotator gets."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Sequence
from heapq import heapify, heappop, heappush

from ..records import TaskRecord
from .relabel import in_batches


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
        Id to reason (one of :data:`.records.REASONS`), in random order. Members of a group, of
        which one would give the other away, are in different requests of the second annotator
        (:func:`.relabel.in_batches`), as far as there are so many.
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
    groups: dict[str, list[str]] = defaultdict(list)
    for task in tasks:
        if task.id in chosen:
            groups[f'group {task.group}' if task.group else f'task {task.id}'].append(task.id)
    return {task: chosen[task] for task in _dealt(list(groups.values()), random.Random(seed))}


def _dealt(groups: list[list[str]], rng: random.Random) -> list[str]:
    """All members in random order, those of a group in different batches."""
    rng.shuffle(groups)
    sizes = [len(batch) for batch in in_batches(range(sum(map(len, groups))))]
    batches: list[list[str]] = [[] for _ in sizes]
    most_room = [(-size, rng.random(), batch) for batch, size in enumerate(sizes)]
    heapify(most_room)
    for members in groups:
        rng.shuffle(members)
        used: list[tuple[float, float, int]] = []
        for member in members:
            if not most_room:  # more members than batches
                most_room, used = used, []
                heapify(most_room)
            room, _, batch = heappop(most_room)
            batches[batch].append(member)
            if room < -1:
                used.append((room + 1, rng.random(), batch))
        for entry in used:
            heappush(most_room, entry)
    group = {member: number for number, members in enumerate(groups) for member in members}
    order: list[str] = []
    for part in batches:
        rng.shuffle(part)
        if order and group[order[-1]] == group[part[0]]:
            part.append(part.pop(0))  # not side by side either
        order += part
    return order
