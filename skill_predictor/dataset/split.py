"""Dividing tasks into train, validation, test and test_domains.

Units that must stay together (contrast pairs, paraphrases) are divided as one.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from .balancing import balanced
from .groups import units
from .manifest import Manifest, SPLITS, TEST, TEST_DOMAINS, TRAIN, VALIDATION
from .records import TaskRecord

VALIDATION_FRACTION = 0.1
"""Of the tasks, where no writers are held out."""


class SplitError(ValueError):
    """Tasks that cannot be divided as asked for; the message says why."""


def skill_set(task: TaskRecord) -> str:
    """Name of a task's label: its skills joined by ``+``, or ``none``."""
    return '+'.join(task.label or ()) or 'none'


def split(tasks: Sequence[TaskRecord], manifest: Manifest) -> dict[str, list[TaskRecord]]:
    """Divide tasks as a manifest says; the same tasks and manifest give the same splits.

    Tasks of held-out domains go to ``test_domains``. From those of held-out writers (from all, where
    no writer is held out) the stratified ``test`` is drawn; what the held-out writers have left is
    ``validation``. The rest is ``train``.

    Parameters
    ----------
    tasks
        Labelled, with distinct ids.
    manifest
        How to divide.

    Returns
    -------
    dict of str to list of TaskRecord
        By split; each in the order of ``tasks``.

    Raises
    ------
    SplitError
        When a held-out writer or domain has no task, a group lies across what is held out and what
        is not, or there are too few tasks for the test set.
    """
    _check_names(tasks, manifest)
    where: dict[str, str] = {}
    domains, writers = set(manifest.held_out_domains), set(manifest.held_out_writers)
    pool = []
    for unit in units(tasks):
        if _all_or_none(unit, lambda task: task.domain in domains, 'domains'):
            where.update((task.id, TEST_DOMAINS) for task in unit)
        elif not writers or _all_or_none(unit, lambda task: task.writer in writers, 'writers'):
            pool.append(unit)
        else:
            where.update((task.id, TRAIN) for task in unit)
    remaining = _draw(pool, manifest.test_tasks, TEST, manifest.seed, where)
    if writers:
        where.update((task.id, VALIDATION) for unit in remaining for task in unit)
    else:
        size = round(VALIDATION_FRACTION * sum(map(len, remaining)))
        rest = _draw(remaining, size, VALIDATION, manifest.seed + 1, where)
        where.update((task.id, TRAIN) for unit in rest for task in unit)
    return {name: [task for task in tasks if where[task.id] == name] for name in SPLITS}


def _check_names(tasks: Sequence[TaskRecord], manifest: Manifest) -> None:
    for held_out, known, what in (
            (manifest.held_out_writers, {task.writer for task in tasks}, 'writer'),
            (manifest.held_out_domains, {task.domain for task in tasks}, 'domain')):
        for name in held_out:
            if name not in known:
                raise SplitError(f'no task has the {what} {name!r}, which is to be held out; name '
                                 'those that the tasks have')


def _all_or_none(unit: Sequence[TaskRecord], held_out, what: str) -> bool:
    flags = {bool(held_out(task)) for task in unit}
    if len(flags) > 1:
        raise SplitError(f'the group {unit[0].group!r} lies across the held-out {what}; give its '
                         'tasks one, or hold out all or none of them')
    return flags.pop()


def _draw(pool: Sequence[list[TaskRecord]], size: int, name: str, seed: int,
          where: dict[str, str]) -> list[list[TaskRecord]]:
    """Draw a stratified sample of whole units into a split; returns the units left."""
    tasks = [task for unit in pool for task in unit]
    if size > len(tasks):
        raise SplitError(f'{len(tasks)} tasks are too few for a {name} set of {size}; ask for a '
                         'smaller one')
    quota = quotas(Counter(map(skill_set, tasks)), size)
    # Each unit has a random number of its own, so that one task more or less moves few others.
    # Groups first, while there is room for all their labels; single tasks fill up exactly.
    order = sorted(pool, key=lambda unit: (
        len(unit) == 1, random.Random(f'{seed} {unit[0].id}').random()))
    # At most the groups' own share, lest the sample be of groups only.
    grouped = sum(len(unit) for unit in pool if len(unit) > 1)
    room = round(size * grouped / max(1, len(tasks)))
    wanted, drawn, left = Counter(quota), [], []
    for unit in order:
        labels = Counter(map(skill_set, unit))
        fits = all(quota[label] >= count for label, count in labels.items())
        if fits and (len(unit) == 1 or len(unit) <= room):
            quota.subtract(labels)
            room -= len(unit) if len(unit) > 1 else 0
            drawn.append(unit)
        else:
            left.append(unit)
    if +quota:
        try:
            drawn, left = balanced(drawn, left, wanted, skill_set, exact=name == TEST)
        except ValueError as error:
            raise SplitError(f'the {name} set of {size} cannot be drawn: {error}') from error
    where.update((task.id, name) for unit in drawn for task in unit)
    return left


def quotas(counts: Counter, size: int) -> Counter:
    """How many of each kind make a sample of the same proportions, by largest remainders."""
    total = sum(counts.values())
    exact = {kind: count * size / total for kind, count in counts.items()}
    quota = Counter({kind: int(value) for kind, value in exact.items()})
    by_rest = sorted(exact, key=lambda kind: (quota[kind] - exact[kind], kind))
    for kind in by_rest[:size - sum(quota.values())]:
        quota[kind] += 1
    return quota
