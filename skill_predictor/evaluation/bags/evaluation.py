"""What a model says to the tasks of a recording, beside what was recorded and what is right.

The recording is gone through once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable
from dataclasses import replace

from ...taxonomy import SKILLS
from .clock import JUMP_NS, TopicClock
from .events import Event, RecordedAllocation, RecordedTask, RecordedVector
from .labels import Labels
from .matching import Allocations, Early, Rows
from .naming import checksum, Names
from .replayed import Change, MOST_CHANGES, names, NONE, Replayed, Said

Predict = Callable[[RecordedTask], 'Said | None']
"""What a model says; the task has its name (:class:`Names`) as id. ``None``: it was not asked, and the
task is left out."""


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
        elif isinstance(event, RecordedAllocation):
            state.allocation(event)
    return state.finish()


class _Replay:
    def __init__(self, predict: Predict, other: Predict | None,
                 labels: Labels, label_topics: Collection[str], keep_tasks: bool) -> None:
        self.found = Replayed()
        self._keep_tasks = keep_tasks
        self._predict, self._other = predict, other
        self._labels, self._label_topics = labels, label_topics
        self._names, self._rows = Names(), Rows()
        self._early, self._allocations = Early(), Allocations()
        self._left_out: set[str] = set()
        # Other recordings and nodes may have other clocks.
        self._clocks: dict[tuple[Hashable, str], TopicClock] = {}
        self._changed: list[tuple[list[Change], int, int]] = []

    def task(self, task: RecordedTask) -> None:
        name, is_new = self._names.name(task.task_id, task.text, task.source)
        if not is_new:
            self.found.duplicates += name not in self._left_out
            return
        named = replace(task, task_id=name)
        said = self._predict(named)
        if said is not None:
            self._rows.add(task, len(self.found.ids))
            self._add(task, named, said)
        else:
            # What was answered to it is left out with it: a row of its own that is none.
            self._left_out.add(name)
            self._rows.add(task, NONE - len(self._left_out))
        for early in self._early.take(task):
            if early.topic in self._label_topics:
                self._label(early)
            else:
                self.found.unasked -= 1
                self._answer(early)

    def _add(self, task: RecordedTask, named: RecordedTask, said: Said) -> None:
        found, row = self.found, len(self.found.ids)
        now = NONE if said.error else _mask(said.required)
        found.unreadable += bool(said.error)
        label = self._labels.of(task.task_id, task.text)
        found.labelled_by_file += label is not None
        if self._keep_tasks:
            found.tasks.append(task)
        found.ids.append(named.task_id)
        found.checksums.append(checksum(task.text))
        found.times_ns.append(task.time_ns)
        found.now.append(now)
        found.recorded.append(NONE)
        found.labels.append(NONE if label is None else _mask_of_names(label))
        found.milliseconds.append(float('nan') if said.error else said.milliseconds)
        found.recorded_milliseconds.append(float('nan'))
        if self._other is not None:
            before = self._other(named)
            mask = NONE if before is None or before.error else _mask(before.required)
            found.other.append(mask)
            if mask not in (NONE, now):
                self._note(found.other_changes, row, task.text, mask)

    def vector(self, vector: RecordedVector) -> None:
        if vector.topic in self._label_topics:
            self._label(vector)
            return
        clock = self._clocks.setdefault((vector.source, vector.topic), TopicClock())
        for answer in clock.see(vector):
            self._answer(answer)

    def _label(self, vector: RecordedVector) -> None:
        row = self._rows.find(vector, is_label=True)
        if row is None:
            self._early.keep(vector, is_label=True)
        elif row >= 0 and self.found.labels[row] == NONE:
            # A file of labels goes before, the first before others.
            self.found.labels[row] = _mask(vector.required)

    def _answer(self, vector: RecordedVector) -> None:
        found, row = self.found, self._rows.find(vector, is_label=False)
        if row is None:
            found.unasked += 1
            self._early.keep(vector, is_label=False)
            return
        if row < 0:
            return
        before_task = vector.time_ns - found.times_ns[row]
        if before_task <= -JUMP_NS:
            found.clock_jumps.append((vector.time_ns, before_task / 1e9))
        if found.recorded[row] != NONE:
            return  # answered twice: the first answer is the one that was acted upon
        found.recorded[row] = mask = _mask(vector.required)
        if vector.latency_ms > 0:  # labels and other nodes' vectors do not say any
            found.recorded_milliseconds[row] = vector.latency_ms
        if mask != found.now[row]:
            self._note(found.changes, row, vector.text, mask)

    def allocation(self, allocation: RecordedAllocation) -> None:
        self._allocations.note(allocation)

    def _note(self, changes: list[Change], row: int, text: str, before: int) -> None:
        if len(changes) < MOST_CHANGES:
            self._changed.append((changes, len(changes), row))
            changes.append(Change(self.found.times_ns[row], self.found.ids[row], text,
                                  names(before), names(self.found.now[row])))

    def finish(self) -> Replayed:
        """What was found, with all that only the end of the recording tells."""
        found = self.found
        for clock in self._clocks.values():
            answers, kept = clock.end()
            found.unasked += kept
            for answer in answers:
                self._answer(answer)
            found.clock_jumps += clock.jumps()
        found.clock_jumps.sort()
        found.allocated = self._allocations.by_row(self._rows)
        for changes, index, row in self._changed:
            if found.labels[row] != NONE:
                changes[index] = replace(changes[index], label=names(found.labels[row]))
        return found


def _mask(required: Iterable[bool]) -> int:
    return sum(bool(flag) << index for index, flag in enumerate(required))


def _mask_of_names(skills: Iterable[str]) -> int:
    return sum(1 << SKILLS.index(skill) for skill in skills)
