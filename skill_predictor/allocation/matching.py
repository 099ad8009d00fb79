"""The choice of a robot, or of a team, for one task.

A robot is *capable* of a task when it could do it with a full battery and nothing else to do; it
is *able* when it can start now. ``docs/allocation.md`` explains the rules and the score.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence

from skill_predictor.allocation import reasons
from skill_predictor.allocation.capabilities import Robot, skill_mask
from skill_predictor.allocation.scoring import charge, distance, effort, score
from skill_predictor.allocation.tasks import Choice, RobotStatus, Status, TaskRequest
from skill_predictor.allocation.teams import Candidate, smallest_team
from skill_predictor.taxonomy import NUM_SKILLS

__all__ = ['Choice', 'RobotStatus', 'Status', 'TaskRequest', 'adopt', 'choose', 'choose_able',
           'distance', 'explain', 'hindrance', 'score']

MAX_TEAM_SIZE = 4
"""The most robots in a team, unless the caller says otherwise."""

MIN_BATTERY = 0.15
"""A robot with less charge (0 to 1) gets no task, unless the caller says otherwise."""

_CAN_MOVE = skill_mask(('fly', 'wheels', 'legs', 'surface_water', 'under_water'))


def hindrance(task: TaskRequest, status: RobotStatus, *, min_battery: float = MIN_BATTERY,
              excluded: Collection[str] = ()) -> str:
    """Why a robot cannot start on a task now, its skills and payload aside.

    Returns
    -------
    str
        The end of a sentence about the robot, such as 'is busy with task-7'; empty when nothing
        hinders it.
    """
    if not status.available:
        return status.note
    if status.busy_with is not None and status.busy_with != task.task_id:
        return f'is busy with {status.busy_with}'
    if charge(status) < min_battery:
        return f'is low on battery ({status.battery * 100:.0f} %)'
    if status.robot.robot_id in excluded:
        return 'did not take up the task'
    if math.isfinite(status.robot.endurance_min):
        lasts_s = status.robot.endurance_min * 60.0 * charge(status)
        metres = distance(task, status) or 0.0
        way_s = 0.0 if math.isinf(metres) else metres / status.robot.speed_mps
        needed_s = max(task.duration_s or 0.0, way_s)
        if lasts_s < needed_s:
            return (f'has battery for {lasts_s / 60:.1f} min, '
                    f'not for the {needed_s / 60:.1f} min of the task')
    return ''


def choose(task: TaskRequest, fleet_statuses: Iterable[RobotStatus], *,
           max_team_size: int = MAX_TEAM_SIZE, min_battery: float = MIN_BATTERY,
           excluded: Collection[str] = frozenset()) -> Choice:
    """Choose who does a task: one robot, else the smallest team, else say why nobody does.

    Parameters
    ----------
    task : TaskRequest
        The task.
    fleet_statuses : iterable of RobotStatus
        Every robot of the fleet; robot ids are unique. Their order does not matter.
    max_team_size : int
        The most robots in a team; 1: no teams.
    min_battery : float
        A robot with less charge (0 to 1) gets no task.
    excluded : collection of str
        Robots that must not get this task now, though they are capable of it.

    Returns
    -------
    Choice
        Not physical, assigned, team, waiting or impossible. Equal scores are decided by the
        alphabetical order of the robot ids.
    """
    statuses = list(fleet_statuses)
    choice = choose_able(task, statuses, max_team_size=max_team_size,
                         min_battery=min_battery, excluded=excluded)
    return choice or explain(task, statuses, max_team_size=max_team_size,
                             min_battery=min_battery, excluded=excluded)


def choose_able(task: TaskRequest, statuses: Iterable[RobotStatus], *,
                max_team_size: int = MAX_TEAM_SIZE, min_battery: float = MIN_BATTERY,
                excluded: Collection[str] = frozenset()) -> Choice | None:
    """Choose among the robots that can start now; None when they cannot do the task.

    The same as `choose`, but nobody is told why: it is the quick half of it.
    """
    need = task.mask
    able = [status for status in statuses if status.robot.mask & need
            and not hindrance(task, status, min_battery=min_battery, excluded=excluded)]
    if not able:
        return None
    members = _best(task, able, max_team_size)
    if len(members) == 1:
        best, = members
        reason = reasons.assigned(
            task, best, [distance(task, status) for status in able
                         if _can_alone(task, need, status.robot)], distance(task, best))
    else:
        carrier = next((member.robot for member in members
                        if task.payload_kg and _carries(task, member.robot)), None)
        reason = reasons.team(task, [member.robot for member in members], carrier)
    return _given(task, members, reason) if members else None


def explain(task: TaskRequest, statuses: Collection[RobotStatus], *,
            max_team_size: int = MAX_TEAM_SIZE, min_battery: float = MIN_BATTERY,
            excluded: Collection[str] = frozenset()) -> Choice:
    """Say why nobody can start on a task: not physical, waiting or impossible."""
    if not task.required:
        return Choice(Status.NOT_PHYSICAL, reason='the task needs no physical skill, so no robot')
    robots = [status.robot for status in statuses]
    missing = tuple(skill for skill in task.required
                    if not any(skill in robot.skills for robot in robots))
    if missing:
        return Choice(Status.IMPOSSIBLE, missing=missing, reason=reasons.missing(missing))

    hindrances = {status.robot.robot_id: hindrance(
        task, status, min_battery=min_battery, excluded=excluded) for status in statuses}
    alone = [robot.robot_id for robot in robots
             if _can_alone(task, task.mask, robot) and _lasts(task, robot)]
    if alone:
        return Choice(Status.WAITING, reason=reasons.waiting_for_one(
            {robot_id: hindrances[robot_id] for robot_id in sorted(alone)}))

    def team(*, payload: bool = True, endurance: bool = True,
             size: int = max_team_size) -> tuple[str, ...] | None:
        """Robots that could do it together, without the limits that are switched off."""
        # Only hindered robots cost something, so that the team with the fewest of them is named.
        return smallest_team(
            (_candidate(task, task.mask, robot, 0.0, payload=payload)._replace(
                skills=int(bool(hindrances[robot.robot_id])))
             for robot in robots if robot.mask & task.mask
             and (not endurance or _lasts(task, robot))), task.mask, size)

    capable = team()
    if capable:
        return Choice(Status.WAITING, reason=reasons.waiting_for_team(
            {robot_id: hindrances[robot_id] for robot_id in capable}))
    useful = [robot for robot in robots if robot.mask & task.mask]
    if team(payload=False):
        reason = reasons.too_heavy(task, max(
            robot.payload_kg for robot in useful
            if robot.mask & _CAN_MOVE or robot.mask & task.mask == task.mask))
    elif team(endurance=False):
        reason = reasons.too_long(task, max(robot.endurance_min for robot in useful))
    elif team(size=NUM_SKILLS):  # nobody is needed who brings no skill
        reason = reasons.too_many(task, len(team(size=NUM_SKILLS)), max_team_size)
    else:
        reason = reasons.too_much(task)
    return Choice(Status.IMPOSSIBLE, reason=reason)


def adopt(task: TaskRequest, statuses: Sequence[RobotStatus], *,
          max_team_size: int = MAX_TEAM_SIZE) -> Choice | None:
    """Leave a task with those of the robots at work on it that it takes; None: they cannot do it.

    Their charge does not matter: they have begun.
    """
    members = _best(task, [status for status in statuses if status.robot.mask & task.mask
                           and _lasts(task, status.robot)], max_team_size)
    return _given(task, members, reasons.adopted(
        [member.robot.robot_id for member in members])) if members else None


def _best(task: TaskRequest, able: Sequence[RobotStatus], max_team_size: int,
          ) -> list[RobotStatus]:
    """The best robot for a task, else the members of the best team; none when they cannot."""
    need = task.mask
    alone = [status for status in able if _can_alone(task, need, status.robot)]
    if alone:
        return [min(alone, key=lambda status: (score(task, (status,)), status.robot.robot_id))]
    ids = smallest_team(
        (_candidate(task, need, status.robot, effort(task, status)) for status in able),
        need, max_team_size)
    by_id = {status.robot.robot_id: status for status in able}
    return [by_id[robot_id] for robot_id in ids or ()]


def _given(task: TaskRequest, members: Sequence[RobotStatus], reason: str) -> Choice:
    return Choice(Status.TEAM if len(members) > 1 else Status.ASSIGNED,
                  tuple(member.robot.robot_id for member in members), score(task, members),
                  reason=reason)


def _can_alone(task: TaskRequest, need: int, robot: Robot) -> bool:
    return bool(need) and robot.mask & need == need and _lifts(task, robot)


def _lifts(task: TaskRequest, robot: Robot) -> bool:
    # Messages carry float32: 30.1 kg arrives as 30.100000381.
    return robot.payload_kg * (1 + 1e-6) >= task.payload_kg


def _carries(task: TaskRequest, robot: Robot) -> bool:
    """Whether a robot can carry the payload for a team: it lifts it, and it can move."""
    return task.payload_kg == 0 or bool(robot.mask & _CAN_MOVE) and _lifts(task, robot)


def _lasts(task: TaskRequest, robot: Robot) -> bool:
    return robot.endurance_min * 60.0 >= (task.duration_s or 0.0)


def _candidate(task: TaskRequest, need: int, robot: Robot, effort: float, *,
               payload: bool = True) -> Candidate:
    return Candidate(robot.robot_id, robot.mask & need,
                     not payload or _carries(task, robot), len(robot.skills), effort)
