"""Decisions in words: each says who or what is the cause, so that people can act on it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from skill_predictor.allocation.capabilities import Robot
from skill_predictor.allocation.tasks import RobotStatus, TaskRequest

_NAMED = 3  # robots that are named before "and 5 more"


def assigned(task: TaskRequest, best: RobotStatus, distances: Sequence[float | None],
             own: float | None) -> str:
    """Say why one robot got the task; ``distances`` [m] are those of all that could have."""
    if len(distances) == 1:
        claim = 'is the only robot free with'
    elif own is not None and math.isfinite(own) and own == min(distances):
        claim = 'is nearest with'
    else:
        claim = 'suits best with'
    charge = 'unknown' if best.battery is None else f'{best.battery * 100:.0f} %'
    facts = f'battery {charge}'
    if own is not None:
        facts = (f'{own:.1f} m away' if math.isfinite(own) else 'distance unknown') + f', {facts}'
    return f'{best.robot.robot_id} {claim} {", ".join(task.required)} ({facts})'


def team(task: TaskRequest, robots: Sequence[Robot], carrier: Robot | None) -> str:
    """Say what each member brings, and who carries the payload, if there is one."""
    members = [f'{robot.robot_id} ({", ".join(s for s in robot.skills if s in task.required)})'
               for robot in robots]
    load = f'; {carrier.robot_id} carries {task.payload_kg:g} kg' if carrier else ''
    return f'{_and(members)} share the task{load}; nobody who could do it alone is free'


def adopted(robot_ids: Sequence[str]) -> str:
    """Say that the robots were at it already."""
    return f'{_and(robot_ids)} {_are(robot_ids)} already working on it'


def missing(skills: Sequence[str]) -> str:
    """Say which skills the fleet lacks."""
    return f'no robot of the fleet has {_or(skills)}'


def waiting_for_one(hindrances: Mapping[str, str]) -> str:
    """Say what hinders each robot that could do the task alone."""
    named = list(hindrances.items())
    if len(named) == 1:
        robot_id, why = named[0]
        return f'{robot_id} could do it, but {why}'
    texts = [f'{robot_id} {why}' for robot_id, why in named[:_NAMED]]
    if len(named) > _NAMED:
        texts.append(f'{len(named) - _NAMED} more are not free either')
    return f'{len(named)} robots could do it, but {_and(texts)}'


def waiting_for_team(hindrances: Mapping[str, str]) -> str:
    """Say what hinders the members of the team that could do the task."""
    texts = [f'{robot_id} {why}' for robot_id, why in hindrances.items() if why]
    return f'{_and(list(hindrances))} could do it together, but {_and(texts)}'


def too_heavy(task: TaskRequest, most_kg: float) -> str:
    """Say that the payload is too much; ``most_kg`` is what the strongest carrier carries."""
    return (f'nobody for {", ".join(task.required)} can carry {task.payload_kg:g} kg '
            f'(the strongest carries {most_kg:g} kg)')


def too_long(task: TaskRequest, most_min: float) -> str:
    """Say that the task is too long; ``most_min`` is how long the best battery lasts."""
    return (f'nobody for {", ".join(task.required)} lasts {(task.duration_s or 0) / 60:.1f} min '
            f'(the best battery lasts {most_min:.1f} min)')


def too_many(task: TaskRequest, size: int, limit: int) -> str:
    """Say that the smallest team is bigger than allowed."""
    return (f'{", ".join(task.required)} would take a team of {size} robots, '
            f'and at most {limit} may share a task')


def too_much(task: TaskRequest) -> str:
    """Say that no single limit is to blame."""
    return (f'nobody has {", ".join(task.required)} and meets all of the limits on payload '
            f'({task.payload_kg:g} kg), duration and team size')


def lost(robot_ids: Sequence[str]) -> str:
    """Say that robots fell silent."""
    return f'lost contact with {_and(robot_ids)}'


def ignored(robot_ids: Sequence[str], timeout_s: float) -> str:
    """Say that robots did not take up a task."""
    return f'{_and(robot_ids)} did not take up the task within {timeout_s:g} s'


def completed(robot_ids: Sequence[str], assumed: Collection[str]) -> str:
    """Say who finished, and of whom that is only assumed."""
    seen = [robot_id for robot_id in robot_ids if robot_id not in assumed]
    texts = [f'{_and(seen)} finished'] if seen else []
    if assumed:
        names = sorted(assumed)
        texts.append(f'{_and(names)} {_are(names)} assumed to have finished, '
                     'for want of any report')
    return '; '.join(texts)


def _and(texts: Sequence[str]) -> str:
    return _listed(texts, 'and')


def _or(texts: Sequence[str]) -> str:
    return _listed(texts, 'or')


def _listed(texts: Sequence[str], word: str) -> str:
    if len(texts) < 2:
        return ''.join(texts)
    return f'{", ".join(texts[:-1])} {word} {texts[-1]}'


def _are(things: Sequence[str]) -> str:
    return 'are' if len(things) > 1 else 'is'
