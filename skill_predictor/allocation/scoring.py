"""The score of a robot or a team for a task: the one place that says which choice is better."""

from __future__ import annotations

import math
from collections.abc import Sequence

from skill_predictor.allocation.tasks import RobotStatus, TaskRequest

# Travel and battery together stay below 1, so that one surplus skill always weighs more.
_TRAVEL_WEIGHT = 0.9
_BATTERY_WEIGHT = 0.09
_TRAVEL_SCALE_M = 100.0  # the distance that costs half of the travel weight


def distance(task: TaskRequest, status: RobotStatus) -> float | None:
    """Straight-line distance from a robot to a task [m].

    None when the task has no location (or no frame for it); inf when the robot's position is in
    another frame, so that a robot whose distance is known goes first.
    """
    if task.location is None or not task.frame:
        return None
    if status.position is not None:
        position, frame = status.position, status.frame
    else:
        position, frame = status.robot.home, status.robot.home_frame
    return math.dist(task.location, position) if frame == task.frame else math.inf


def score(task: TaskRequest, members: Sequence[RobotStatus]) -> float:
    """Cost of giving a task to one robot or to a team; lower is better, 0 or more.

    It is the number of surplus skills, plus the members' mean of
    ``0.9 * d / (d + 100) + 0.09 * (1 - battery)`` with the distance d in metres (see `distance`;
    none counts 0) and the battery from 0 to 1 (unknown counts 1). Surplus are the skills that
    the task does not require and those that a team has more than once.

    Raises
    ------
    ValueError
        When there are no members.
    """
    if not members:
        raise ValueError('nobody to score; give at least one member')
    surplus = sum(len(member.robot.skills) for member in members) - len(task.required)
    return surplus + sum(effort(task, member) for member in members) / len(members)


def effort(task: TaskRequest, status: RobotStatus) -> float:
    """Part of one robot's score beyond surplus skills, in [0, 1)."""
    metres = distance(task, status) or 0.0
    travel = 1.0 if math.isinf(metres) else metres / (metres + _TRAVEL_SCALE_M)
    return _TRAVEL_WEIGHT * travel + _BATTERY_WEIGHT * (1.0 - charge(status))


def charge(status: RobotStatus) -> float:
    """Charge of the battery, 0 to 1; 1 when it is unknown."""
    return 1.0 if status.battery is None else status.battery
