"""The tasks and robots of the ledger, and the steps that keep the two in agreement."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from skill_predictor.allocation import reasons
from skill_predictor.allocation.capabilities import Robot
from skill_predictor.allocation.records import Decision, Entry, plan
from skill_predictor.allocation.settings import Settings
from skill_predictor.allocation.tasks import Choice, Status, TaskRequest
from skill_predictor.allocation.tracking import Board, RobotTrack


class LedgerFullError(RuntimeError):
    """More tasks would wait than the ledger may hold."""


class Book:
    """State of the ledger.

    A task is in exactly one of ``active`` (robots hold it), ``waiting`` and ``finished``, and a
    robot's ``task_id`` names the one active task that it holds, if any.

    Attributes
    ----------
    settings : Settings
        Parameters.
    tracks : dict of str to RobotTrack
        Every robot of the fleet.
    entries, active, waiting, finished : dict of str to Entry
        Every known task, and the three kinds of them; the finished ones oldest first.
    stale : bool
        A free robot has changed, so that a waiting task may have become possible.
    settled_at : float
        When every waiting task was tried last [s].
    """

    def __init__(self, fleet: Mapping[str, Robot], settings: Settings) -> None:
        self.settings = settings
        self.tracks = {robot_id: RobotTrack(robot) for robot_id, robot in fleet.items()}
        self.entries: dict[str, Entry] = {}
        self.active: dict[str, Entry] = {}
        self.waiting: dict[str, Entry] = {}
        self.finished: dict[str, Entry] = {}
        self.stale = False
        self.settled_at = -math.inf
        self._arrivals = 0
        self._first_revision = settings.first_revision

    def draft(self, tasks: Sequence[TaskRequest], now: float,
              ) -> tuple[dict[str, Entry], list[tuple[Entry, Choice]]]:
        """Plan what new and changed tasks lead to, without changing anything.

        Returns
        -------
        tuple
            Entries to be recorded by task id, and the choices in order; other waiting tasks are
            among them when the new content of a task sets robots free.

        Raises
        ------
        LedgerFullError
            When too many tasks would wait.
        """
        board = Board(self.tracks, now, *self.settings.contact_rules)
        fresh = self._entries_for(tasks, board)
        old = [self.entries[task_id] for task_id in fresh if task_id in self.entries]
        for entry in old:
            board.release(entry.holders)
        others = [entry for task_id, entry in self.waiting.items() if task_id not in fresh]
        disturbed = self.stale or any(entry.holders for entry in old)
        planned = plan([*fresh.values(), *(others if disturbed else ())], board, now,
                       self.settings.choice_limits)
        self._check_room(fresh, len(others), planned)
        return fresh, planned

    def _entries_for(self, tasks: Sequence[TaskRequest], board: Board) -> dict[str, Entry]:
        """Entries of new and changed tasks, without recording them."""
        fresh: dict[str, Entry] = {}
        for task in tasks:
            task_id, last = task.task_id, self._arrivals + len(fresh)
            known = fresh.get(task_id) or self.entries.get(task_id)
            if known is None:
                fresh[task_id] = Entry(
                    task, last, self._first_revision - 1,
                    working={status.robot.robot_id for status in board.workers(task_id)})
            elif known.task != task or known.cancelled:
                # One that was over has no place among those that wait.
                over = task_id in self.finished and task_id not in fresh
                fresh[task_id] = known.renewed(task, last if over else known.arrival)
        return fresh

    def _check_room(self, fresh: Mapping[str, Entry], others: int,
                    planned: Sequence[tuple[Entry, Choice]]) -> None:
        waits = [entry.task.task_id for entry, choice in planned
                 if choice.status is Status.WAITING]
        served = sum(entry.task.task_id not in fresh for entry, _ in planned)
        total = others - served + len(waits)
        if total > self.settings.max_waiting and not self.waiting.keys() >= set(waits):
            raise LedgerFullError(
                f'{total} tasks would wait, and at most {self.settings.max_waiting} may; nothing '
                'of the request was recorded. Try again later, cancel waiting tasks, or raise '
                'max_waiting.')

    def record(self, fresh: Mapping[str, Entry], planned: Iterable[tuple[Entry, Choice]],
               now: float) -> list[Decision]:
        """Carry out what `draft` planned."""
        for task_id, entry in fresh.items():
            if task_id in self.entries:
                self._drop_holders(self.entries[task_id])
            self.entries[task_id] = entry
        self._arrivals += len(fresh)
        self.stale = False
        return [self._commit(entry, choice, now) for entry, choice in planned]

    def settle(self, now: float) -> list[Decision]:
        """Try every waiting task."""
        board = Board(self.tracks, now, *self.settings.contact_rules)
        planned = plan(self.waiting.values(), board, now, self.settings.choice_limits)
        self.settled_at = now
        return self.record({}, planned, now)

    def _commit(self, entry: Entry, choice: Choice, now: float) -> Decision:
        if entry.cause:
            choice = replace(choice, reason=f'{entry.cause}; {choice.reason}')
            entry.cause = ''
        entry.decision = entry.propose(choice)
        entry.revision += 1
        task_id = entry.task.task_id
        # Who is not named drops the task: what it was seen at is no work on a later decision.
        entry.working &= set(choice.robots)
        for kind in (self.active, self.waiting, self.finished):
            kind.pop(task_id, None)
        if choice.status in (Status.ASSIGNED, Status.TEAM):
            self.active[task_id] = entry
            entry.assigned_at = now
            entry.assumed = set()
            entry.holders = set(choice.robots)
            for robot_id in choice.robots:
                self.tracks[robot_id].task_id = task_id
        elif choice.status is Status.WAITING:
            self.waiting[task_id] = entry
        else:
            self.finished[task_id] = entry
        return entry.decision

    def release(self, entry: Entry, cause: str) -> None:
        """Take an active task from its robots; it waits until the next `settle`."""
        self._drop_holders(entry)
        entry.cause = cause
        del self.active[entry.task.task_id]
        self.waiting[entry.task.task_id] = entry

    def finish_part(self, entry: Entry, robot_id: str, *, assumed: bool, now: float,
                    ) -> list[Decision]:
        """Note that a robot has done its part; complete the task when it was the last one."""
        self.tracks[robot_id].task_id = ''
        entry.holders.discard(robot_id)
        entry.working.discard(robot_id)
        if assumed:
            entry.assumed.add(robot_id)
        if entry.holders:
            return []
        done = entry.decision.choice
        return [self._commit(entry, Choice(
            Status.COMPLETED, done.robots, done.score,
            reason=reasons.completed(done.robots, entry.assumed)), now)]

    def withdraw(self, entry: Entry, now: float) -> Decision:
        """Cancel an active or waiting task."""
        self._drop_holders(entry)
        entry.cancelled = True
        return self._commit(entry, Choice(Status.CANCELLED, reason='the task was cancelled'), now)

    def forget(self) -> None:
        """Drop the oldest finished tasks beyond ``history``."""
        while len(self.finished) > self.settings.history:
            oldest = next(iter(self.finished))
            # Its name may come again, and then as a new task.
            self._first_revision = max(self._first_revision, self.finished[oldest].revision + 1)
            del self.finished[oldest], self.entries[oldest]

    def shift(self, delta_s: float) -> None:
        """Move all times, after the clock was set."""
        self.settled_at += delta_s
        for track in self.tracks.values():
            track.shift(delta_s)
        for entry in (*self.active.values(), *self.waiting.values()):
            entry.shift(delta_s)

    def _drop_holders(self, entry: Entry) -> None:
        for robot_id in entry.holders:
            self.tracks[robot_id].task_id = ''
        entry.holders.clear()
