"""Who does what: events from operators and robots in, decisions out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from skill_predictor.allocation import reasons
from skill_predictor.allocation.book import Book, LedgerFullError
from skill_predictor.allocation.capabilities import Robot
from skill_predictor.allocation.records import Decision, Entry
from skill_predictor.allocation.settings import Settings
from skill_predictor.allocation.tasks import TaskRequest
from skill_predictor.allocation.tracking import RobotTrack, RobotView

__all__ = ['Decision', 'FleetLedger', 'LedgerFullError', 'RobotView', 'Settings',
           'UnknownRobotError']


class UnknownRobotError(LookupError):
    """A report of a robot that is not in the fleet."""


class FleetLedger:
    """Gives tasks to the robots of a fleet, and gives them again when robots drop out.

    It has no clock and no threads: every method that needs the time takes ``now`` in seconds, from
    one clock for all of them (ValueError when it is not finite), and calls must not overlap.
    Methods that change something return the decisions that are new or changed, in order.

    For a ``now`` before an earlier one, time stands still until the clock has caught up; but when
    it is more than ``robot_timeout_s`` before, the clock was set (a simulation started again),
    and everything goes on from there with its age. Deadlines stay as they were given.

    Parameters
    ----------
    fleet : mapping of str to Robot
        The robots by their ids.
    **settings
        Parameters as `Settings` documents them; ValueError when one is out of range.
    """

    def __init__(self, fleet: Mapping[str, Robot], **settings: Any) -> None:
        self._settings = Settings(**settings)
        self._book = Book(fleet, self._settings)
        self._now = -math.inf

    def submit(self, task: TaskRequest, now: float) -> list[Decision]:
        """Take in one task; see `submit_many`."""
        return self.submit_many([task], now)

    def submit_many(self, tasks: Iterable[TaskRequest], now: float) -> list[Decision]:
        """Take in tasks: higher priority first, then order of arrival.

        A known task with the same content leads to no decision, unless it was cancelled; with
        other content it is decided again (of two in one call the last counts).

        Raises
        ------
        LedgerFullError
            When more than ``max_waiting`` tasks would wait; nothing was recorded then.
        """
        now = self._advance(now)
        fresh, planned = self._book.draft(list(tasks), now)
        return self._book.record(fresh, planned, now) if fresh else []

    def preview(self, tasks: Sequence[TaskRequest], now: float) -> list[Decision]:
        """Say what `submit_many` would decide: one decision per task, in the order given.

        Nothing changes. A known task with the same content has the decision that stands.

        Raises
        ------
        LedgerFullError
            As `submit_many`.
        """
        _finite(now)
        self._book.forget()  # as submit_many would first
        _, planned = self._book.draft(tasks, now)
        proposed = {entry.task.task_id: entry.propose(choice) for entry, choice in planned}
        return [proposed.get(task.task_id) or self._book.entries[task.task_id].decision
                for task in tasks]

    def report(self, robot_id: str, now: float, available: bool = True,
               battery: float | None = None,
               position: tuple[float, float, float] | None = None, frame: str = '',
               current_task_id: str = '') -> list[Decision]:
        """Take in the state of a robot.

        Parameters
        ----------
        robot_id : str
            The robot.
        now : float
            When the report arrived [s].
        available : bool
            False: the task that it holds goes to another, finished or not.
        battery : float or None
            Charge left, 0 to 1; None, NaN or negative: unknown.
        position : tuple of three floats or None
            Where it is [m]. It is unknown when it is None or not finite, or ``frame`` is empty.
        frame : str
            Frame of ``position``.
        current_task_id : str
            The task that it works on; empty: none.

        Raises
        ------
        UnknownRobotError
            When the fleet has no such robot.
        ValueError
            When ``battery`` is above 1; nothing was recorded then.
        """
        track = self._book.tracks.get(robot_id)
        if track is None:
            raise UnknownRobotError(f'{robot_id!r} is not a robot of the fleet; the fleet is '
                                    f'{", ".join(sorted(self._book.tracks))}')
        if battery is not None and battery > 1:
            raise ValueError(f'battery of {robot_id} must be a fraction from 0 to 1, '
                             f'not {battery}')
        now = self._advance(now)
        before, reach = self._standing(track, now), track.reach
        track.note(now, available, battery, position, frame, current_task_id or '')
        decisions, settle = self._follow_up(track, now)
        if self._is_of_use(track, now):
            settle |= self._standing(track, now) != before
            self._book.stale |= track.reach != reach
        if settle and self._book.waiting:
            decisions += self._book.settle(now)
        return decisions

    def _follow_up(self, track: RobotTrack, now: float) -> tuple[list[Decision], bool]:
        """What a report means for the task that the robot holds, and whether it was given back."""
        entry = self._book.active.get(track.task_id)
        robot_id = track.robot.robot_id
        if entry is None:
            return [], False
        if not track.available:
            self._book.release(entry, f'{robot_id} became unavailable')
            return [], True
        if track.reported_task == track.task_id:
            entry.working.add(robot_id)
        elif robot_id in entry.working:
            return self._book.finish_part(entry, robot_id, assumed=False, now=now), False
        return [], False

    def tick(self, now: float) -> list[Decision]:
        """Do what is due: call it about once a second.

        Robots that are silent, or that did not take up their task, lose it to others; tasks of
        robots that never report end; waiting tasks are tried again, or expire.
        """
        now = self._advance(now)
        decisions, settle = [], self._book.stale
        for entry in list(self._book.active.values()):
            causes = self._forfeits(entry, now)
            if causes:
                self._book.release(entry, '; '.join(causes))
                settle = True
                continue
            for robot_id in self._assumed_done(entry, now):
                decisions += self._book.finish_part(entry, robot_id, assumed=True, now=now)
                settle = True
        waiting = self._book.waiting
        if waiting and (settle or any(
                entry.overdue(now) or entry.due_again(now, self._book.settled_at)
                for entry in waiting.values())):
            decisions += self._book.settle(now)
        return decisions

    def _forfeits(self, entry: Entry, now: float) -> list[str]:
        """Why an active task must be given again; robots that ignored it are excluded from it."""
        tracks = self._book.tracks
        timeout_s = self._settings.acknowledge_timeout_s
        lost = sorted(robot_id for robot_id in entry.holders
                      if tracks[robot_id].lost(now, self._settings.robot_timeout_s))
        late = sorted(
            robot_id for robot_id in entry.holders - entry.working - set(lost)
            if tracks[robot_id].first_report is not None
            # By its last report: of one that says nothing nobody knows, until it is lost.
            and tracks[robot_id].last_report - max(
                entry.assigned_at, tracks[robot_id].first_report) > timeout_s)
        entry.excluded.update({robot_id: now + timeout_s for robot_id in late})
        return ([reasons.lost(lost)] if lost else []) + (
            [reasons.ignored(late, timeout_s)] if late else [])

    def _assumed_done(self, entry: Entry, now: float) -> list[str]:
        lasts_s = entry.task.duration_s or self._settings.assumed_duration_s
        if now - entry.assigned_at < lasts_s:
            return []
        return sorted(robot_id for robot_id in entry.holders
                      if self._book.tracks[robot_id].first_report is None)

    def cancel(self, task_id: str, now: float) -> list[Decision]:
        """Withdraw a task that is assigned or waiting; others change nothing and give no decision.

        The first decision is on the task itself: status cancelled, no robots.
        """
        now = self._advance(now)
        entry = self._book.active.get(task_id) or self._book.waiting.get(task_id)
        if entry is None:
            return []
        freed = bool(entry.holders)
        decision = self._book.withdraw(entry, now)
        return [decision, *(self._book.settle(now) if freed and self._book.waiting else [])]

    def shift(self, delta_s: float) -> None:
        """Move all that is known of robots and tasks in time: a clock was set, or nobody was heard.

        Deadlines stay as they were given.
        """
        if delta_s and math.isfinite(self._now):
            self._book.shift(delta_s)
            self._now += delta_s

    def assignments(self) -> dict[str, tuple[str, ...]]:
        """Robots that still have work to do on each task that is assigned, both in order."""
        return {task_id: tuple(sorted(entry.holders))
                for task_id, entry in self._book.active.items()}

    def waiting(self) -> tuple[str, ...]:
        """Waiting tasks, in the order in which they will be tried."""
        return tuple(entry.task.task_id for entry in sorted(
            self._book.waiting.values(), key=Entry.turn))

    def status_of(self, task_id: str) -> Decision | None:
        """Give the decision that stands on a task; None when it is unknown or forgotten."""
        entry = self._book.entries.get(task_id)
        return entry.decision if entry else None

    def robots(self, now: float) -> dict[str, RobotView]:
        """Every robot as it is now, for diagnostics."""
        return {robot_id: track.view(_finite(now), *self._settings.contact_rules)
                for robot_id, track in self._book.tracks.items()}

    def _standing(self, track: RobotTrack, now: float) -> tuple[str, bool, str]:
        """State of a robot, whether its battery will do, and the task that it is at."""
        return (track.state(now, *self._settings.contact_rules),
                track.battery is None or track.battery >= self._settings.min_battery,
                track.task_id or track.reported_task)

    def _is_of_use(self, track: RobotTrack, now: float) -> bool:
        """Whether a robot may get a waiting task: it is free, or at that very task."""
        state, charged, task_id = self._standing(track, now)
        return (state == 'idle' and charged
                or state == 'busy' and task_id in self._book.waiting)

    def _advance(self, now: float) -> float:
        """Begin an event: move the time to ``now``, see the class; give the time that counts."""
        if _finite(now) < self._now - self._settings.robot_timeout_s:
            self._book.shift(now - self._now)
            self._now = now
        self._now = max(self._now, now)
        # Not earlier, so that everything that an event decides is known until the next one.
        self._book.forget()
        return self._now


def _finite(now: float) -> float:
    if not math.isfinite(now):
        raise ValueError(f'now must be a finite time in seconds, not {now}')
    return now
