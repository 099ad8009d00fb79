"""Counting a dataset along every axis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..taxonomy import SKILLS
from .records import TaskRecord
from .split import skill_set


@dataclass(frozen=True)
class Statistics:
    """Counts of tasks.

    Attributes
    ----------
    tasks : int
    splits, skills, skill_sets, boundaries, domains, writers : dict of str to int
        Tasks by each axis; most first, but for splits and skills, which keep their order. A task
        counts for each of its skills.
    groups : int
        Contrast pairs and other groups.
    grouped_tasks : int
        Tasks in groups.
    words : dict of str to float
        Quantiles of the texts' lengths in words.
    distinct_words : int
        Size of the vocabulary, without case.
    """

    tasks: int
    splits: dict[str, int]
    skills: dict[str, int]
    skill_sets: dict[str, int]
    boundaries: dict[str, int]
    domains: dict[str, int]
    writers: dict[str, int]
    groups: int
    grouped_tasks: int
    words: dict[str, float]
    distinct_words: int

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values, fit for JSON."""
        return asdict(self)


def statistics(splits: Mapping[str, Sequence[TaskRecord]]) -> Statistics:
    """Count the tasks of all splits together.

    Raises
    ------
    ValueError
        When there is no task.
    """
    tasks = [task for split in splits.values() for task in split]
    if not tasks:
        raise ValueError('there is no task to count')
    lengths = [words(task) for task in tasks]
    grouped = [task for task in tasks if task.group]
    quantiles = {'min': 0, 'p10': 10, 'median': 50, 'p90': 90, 'max': 100}
    return Statistics(
        tasks=len(tasks), splits={name: len(split) for name, split in splits.items()},
        skills={skill: sum(skill in (task.label or ()) for task in tasks) for skill in SKILLS},
        skill_sets=_counts(map(skill_set, tasks)),
        boundaries=_counts(task.boundary for task in tasks if task.boundary),
        domains=_counts(task.domain for task in tasks),
        writers=_counts(task.writer for task in tasks),
        groups=len({task.group for task in grouped}), grouped_tasks=len(grouped),
        words={name: float(np.percentile(lengths, q)) for name, q in quantiles.items()},
        distinct_words=len({word.strip('.,;:!?"\'()').lower() for task in tasks
                            for word in task.text.split()}))


def words(task: TaskRecord) -> int:
    """Length of a text: what white space divides."""
    return len(task.text.split())


def _counts(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])))
