"""What the ledger knows of each robot, and the board on which a round of choices is made."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from skill_predictor.allocation.capabilities import Robot
from skill_predictor.allocation.tasks import RobotStatus


@dataclass(frozen=True)
class RobotView:
    """One robot as diagnostics show it.

    Attributes
    ----------
    robot_id : str
        Its name.
    state : str
        'idle', 'busy', 'unavailable' (says so itself), 'lost' (silent for too long) or 'unseen'
        (no report yet, and one is required).
    task_id : str
        The task that it was given, else the one that it reports; empty: none.
    battery : float or None
        Charge left, 0 to 1; None: unknown.
    report_age_s : float or None
        Time since its last report [s]; None: it never reported.
    """

    robot_id: str
    state: str
    task_id: str
    battery: float | None
    report_age_s: float | None


@dataclass
class RobotTrack:
    """One robot: its last report, and the task that the ledger gave it.

    Attributes
    ----------
    robot : Robot
        What it can do.
    task_id : str
        The task that it holds; empty: none.
    first_report, last_report : float or None
        When it reported [s]; None: never.
    available, battery, position, frame
        As reported, see `RobotStatus`.
    reported_task : str
        The task that it said it works on; empty: none.
    """

    robot: Robot
    task_id: str = ''
    first_report: float | None = None
    last_report: float | None = None
    available: bool = True
    battery: float | None = None
    position: tuple[float, float, float] | None = None
    frame: str = ''
    reported_task: str = ''

    def note(self, now: float, available: bool, battery: float | None,
             position: tuple[float, float, float] | None, frame: str, task_id: str) -> None:
        """Take in a report; what is out of range counts as unknown."""
        if self.first_report is None:
            self.first_report = now
        self.last_report = now
        self.available = available
        self.battery = battery if battery is not None and battery >= 0 else None
        known = position is not None and bool(frame) and all(map(math.isfinite, position))
        self.position, self.frame = (tuple(position), frame) if known else (None, '')
        self.reported_task = task_id

    @property
    def reach(self) -> tuple[Any, ...]:
        """What decides, while the robot is free, for which tasks its battery lasts."""
        endless = math.isinf(self.robot.endurance_min)
        return () if endless else (self.battery, self.position, self.frame)

    def shift(self, delta_s: float) -> None:
        """Move its times, after the clock was set."""
        if self.last_report is not None:
            self.first_report += delta_s
            self.last_report += delta_s

    def lost(self, now: float, timeout_s: float) -> bool:
        """Whether the robot has reported before, but not for ``timeout_s`` seconds."""
        return self.last_report is not None and now - self.last_report > timeout_s

    def state(self, now: float, timeout_s: float, require_states: bool) -> str:
        """Give the state of the robot, see `RobotView`."""
        if self.last_report is None and require_states:
            return 'unseen'
        if self.lost(now, timeout_s):
            return 'lost'
        if not self.available:
            return 'unavailable'
        return 'busy' if self.task_id or self.reported_task else 'idle'

    def status(self, now: float, timeout_s: float, require_states: bool) -> RobotStatus:
        """Give what the choice of a robot needs to know."""
        state = self.state(now, timeout_s, require_states)
        return RobotStatus(
            self.robot, state in ('idle', 'busy'), self.battery, self.position, self.frame,
            self.task_id or self.reported_task or None, _NOTES.get(state, ''))

    def view(self, now: float, timeout_s: float, require_states: bool) -> RobotView:
        """Give what diagnostics show."""
        return RobotView(
            self.robot.robot_id, self.state(now, timeout_s, require_states),
            self.task_id or self.reported_task, self.battery,
            None if self.last_report is None else now - self.last_report)


_NOTES = {
    'unseen': 'has not reported yet',
    'lost': 'is out of contact',
    'unavailable': 'is not available',
}


class Board:
    """The fleet at one moment, on which several tasks are given out in turn.

    Changes on the board touch nothing else, so that it also serves a dry run.
    """

    def __init__(self, tracks: Mapping[str, RobotTrack], now: float, timeout_s: float,
                 require_states: bool) -> None:
        self._statuses = {robot_id: track.status(now, timeout_s, require_states)
                          for robot_id, track in tracks.items()}
        self._reporting = {robot_id: track.reported_task for robot_id, track in tracks.items()}
        self._free: dict[str, RobotStatus] = {}
        self._free_skills: int | None = None
        self._workers: dict[str, set[str]] = {}
        for robot_id in self._statuses:
            self._file(robot_id)

    def everybody(self) -> list[RobotStatus]:
        """List all robots."""
        return list(self._statuses.values())

    def workers(self, task_id: str) -> list[RobotStatus]:
        """List the robots that say that they work on a task and hold no other."""
        return [self._statuses[robot_id] for robot_id in sorted(self._workers.get(task_id, ()))]

    def free_for(self, task_id: str) -> list[RobotStatus]:
        """List the robots that are free, or at work on this very task."""
        return [*self._free.values(), *self.workers(task_id)]

    def skills_for(self, task_id: str) -> int:
        """Skills of the robots of `free_for` together, as bits."""
        if self._free_skills is None:
            self._free_skills = _union(self._free.values())
        return self._free_skills | _union(self.workers(task_id))

    def take(self, robot_ids: Iterable[str], task_id: str) -> None:
        """Mark robots as given to a task."""
        for robot_id in robot_ids:
            self._set_task(robot_id, task_id)

    def release(self, robot_ids: Iterable[str]) -> None:
        """Mark robots as given to nobody; they stay busy with what they report."""
        for robot_id in robot_ids:
            self._set_task(robot_id, self._reporting[robot_id] or None)

    def _set_task(self, robot_id: str, task_id: str | None) -> None:
        self._free.pop(robot_id, None)
        self._free_skills = None
        self._statuses[robot_id] = replace(self._statuses[robot_id], busy_with=task_id)
        self._file(robot_id)

    def _file(self, robot_id: str) -> None:
        status, reporting = self._statuses[robot_id], self._reporting[robot_id]
        if not status.available:
            return
        if status.busy_with is None:
            self._free[robot_id] = status
        elif reporting and status.busy_with == reporting:
            self._workers.setdefault(reporting, set()).add(robot_id)


def _union(statuses: Iterable[RobotStatus]) -> int:
    """Skills of robots together, as bits."""
    mask = 0
    for status in statuses:
        mask |= status.robot.mask
    return mask
