"""What a model says to the tasks of a recording, beside what was recorded and what is right.

The recording is gone through once. Of each task its id, its time, some bits and two durations are kept
(about 600 bytes), so memory grows with the number of tasks, not with their texts; texts are kept for
changed decisions only, and of those the first :data:`MOST_CHANGES`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ...taxonomy import NUM_SKILLS, SKILLS
from .clock import ClockWatch, was_kept
from .events import Event, RecordedTask, RecordedVector
from .labels import Labels
from .matching import Rows
from .naming import Names

MOST_CHANGES = 1000
"""Most changed decisions that are kept in words."""

MOST_EARLY = 10_000
"""Most vectors that are kept because their task has not come yet."""

_NONE = -1  # no decision: a mask of six bits is never below 0

Predict = Callable[[RecordedTask], 'Said | None']
"""What a model says; the task has its name (:class:`Names`) as id. ``None``: it was not asked, and the
task is left out."""


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
    before, now : tuple of str
        Skills.
    label : tuple of str or None
        ``None``: it is not known what is right.
    """

    time_ns: int
    task_id: str
    text: str
    before: tuple[str, ...]
    now: tuple[str, ...]
    label: tuple[str, ...] | None = None


@dataclass
class Replayed:
    """The tasks of one recording, row by row.

    Attributes
    ----------
    ids : list of str
        See :class:`skill_predictor.evaluation.bags.naming.Names`.
    times_ns : list of int
    now, other, recorded, labels : list of int
        Decisions as bits in the order of the skills; -1: none. ``other`` is the second model's.
    milliseconds, recorded_milliseconds : list of float
        NaN where there is none.
    unreadable : int
        Tasks that the model refuses; their decision is -1.
    duplicates : int
        Tasks with an id and a text that had come before; only the first counts.
    unasked : int
        Recorded vectors to which no task was found.
    clock_jumps : list of tuple of int and float
        Where a clock was set while recording: time [ns], and by how much [s].
    changes, other_changes : list of Change
        Against the recording, and against the second model.
    tasks : list of RecordedTask
        The tasks themselves, where they were asked to be kept.
    """

    ids: list[str] = field(default_factory=list)
    times_ns: list[int] = field(default_factory=list)
    now: list[int] = field(default_factory=list)
    other: list[int] = field(default_factory=list)
    recorded: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    recorded_milliseconds: list[float] = field(default_factory=list)
    unreadable: int = 0
    duplicates: int = 0
    unasked: int = 0
    clock_jumps: list[tuple[int, float]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    other_changes: list[Change] = field(default_factory=list)
    tasks: list[RecordedTask] = field(default_factory=list)

    def flags(self, masks: list[int]) -> np.ndarray:
        """Decisions as bool, shape (n, 6); a task without one is false in all."""
        bits = np.maximum(np.array(masks, dtype=np.int64), 0)[:, None] >> np.arange(NUM_SKILLS)
        return (bits & 1).astype(bool).reshape(-1, NUM_SKILLS)

    def troubles(self) -> list[str]:
        """What is wrong with the recording, beside what its reader found."""
        if not self.clock_jumps:
            return []
        return [f'a clock was set {len(self.clock_jumps)} times while recording, first by '
                f'{self.clock_jumps[0][1]:+,.1f} s; times and their order are not to be trusted']

    def known(self, masks: list[int]) -> np.ndarray:
        """Which tasks have such a decision, bool, shape (n,)."""
        return np.array(masks, dtype=np.int64) >= 0


def replay(events: Iterable[Event], predict: Predict, *, other: Predict | None = None,
           labels: Labels | None = None, label_topics: Collection[str] = (),
           keep_tasks: bool = False, on_task: Callable[[int], None] | None = None) -> Replayed:
    """Go through a recording.

    Parameters
    ----------
    events
        From :meth:`skill_predictor.evaluation.bags.reading.Bag.events`.
    predict, other
        The model, and one to compare it with.
    labels
        What is right, from a file.
    label_topics
        Of skill vectors that say what is right, instead of what was answered; ``labels`` go before.
    keep_tasks
        Keep the tasks in memory, for :func:`skill_predictor.evaluation.bags.fleet.serve`.
    on_task
        Called with the number of tasks done since the last call.
    """
    state = _Replay(predict, other, labels or Labels(), label_topics, keep_tasks)
    for event in events:
        if isinstance(event, RecordedTask):
            state.task(event)
            if on_task is not None:
                on_task(1)
        elif isinstance(event, RecordedVector):
            state.vector(event)
    return state.finish()


class _Replay:
    def __init__(self, predict: Predict, other: Predict | None,
                 labels: Labels, label_topics: Collection[str], keep_tasks: bool) -> None:
        self.found = Replayed()
        self._keep_tasks = keep_tasks
        self._predict, self._other = predict, other
        self._labels, self._label_topics = labels, label_topics
        self._names, self._rows = Names(), Rows()
        # A clock that was set back while recording puts answers before their questions.
        self._early: dict[tuple[bool, int, str], RecordedVector] = {}
        # Other recordings and nodes may have other clocks.
        self._watches: dict[tuple[int, str], ClockWatch] = {}
        self._changed: list[tuple[list[Change], int, int]] = []

    def task(self, task: RecordedTask) -> None:
        found, row = self.found, len(self.found.ids)
        name, is_new = self._names.name(task.task_id, task.text, task.source)
        if not is_new:
            found.duplicates += 1
            return
        named = replace(task, task_id=name)
        said = self._predict(named)
        if said is None:
            return
        self._rows.add(task, row)
        now = _NONE if said.error else _mask(said.required)
        found.unreadable += bool(said.error)
        label = self._labels.of(task.task_id, task.text)
        if self._keep_tasks:
            found.tasks.append(task)
        found.ids.append(name)
        found.times_ns.append(task.time_ns)
        found.now.append(now)
        found.recorded.append(_NONE)
        found.labels.append(_NONE if label is None else _mask_of_names(label))
        found.milliseconds.append(float('nan') if said.error else said.milliseconds)
        found.recorded_milliseconds.append(float('nan'))
        if self._other is not None:
            before = self._other(named)
            mask = _NONE if before is None or before.error else _mask(before.required)
            found.other.append(mask)
            if mask != now:
                self._note(found.other_changes, row, task.text, mask)
        for is_label in (False, True):
            early = self._early.get((is_label, task.source, task.task_id))
            if early is not None and early.text == task.text:
                del self._early[is_label, task.source, task.task_id]
                found.unasked -= not is_label
                self.vector(early)

    def vector(self, vector: RecordedVector) -> None:
        found, is_label = self.found, vector.topic in self._label_topics
        row = self._rows.find(vector, is_label)
        if row is None:
            found.unasked += not is_label
            if len(self._early) < MOST_EARLY and (is_label or not was_kept(vector)):
                self._early.setdefault((is_label, vector.source, vector.task_id), vector)
            return
        mask = _mask(vector.required)
        if is_label:
            if found.labels[row] == _NONE:  # a file of labels goes before, the first before others
                found.labels[row] = mask
            return
        watch = self._watches.setdefault((vector.source, vector.topic),
                                         ClockWatch(found.clock_jumps))
        watch.see(found.times_ns[row], vector)
        if found.recorded[row] != _NONE:
            return  # answered twice: the first answer is the one that was acted upon
        found.recorded[row] = mask
        if vector.latency_ms > 0:  # labels and other nodes' vectors do not say any
            found.recorded_milliseconds[row] = vector.latency_ms
        if mask != found.now[row]:
            self._note(found.changes, row, vector.text, mask)

    def _note(self, changes: list[Change], row: int, text: str, before: int) -> None:
        if len(changes) < MOST_CHANGES:
            self._changed.append((changes, len(changes), row))
            changes.append(Change(self.found.times_ns[row], self.found.ids[row], text,
                                  names(before), names(self.found.now[row])))

    def finish(self) -> Replayed:
        """What was found, with the labels that came after the decisions."""
        for changes, index, row in self._changed:
            if self.found.labels[row] != _NONE:
                changes[index] = replace(changes[index], label=names(self.found.labels[row]))
        return self.found


def names(mask: int) -> tuple[str, ...]:
    """Skills of a decision's bits; empty also where there is no decision."""
    return tuple(skill for index, skill in enumerate(SKILLS) if mask >= 0 and mask >> index & 1)


def in_words(skills: Sequence[str]) -> str:
    """Skills as a person reads them."""
    return ' + '.join(skills) or 'none'


def _mask(required: Iterable[bool]) -> int:
    return sum(bool(flag) << index for index, flag in enumerate(required))


def _mask_of_names(skills: Iterable[str]) -> int:
    return sum(1 << SKILLS.index(skill) for skill in skills)
