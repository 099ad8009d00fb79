"""Parameters of the ledger, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from skill_predictor.allocation.matching import MAX_TEAM_SIZE, MIN_BATTERY


@dataclass(frozen=True)
class Settings:
    """Parameters of `FleetLedger`.

    Attributes
    ----------
    robot_timeout_s : float
        A robot that has reported is lost after this silence [s], above 0.
    acknowledge_timeout_s : float
        A robot that sends states must report a new task as its current one within this time [s],
        above 0; else the task goes to another.
    require_states : bool
        True: a robot that never reported gets no task. False: it counts as available, at home,
        with a full battery.
    assumed_duration_s : float
        After this time [s], above 0, a robot that never reports counts as finished with a task
        whose duration is unknown.
    max_team_size : int
        The most robots that share a task, 1 or more; 1: no teams.
    min_battery : float
        A robot with less charge gets no task, 0 to 1.
    max_waiting : int
        The most tasks that wait, 0 or more. Tasks that robots gave back wait beyond it.
    history : int
        How many finished tasks are remembered, 0 or more; those that the last call finished
        always are.
    first_revision : int
        Revision of the first decision on a new task, 0 or more. A ledger that takes the place of
        another begins above the other's.

    Raises
    ------
    ValueError
        When a parameter is out of range; the message names it.
    """

    robot_timeout_s: float = 5.0
    acknowledge_timeout_s: float = 10.0
    require_states: bool = False
    assumed_duration_s: float = 60.0
    max_team_size: int = MAX_TEAM_SIZE
    min_battery: float = MIN_BATTERY
    max_waiting: int = 1000
    history: int = 1000
    first_revision: int = 0

    def __post_init__(self) -> None:
        for name in ('robot_timeout_s', 'acknowledge_timeout_s', 'assumed_duration_s'):
            self._check(name, getattr(self, name) > 0, 'above 0')
        self._check('max_team_size', self.max_team_size >= 1, '1 or more')
        self._check('min_battery', 0 <= self.min_battery <= 1, 'from 0 to 1')
        self._check('max_waiting', self.max_waiting >= 0, '0 or more')
        self._check('history', self.history >= 0, '0 or more')
        self._check('first_revision', self.first_revision >= 0, '0 or more')

    def _check(self, name: str, good: bool, wanted: str) -> None:
        if not good:
            raise ValueError(f'{name} must be {wanted}, not {getattr(self, name)}')

    @property
    def choice_limits(self) -> dict[str, Any]:
        """The parameters that `choose` takes."""
        return {'max_team_size': self.max_team_size, 'min_battery': self.min_battery}

    @property
    def contact_rules(self) -> tuple[float, bool]:
        """The parameters that tell the state of a robot from its reports."""
        return self.robot_timeout_s, self.require_states
