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
from ...inference.text import clean_text
from ...taxonomy import NUM_SKILLS
from ..speed.timing import summary
from .evaluation import Said
from .reading import Event, RecordedAllocation, RecordedTask

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
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._cases: defaultdict[str, _Case] = defaultdict(_Case)
        # Plain texts have no id before they are answered.
        self._nameless: defaultdict[str, list[_Case]] = defaultdict(list)
        self._told: Counter[str] = Counter()
        self._waiting: dict[int, _Case] = {}
        self._lock = threading.Lock()
        self.asked = 0
        """How many tasks were asked so far; one that is asked twice counts twice."""
        self.model_version = ''
        """Of the latest vector."""

    def ask(self, name: str, text: str, at: float) -> None:
        """A task goes out, or was heard; ``name`` is empty where it has no id."""
        with self._lock:
            if name:
                case = self._cases[name]
            else:
                case = _Case()
                self._nameless[text].append(case)
            case.readable = _is_readable(text)
            case.asked += 1
            self.asked += 1
            if case.asked_at != case.asked_at:
                case.asked_at = at
            if case.waits:
                self._waiting[id(case)] = case

    def answer(self, name: str, text: str, required: Iterable[bool], latency_ms: float, at: float,
               model_version: str = '') -> None:
        """A vector came.

        Parameters
        ----------
        name, text
            Of its task.
        required
            Its flags.
        latency_ms
            As the node gives it; used where it is not known when the task was asked.
        at
            When it came.
        model_version
            Who made it.
        """
        with self._lock:
            case = self._find(name, text)
            if not case.answered:
                round_trip = (at - case.asked_at) * 1e3
                case.milliseconds = round_trip if round_trip == round_trip else latency_ms
                case.required = tuple(map(bool, required))
            case.answered += 1
            self.model_version = model_version or self.model_version
            if not case.waits:
                self._waiting.pop(id(case), None)

    def allocate(self, name: str, status: str, robots: Iterable[str], at: float) -> None:
        """The allocator has decided."""
        with self._lock:
            case = self._cases[name]
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

    def said(self, task: RecordedTask) -> Said | None:
        """What was answered to a task of the recording, for :func:`replay`; ``None``: it was not asked.

        Tasks without an id take the answers to their text in turn, so ask for each once.
        """
        with self._lock:
            case = self._cases.get(task.task_id)
            if case is None:
                same = self._nameless.get(task.text, ())
                case = same[self._told[task.text]] if self._told[task.text] < len(same) else None
                self._told[task.text] += 1
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
            named = dict(self._cases)
            for text, cases in self._nameless.items():
                named.update((f'{text!r} {index}', case) for index, case in enumerate(cases, 1))
        asked = {name: case for name, case in named.items() if case.asked}
        unanswered = [name for name, case in asked.items() if case.waits]
        twice = [name for name, case in asked.items() if case.answered > case.asked]
        return {
            'asked': self.asked,
            'answered_once': sum(case.answered == case.asked for case in asked.values()),
            'unreadable': sum(not case.readable for case in asked.values()),
            'unanswered': len(unanswered), 'unanswered_ids': unanswered[:MOST_NAMES],
            'answered_too_often': len(twice), 'answered_too_often_ids': twice[:MOST_NAMES],
            'of_others': sum(bool(case.answered) and not case.asked for case in named.values()),
            'allocations': _allocations(asked, recorded or {})}

    def _find(self, name: str, text: str) -> _Case:
        if name in self._cases:
            return self._cases[name]
        waiting = next((case for case in self._nameless.get(text, ()) if not case.answered), None)
        return self._cases[name] if waiting is None else waiting


def _is_readable(text: str) -> bool:
    try:
        clean_text(text)
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
