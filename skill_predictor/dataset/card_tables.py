"""Tables of a dataset card, in Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ..markdown import table
from ..taxonomy import SKILLS
from .audit.agreement import Agreement
from .records import TaskRecord
from .split import skill_set
from .statistics import Statistics


def card_tables(splits: Mapping[str, Sequence[TaskRecord]], counted: Statistics,
                agreement: Mapping[str, Agreement]) -> str:
    """Counts by skill set, skill and boundary for each split, and the agreement of the labellings."""
    parts = [
        _by_split('skill set', splits, counted.skill_sets, lambda task: [skill_set(task)]),
        _by_split('skill', splits, counted.skills, lambda task: task.label or ()),
        _by_split('boundary', splits, counted.boundaries,
                  lambda task: [task.boundary] if task.boundary else [])]
    if agreement:
        parts.append(_agreement(agreement))
    return '\n\n'.join(parts)


def _by_split(axis: str, splits: Mapping[str, Sequence[TaskRecord]], names: Iterable[str],
              values) -> str:
    counts = {name: Counter(value for task in tasks for value in values(task))
              for name, tasks in splits.items()}
    rows = [[value, sum(part[value] for part in counts.values()),
             *(part[value] for part in counts.values())] for value in names]
    return table([axis, 'all', *splits], rows)


def _agreement(agreement: Mapping[str, Agreement]) -> str:
    rows = [[why, found.tasks, f'{found.exact_match:.4f}',
             *(f'{found.kappa[skill]:.4f}' for skill in SKILLS)]
            for why, found in agreement.items()]
    return table(['labelled again because', 'tasks', 'exact match',
                   *(f'κ {skill}' for skill in SKILLS)], rows)
