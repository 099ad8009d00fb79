"""Groups: tasks that differ in a few words only and belong together."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from .records import TaskRecord


def units(tasks: Sequence[TaskRecord]) -> list[list[TaskRecord]]:
    """Tasks that stay together: whole groups, and every other task by itself."""
    found: dict[object, list[TaskRecord]] = defaultdict(list)
    for index, task in enumerate(tasks):
        found[task.group or index].append(task)
    return list(found.values())


def without_lonely_groups(tasks: Sequence[TaskRecord]) -> list[TaskRecord]:
    """The same tasks; one that is alone in its group is in a group no more."""
    members = Counter(task.group for task in tasks)
    return [task if members[task.group] > 1 else replace(task, group='') for task in tasks]
