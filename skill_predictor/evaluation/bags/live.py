"""What a running graph answers to the tasks of a recording, and whether it answers each one once.

Times are seconds of any one clock. Several threads may write and read.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from ...inference.errors import TextError
from ...inference.text import clean_text, DEFAULT_MAX_LENGTH
from ...taxonomy import NUM_SKILLS
from ..speed.timing import summary
from .evaluation import Said
from .events import Event, RecordedAllocation, RecordedTask
from .naming import Names

MOST_EARLY = 10_000
"""Most vectors that are kept although their tasks were not asked."""

MOST_NAMES = 1000
"""Most tasks that are named in the facts of a run, of each kind of trouble."""

_NOBODY = (False,) * NUM_SKILLS


@dataclass
class _Case:
    """One task of the run."""

    readable: bool = True
    asked: int = 0
    asked_at: float = float('nan')
    answered: int = 0
    milliseconds: float = float('nan')
    required: tuple[bool, ...] = _NOBODY
    statuses: list[str] = field(default_factory=list)
    robots: tuple[str, ...] = ()
    allocated_ms: float = float('nan')

    @property
    def waits(self) -> bool:
        return self.answered < self.asked and self.readable


class LiveRun:
    """Tasks that were asked, and what came back.

    Parameters
    ----------
    timeout_s
        A task that has no answer after so long is no longer waited for.
    max_length
        Most characters of a text that the graph's predictor reads; for longer ones it makes no vector.
    """

    def __init__(self, timeout_s: float, max_length: int = DEFAULT_MAX_LENGTH) -> None:
        self._timeout_s, self._max_length = timeout_s, max_length
        self._names = Names()
        self._cases: dict[str, _Case] = {}
        # By id and text, as messages have them; of plain texts the id is known when they are answered.
        self._by_message: dict[tuple[str, str], _Case] = {}
        self._by_id: dict[str, _Case] = {}
        self._nameless: defaultdict[str, list[_Case]] = defaultdict(list)
        self._waiting: dict[int, _Case] = {}
        self._lock = threading.Lock()
        self.asked = 0
        """How many tasks were asked so far; one that is asked twice counts twice."""
        self._early: dict[tuple[str, str], tuple[bool, ...]] = {}
        self.model_version = ''
        """Of the latest vector."""

    def ask(self, task_id: str, text: str, at: float) -> None:
        """A task goes out, or was heard; its id may be empty."""
        name, is_new = self._names.name(task_id, text)
        with self._lock:
            if is_new:
                case = self._cases[name] = _Case(_is_readable(text, self._max_length))
                if task_id:
                    self._by_message[task_id, text] = self._by_id[task_id] = case
                else:
                    self._nameless[text].append(case)
            case = self._cases[name]
            if is_new and (task_id, text) in self._early:
                case.required, case.answered = self._early.pop((task_id, text)), 1
            if not case.waits:
                case.asked_at = at
            case.asked += 1
            self.asked += 1
            if case.waits:
                # Those that were asked last stand last.
                self._waiting.pop(id(case), None)
                self._waiting[id(case)] = case

    def answer(self, task_id: str, text: str, required: Iterable[bool], at: float,
               model_version: str = '') -> None:
        """A vector came.

        Parameters
        ----------
        task_id, text
            Of its task.
        required
            Its flags.
        at
            When it came.
        model_version
            Who made it.
        """
        with self._lock:
            case = self._by_message.get((task_id, text)) or self._plain_text(task_id, text)
            if case is None:
                # To a task of others; or the two topics were read in another order.
                if len(self._early) < MOST_EARLY:
                    self._early[task_id, text] = tuple(map(bool, required))
                return
            if not case.answered:
                case.milliseconds = (at - case.asked_at) * 1e3
                case.required = tuple(map(bool, required))
            case.answered += 1
            self.model_version = model_version or self.model_version
            if not case.waits:
                self._waiting.pop(id(case), None)

    def allocate(self, task_id: str, status: str, robots: Iterable[str], at: float) -> None:
        """The allocator has decided; decisions on tasks that were not asked are ignored."""
        with self._lock:
            case = self._by_id.get(task_id)
            if case is None:
                return
            if not case.statuses:
                case.allocated_ms = (at - case.asked_at) * 1e3
            case.statuses.append(status)
            case.robots = case.robots or tuple(sorted(robots))

    def pending(self, now: float) -> int:
        """How many tasks still wait for an answer, and not yet for too long."""
        with self._lock:
            for key, case in list(self._waiting.items()):
                if now - case.asked_at <= self._timeout_s:
                    break  # they are in the order of asking
                del self._waiting[key]
            return len(self._waiting)

    def give_up(self) -> None:
        """Count what is still waited for as not asked: the run was ended before its time."""
        with self._lock:
            for case in self._waiting.values():
                self.asked -= case.asked - case.answered
                case.asked = case.answered
            self._waiting.clear()

    def said(self, task: RecordedTask) -> Said | None:
        """What was answered to a task of the recording, for :func:`replay`; ``None``: it was not asked."""
        with self._lock:
            case = self._cases.get(task.task_id)
            if case is None or not case.asked:
                return None
            if not case.answered:
                return Said(_NOBODY, float('nan'), 'no vector came')
            return Said(case.required, case.milliseconds)

    def facts(self, recorded: dict[str, tuple[str, ...]] | None = None) -> dict[str, Any]:
        """Whether every task was answered once, and what was allocated, fit for JSON.

        Parameters
        ----------
        recorded
            From :func:`first_robots`.
        """
        with self._lock:
            asked = {name: case for name, case in self._cases.items() if case.asked}
        unanswered = [name for name, case in asked.items() if case.waits]
        twice = [name for name, case in asked.items() if case.answered > case.asked]
        return {
            'asked': self.asked,
            'answered_once': sum(case.asked for case in asked.values()
                                 if case.answered == case.asked),
            'unreadable': sum(case.asked for case in asked.values() if not case.readable),
            'unanswered': len(unanswered), 'unanswered_ids': unanswered[:MOST_NAMES],
            'answered_too_often': len(twice), 'answered_too_often_ids': twice[:MOST_NAMES],
            'of_others': len(self._early), 'allocations': _allocations(asked, recorded or {})}

    def _plain_text(self, task_id: str, text: str) -> _Case | None:
        """The first task without id that has this text and no answer; it has an id from now on."""
        case = next((case for case in self._nameless.get(text, ()) if not case.answered), None)
        if case is not None:
            self._by_message[task_id, text] = self._by_id[task_id] = case
        return case


def _is_readable(text: str, max_length: int) -> bool:
    try:
        clean_text(text, max_length)
    except TextError:
        return False
    return True


def _allocations(asked: dict[str, _Case], recorded: dict[str, tuple[str, ...]]
                 ) -> dict[str, Any] | None:
    decided = {name: case for name, case in asked.items() if case.statuses}
    if not decided:
        return None
    both = [name for name in decided if name in recorded]
    return {'tasks': len(decided),
            'outcomes': dict(Counter(case.statuses[-1] for case in decided.values())),
            'milliseconds': asdict(summary([case.allocated_ms / 1e3 for case in decided.values()])),
            'recorded_too': len(both),
            'same_robots': sum(decided[name].robots == recorded[name] for name in both)}


def first_robots(events: Iterable[Event], found: dict[str, tuple[str, ...]]) -> Iterator[Event]:
    """Pass events on, and note who was given each task first when it was recorded.

    Parameters
    ----------
    events
        Of a bag.
    found
        Filled with robots by task id; empty: nobody was given it.
    """
    for event in events:
        if isinstance(event, RecordedAllocation):
            if not found.get(event.task_id):
                found[event.task_id] = tuple(sorted(event.robot_ids))
        yield event
