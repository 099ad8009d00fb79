"""What a running graph answers to the tasks of a recording, and whether it answers each one once.

Times are seconds of any one clock. Several threads may write and read.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from ...taxonomy import NUM_SKILLS
from ..speed.timing import summary
from .events import RecordedTask
from .naming import Names
from .replayed import Said

MOST_EARLY = 10_000
"""Most vectors, and most allocations, that are kept although their tasks were not asked."""

LONGEST_EARLY_S = 2.0
"""So long before a task without id an answer to its text may be read: two topics have no common order."""

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

    def allocate(self, status: str, robots: tuple[str, ...], at: float) -> None:
        if not self.statuses:
            self.allocated_ms = max(0.0, at - self.asked_at) * 1e3
        self.statuses.append(status)
        self.robots = self.robots or robots


class LiveRun:
    """Tasks that were asked, and what came back.

    Parameters
    ----------
    timeout_s
        A task that has no answer after so long is no longer waited for.
    readable
        Tells whether the graph's predictor reads a text; for the others it makes no vector. By default it
        reads all but empty ones.
    """

    def __init__(self, timeout_s: float, readable: Callable[[str], bool] = bool) -> None:
        self._timeout_s, self._readable = timeout_s, readable
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
        self._early: dict[tuple[str, str], tuple[tuple[bool, ...], float]] = {}
        self._early_allocations: dict[str, list[tuple[str, tuple[str, ...], float]]] = {}
        self.model_version = ''
        """Of the latest vector."""

    def ask(self, task_id: str, text: str, at: float) -> None:
        """A task goes out, or was heard; its id may be empty."""
        name, is_new = self._names.name(task_id, text)
        with self._lock:
            if is_new:
                case = self._cases[name] = _Case(self._readable(text))
                case.asked_at = at
                early = self._early_answer(task_id, text, at)
                if early is not None:
                    case.required, case.answered, case.readable = self._early.pop(early)[0], 1, True
                if task_id or early is not None:
                    self._bind(case, *(early or (task_id, text)))
                else:
                    self._nameless[text].append(case)
            case = self._cases[name]
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
                    self._early[task_id, text] = tuple(map(bool, required)), at
                return
            case.readable = True  # whatever we thought
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
            if case is not None:
                case.allocate(status, tuple(sorted(robots)), at)
            elif task_id in self._early_allocations or len(self._early_allocations) < MOST_EARLY:
                self._early_allocations.setdefault(task_id, []).append((status, tuple(sorted(robots)), at))

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
            Who was given each task when it was recorded, by its name; empty: nobody.
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
            self._bind(case, task_id, text)
        return case

    def _bind(self, case: _Case, task_id: str, text: str) -> None:
        self._by_message[task_id, text] = self._by_id[task_id] = case
        for allocation in self._early_allocations.pop(task_id, ()):
            case.allocate(*allocation)

    def _early_answer(self, task_id: str, text: str, at: float) -> tuple[str, str] | None:
        """Id and text of an answer that was read before its task, which may have come without id."""
        if task_id:
            return (task_id, text) if (task_id, text) in self._early else None
        return next((key for key, (_, came) in self._early.items()
                     if key[1] == text and at - came <= LONGEST_EARLY_S), None)


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
