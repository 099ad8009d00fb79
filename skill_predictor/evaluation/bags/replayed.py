"""What a replayed recording gave, row by row, and decisions in words.

Of each task its id, its time, some bits, two durations and who was given it are kept (about 700 bytes), so memory
grows with the number of tasks, not with their texts; texts are kept for changed decisions only, and of those
the first :data:`MOST_CHANGES`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ...taxonomy import NUM_SKILLS, SKILLS
from .events import RecordedTask

MOST_CHANGES = 1000
"""Most changed decisions that are kept in words."""

NONE = -1
"""No decision: a mask of six bits is never below 0."""


@dataclass(frozen=True)
class Said:
    """What a model said to one text.

    Attributes
    ----------
    required : tuple of bool
    milliseconds : float
    error : str
        Why there is no answer; empty: there is one.
    """

    required: tuple[bool, ...]
    milliseconds: float
    error: str = ''


@dataclass(frozen=True)
class Change:
    """A task to which two systems said different things.

    Attributes
    ----------
    time_ns, task_id, text : as recorded
    before, now : tuple of str or None
        Skills; ``None``: no decision was made.
    label : tuple of str or None
        ``None``: it is not known what is right.
    """

    time_ns: int
    task_id: str
    text: str
    before: tuple[str, ...] | None
    now: tuple[str, ...] | None
    label: tuple[str, ...] | None = None


@dataclass
class Replayed:
    """The tasks of one recording, row by row.

    Attributes
    ----------
    ids : list of str
        See :class:`skill_predictor.evaluation.bags.naming.Names`.
    checksums : list of int
        Of the texts; see :func:`skill_predictor.evaluation.bags.naming.checksum`.
    times_ns : list of int
    now, other, recorded, labels : list of int
        Decisions as bits in the order of the skills; -1: none. ``other`` is the second model's.
    milliseconds, recorded_milliseconds : list of float
        NaN where there is none.
    allocated : dict of int to tuple of str
        By row: who was given the task first when it was recorded; empty: nobody.
    unreadable : int
        Tasks that the model refuses; their decision is -1.
    duplicates : int
        Tasks with an id and a text that had come before; only the first counts.
    unasked : int
        Recorded vectors to which no task was found.
    labelled_by_file : int
        Tasks of which the file of labels knows what is right.
    clock_jumps : list of tuple of int and float
        Where a clock was set while recording: time [ns], and by how much [s].
    changes, other_changes : list of Change
        Against the recording, and against the second model.
    tasks : list of RecordedTask
        The tasks themselves, where they were asked to be kept.
    """

    ids: list[str] = field(default_factory=list)
    checksums: list[int] = field(default_factory=list)
    times_ns: list[int] = field(default_factory=list)
    now: list[int] = field(default_factory=list)
    other: list[int] = field(default_factory=list)
    recorded: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    recorded_milliseconds: list[float] = field(default_factory=list)
    allocated: dict[int, tuple[str, ...]] = field(default_factory=dict)
    unreadable: int = 0
    duplicates: int = 0
    unasked: int = 0
    labelled_by_file: int = 0
    clock_jumps: list[tuple[int, float]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    other_changes: list[Change] = field(default_factory=list)
    tasks: list[RecordedTask] = field(default_factory=list)

    def flags(self, masks: list[int]) -> np.ndarray:
        """Decisions as bool, shape (n, 6); a task without one is false in all."""
        bits = np.maximum(np.array(masks, dtype=np.int64), 0)[:, None] >> np.arange(NUM_SKILLS)
        return (bits & 1).astype(bool).reshape(-1, NUM_SKILLS)

    def known(self, masks: list[int]) -> np.ndarray:
        """Which tasks have such a decision, bool, shape (n,)."""
        return np.array(masks, dtype=np.int64) >= 0

    def troubles(self, labels: str | None = None) -> list[str]:
        """What is wrong with the recording, beside what its reader found.

        Parameters
        ----------
        labels
            Name of the file of labels, if one was given.
        """
        found = []
        if self.clock_jumps:
            found.append(f'a clock was set {len(self.clock_jumps)} times while recording, first by '
                         f'{self.clock_jumps[0][1]:+,.1f} s; times and their order are not to be trusted')
        if labels and not self.labelled_by_file:
            found.append(f'none of the tasks has a text of {labels}; are these the labels of another recording?')
        return found


def names(mask: int) -> tuple[str, ...] | None:
    """Skills of a decision's bits; ``None``: there is no decision."""
    if mask < 0:
        return None
    return tuple(skill for index, skill in enumerate(SKILLS) if mask >> index & 1)


def in_words(skills: Sequence[str] | None) -> str:
    """Skills as a person reads them."""
    return 'no vector' if skills is None else ' + '.join(skills) or 'none'
