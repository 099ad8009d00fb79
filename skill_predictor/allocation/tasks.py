"""Plain data of an allocation: what is asked, how the robots are, and what was chosen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from skill_predictor.allocation.capabilities import Robot, skill_mask
from skill_predictor.taxonomy import ordered


class Status(IntEnum):
    """What became of a task; the values are those of ``TaskAllocation.msg``."""

    UNKNOWN = 0
    ASSIGNED = 1
    TEAM = 2
    WAITING = 3
    IMPOSSIBLE = 4
    NOT_PHYSICAL = 5
    COMPLETED = 6
    EXPIRED = 7
    CANCELLED = 8


@dataclass(frozen=True)
class TaskRequest:
    """A task and the skills that it needs.

    Attributes
    ----------
    task_id : str
        Names the task; not empty.
    required : tuple of str
        Skills that it needs, kept distinct and in vector order. Empty: not a physical task.
    priority : int
        Higher is served first.
    deadline : float or None
        Time by which it must be finished [s], on the same clock as every ``now``; None: any time.
    duration_s : float or None
        How long each robot will be busy with it, the way there included [s], above 0;
        None: unknown.
    payload_kg : float
        Mass to be carried [kg], 0 or more.
    location : tuple of three floats or None
        Where it is [m]; None: anywhere.
    frame : str
        Frame of ``location``. Empty: the location is ignored.
    text : str
        The task in words. It decides nothing, but with other words it is another task.

    Raises
    ------
    UnknownSkillError
        When a required skill is not one of the six.
    ValueError
        When another field is out of range; the message names it.
    """

    task_id: str
    required: tuple[str, ...]
    priority: int = 1
    deadline: float | None = None
    duration_s: float | None = None
    payload_kg: float = 0.0
    location: tuple[float, float, float] | None = None
    frame: str = ''
    text: str = ''

    def __post_init__(self) -> None:
        if not self.task_id:
            raise ValueError('task_id must not be empty')
        object.__setattr__(self, 'required', ordered(self.required))
        if self.deadline is not None and not math.isfinite(self.deadline):
            raise ValueError(f'deadline must be a finite time in seconds, not {self.deadline}')
        if self.duration_s is not None and not 0 < self.duration_s < math.inf:
            raise ValueError('duration_s must be above 0 and finite, or None when it is unknown, '
                             f'not {self.duration_s}')
        if not 0 <= self.payload_kg < math.inf:
            raise ValueError(f'payload_kg must be 0 or more and finite, not {self.payload_kg}')
        if self.location is not None:
            if len(self.location) != 3 or not all(map(math.isfinite, self.location)):
                raise ValueError(
                    f'location must be three finite numbers in metres, not {self.location}')
            object.__setattr__(self, 'location', tuple(map(float, self.location)))

    @cached_property
    def mask(self) -> int:
        """Required skills as bits, bit 0 for the first skill of the vector."""
        return skill_mask(self.required)


@dataclass(frozen=True)
class RobotStatus:
    """A robot as it is now.

    Attributes
    ----------
    robot : Robot
        What it can do.
    available : bool
        Whether it can take a task at all.
    battery : float or None
        Charge left, 0 to 1; None: unknown, counts as full.
    position : tuple of three floats or None
        Where it is [m]; None: unknown, its home counts.
    frame : str
        Frame of ``position``.
    busy_with : str or None
        The task that it has; None: it is free.
    note : str
        Why it is not available, as the end of a sentence about it.
    """

    robot: Robot
    available: bool = True
    battery: float | None = None
    position: tuple[float, float, float] | None = None
    frame: str = ''
    busy_with: str | None = None
    note: str = 'is not available'


@dataclass(frozen=True)
class Choice:
    """Who does a task, or why nobody does.

    Attributes
    ----------
    status : Status
        The outcome.
    robots : tuple of str
        Who does it; empty unless assigned, team or completed.
    score : float
        Cost of the choice, lower is better; 0 when nobody was chosen.
    missing : tuple of str
        Required skills that no robot of the fleet has, in vector order.
    reason : str
        The outcome in words.
    """

    status: Status
    robots: tuple[str, ...] = ()
    score: float = 0.0
    missing: tuple[str, ...] = ()
    reason: str = ''
