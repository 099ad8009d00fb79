"""What the ledger keeps of each task, and the order and outcome of a round of choices."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from skill_predictor.allocation.matching import adopt, choose_able, explain
from skill_predictor.allocation.tasks import Choice, Status, TaskRequest
from skill_predictor.allocation.tracking import Board


@dataclass(frozen=True)
class Decision:
    """A new or changed decision on a task, ready to be published.

    Attributes
    ----------
    task_id : str
        The task.
    choice : Choice
        Status, robots, score, missing skills and reason.
    required : tuple of str
        Skills that the task needs, in vector order.
    revision : int
        Higher than in all earlier decisions on the task: one more than in the last that is known.
    """

    task_id: str
    choice: Choice
    required: tuple[str, ...]
    revision: int


@dataclass
class Entry:
    """One task in the ledger.

    Attributes
    ----------
    task : TaskRequest
        What was asked.
    arrival : int
        Its place in the order of arrival.
    revision : int
        Revision of the last decision; one below the first when there is none yet.
    decision : Decision or None
        The last decision on this content of the task.
    holders : set of str
        Robots that still have work to do on it.
    assigned_at : float
        When it was given to them [s].
    working : set of str
        Robots that were seen at it since it was given to them: only these can finish it. Before
        the first decision on a task, all that are at it.
    keepers : set of str
        Robots that held it with its earlier content, and go before others that are at it.
    assumed : set of str
        Robots that only count as finished because they send no states.
    excluded : dict
        Robots that did not take it up, with the time from which they may get it again [s].
    cause : str
        Why it has to be decided again; empty: it has not.
    cancelled : bool
        Whether it was withdrawn.
    """

    task: TaskRequest
    arrival: int
    revision: int
    decision: Decision | None = None
    holders: set[str] = field(default_factory=set)
    assigned_at: float = 0.0
    working: set[str] = field(default_factory=set)
    keepers: set[str] = field(default_factory=set)
    assumed: set[str] = field(default_factory=set)
    excluded: dict[str, float] = field(default_factory=dict)
    cause: str = ''
    cancelled: bool = False

    def renewed(self, task: TaskRequest, arrival: int) -> Entry:
        """The same task with other content, on which nothing is decided yet."""
        return Entry(task, arrival, self.revision, keepers=self.holders | self.keepers)

    def propose(self, choice: Choice) -> Decision:
        """Make the next decision on this task, without recording it."""
        return Decision(self.task.task_id, choice, self.task.required, self.revision + 1)

    def turn(self) -> tuple[int, int]:
        """Sort key of the order in which tasks are served."""
        return -self.task.priority, self.arrival

    def overdue(self, now: float) -> bool:
        """Whether the deadline has come."""
        return self.task.deadline is not None and now >= self.task.deadline

    def due_again(self, now: float, since: float = -math.inf) -> set[str]:
        """Excluded robots that may get the task again, from a time after ``since`` on.

        They get it when nobody else can do it.
        """
        return {robot_id for robot_id, until in self.excluded.items() if since < until <= now}

    def shift(self, delta_s: float) -> None:
        """Move its times, after the clock was set."""
        self.assigned_at += delta_s
        self.excluded = {robot_id: until + delta_s for robot_id, until in self.excluded.items()}


def plan(entries: Iterable[Entry], board: Board, now: float,
         limits: Mapping[str, Any]) -> list[tuple[Entry, Choice]]:
    """Decide on several tasks in turn: higher priority first, then order of arrival.

    Robots are taken on the board, and nothing else changes. Tasks that wait and go on waiting are
    left out.

    Parameters
    ----------
    entries : iterable of Entry
        Tasks that nobody holds on the board.
    board : Board
        The robots.
    now : float
        The time [s].
    limits : mapping
        ``max_team_size`` and ``min_battery``, as `choose` takes them.
    """
    planned = []
    for entry in sorted(entries, key=Entry.turn):
        choice = _decide(entry, board, now, limits)
        if choice is not None:
            board.take(choice.robots, entry.task.task_id)
            planned.append((entry, choice))
    return planned


def _decide(entry: Entry, board: Board, now: float, limits: Mapping[str, Any]) -> Choice | None:
    task = entry.task
    workers = board.workers(task.task_id)
    if workers:
        size = limits['max_team_size']
        keepers = [status for status in workers if status.robot.robot_id in entry.keepers]
        at_work = (adopt(task, keepers, max_team_size=size)
                   or adopt(task, workers, max_team_size=size))
        if at_work:
            return at_work
    excluded = set(entry.excluded)
    if not entry.overdue(now):
        choice = _choose_free(task, board, excluded, limits)
        if choice is None and entry.due_again(now):
            excluded -= entry.due_again(now)
            choice = _choose_free(task, board, excluded, limits)
        if choice is not None:
            return choice
        waits = entry.decision and entry.decision.choice.status is Status.WAITING
        if waits and not entry.cause:
            return None  # nothing new, so the costly explanation is not needed
    verdict = explain(task, board.everybody(), excluded=excluded, **limits)
    if entry.overdue(now) and verdict.status is Status.WAITING:
        return Choice(Status.EXPIRED, reason='the deadline passed before a robot could start')
    return verdict


def _choose_free(task: TaskRequest, board: Board, excluded: Collection[str],
                 limits: Mapping[str, Any]) -> Choice | None:
    if task.mask & ~board.skills_for(task.task_id):
        return None  # however many there are, nobody need be looked at
    return choose_able(task, board.free_for(task.task_id), excluded=excluded, **limits)
