"""Where a model is good and where it is not: figures by kind of task, and its worst errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..dataset.boundaries import BOUNDARIES
from ..dataset.records import TaskRecord
from ..taxonomy import from_flags

LENGTHS = ((8, 'up to 8 words'), (13, '9 to 13'), (20, '14 to 20'), (32, '21 to 32'))
LONGER = 'over 32'


@dataclass(frozen=True)
class Part:
    """Tasks of one kind.

    Attributes
    ----------
    name : str
    tasks : int
    exact_match : float
        Share of them with all flags right, 0..1.
    """

    name: str
    tasks: int
    exact_match: float


@dataclass(frozen=True)
class Mistake:
    """A wrong answer.

    Attributes
    ----------
    record : TaskRecord
    predicted : tuple of str
        Skills that were named.
    probabilities : tuple of float
        In vector order, 0..1.
    margin : float
        How far the worst flag's probability is on the wrong side of its threshold, 0..1.
    """

    record: TaskRecord
    predicted: tuple[str, ...]
    probabilities: tuple[float, ...]
    margin: float


def set_name(label: Sequence[str]) -> str:
    """A skill set as text, ``wheels+hands``; ``none`` when it is empty."""
    return '+'.join(label) or 'none'


def length_name(record: TaskRecord) -> str:
    """The class of length that a task is in."""
    words = len(record.text.split())
    return next((name for limit, name in LENGTHS if words <= limit), LONGER)


def by_skill_set(records: Sequence[TaskRecord], right: np.ndarray) -> list[Part]:
    """Figures per labelled skill set, the frequent ones first."""
    return _parts(records, right, lambda record: set_name(record.label or ()))


def by_domain(records: Sequence[TaskRecord], right: np.ndarray) -> list[Part]:
    """Figures per domain, the frequent ones first."""
    return _parts(records, right, lambda record: record.domain or 'not stated')


def by_boundary(records: Sequence[TaskRecord], right: np.ndarray) -> list[Part]:
    """Figures per boundary of the guide, in the guide's order, then those that a dataset has of its
    own; last the tasks without one."""
    names, none = list(BOUNDARIES), 'none in particular'
    parts = _parts(records, right, lambda record: record.boundary or none)
    return sorted(parts, key=lambda part: (
        part.name == none, names.index(part.name) if part.name in names else len(names)))


def by_length(records: Sequence[TaskRecord], right: np.ndarray) -> list[Part]:
    """Figures per class of length, short ones first."""
    names = [*(name for _, name in LENGTHS), LONGER]
    return sorted(_parts(records, right, length_name), key=lambda part: names.index(part.name))


def confusions(records: Sequence[TaskRecord], predicted: np.ndarray,
               most: int = 20) -> list[tuple[str, str, int]]:
    """Labelled set, predicted set and how often, for wrong answers, the frequent ones first.

    Parameters
    ----------
    records
        Labelled tasks.
    predicted
        bool, shape (len(records), 6).
    most
        How many are returned at most.
    """
    counts = Counter()
    for record, flags in zip(records, predicted):
        named = from_flags(flags.tolist())
        if named != record.label:
            counts[set_name(record.label or ()), set_name(named)] += 1
    return [(*pair, count) for pair, count in counts.most_common(most)]


def worst(records: Sequence[TaskRecord], labels: np.ndarray, probabilities: np.ndarray,
          thresholds: Sequence[float], most: int = 30) -> list[Mistake]:
    """The wrong answers that were given with the most confidence.

    Parameters
    ----------
    records
        Labelled tasks.
    labels
        bool, shape (len(records), 6).
    probabilities
        0..1, same shape.
    thresholds
        Six.
    most
        How many are returned at most.
    """
    limits = np.asarray(thresholds)
    predicted = probabilities >= limits
    margins = np.where(predicted != labels, np.abs(probabilities - limits), -1).max(axis=1)
    order = np.argsort(-margins, kind='stable')[:most]
    return [Mistake(records[index], from_flags(predicted[index].tolist()),
                    tuple(map(float, probabilities[index])), float(margins[index]))
            for index in order if margins[index] >= 0]


def _parts(records: Sequence[TaskRecord], right: np.ndarray,
           name_of: Callable[[TaskRecord], str]) -> list[Part]:
    groups: dict[str, list[bool]] = {}
    for record, correct in zip(records, right):
        groups.setdefault(name_of(record), []).append(bool(correct))
    parts = [Part(name, len(answers), float(np.mean(answers)))
             for name, answers in groups.items()]
    return sorted(parts, key=lambda part: (-part.tasks, part.name))
