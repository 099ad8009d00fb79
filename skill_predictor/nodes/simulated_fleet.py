"""A simulated fleet: robots that take the tasks they are given, go there, work, and report.

For demonstrations and tests of an allocator without robots. It reads the same fleet file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from skill_predictor.msg import RobotState, TaskAllocation, TaskDescription

from ..allocation.capabilities import FleetError, Robot, parse_fleet
from . import qos
from .allocator_parameters import FLEET_PREFIX, fleet_mapping
from .conversions import seconds
from .main import exit_with
from .managed import ManagedNode

_DEFAULT_WORK_S = 60.0
_LOW_BATTERY = 0.2
_CHARGED_BATTERY = 0.8


@dataclass
class SimulatedRobot:
    """One robot's body: where it is, how full its battery is, what it does.

    Positions in metres, times in seconds.
    """

    robot: Robot
    position: tuple[float, float, float] = field(init=False)
    battery: float = 1.0
    available: bool = True
    """Not while it is charged after its battery was low."""
    task_id: str = ''
    target: tuple[float, float, float] | None = None
    work_left_s: float = 0.0
    _taken: tuple = field(default=(), init=False)

    def __post_init__(self) -> None:
        self.position = self.robot.home

    def take(self, task: TaskDescription) -> None:
        """Begin a task: travel to its location, if it has one, then work."""
        self.task_id = task.task_id
        self.target = ((task.location.x, task.location.y, task.location.z)
                       if task.header.frame_id == self.robot.home_frame else None)
        self.work_left_s = seconds(task.expected_duration) or _DEFAULT_WORK_S
        self._taken = _content(task)

    def hear(self, allocation: TaskAllocation) -> None:
        """Begin a task that it was given, or begin it anew with other content; drop one it was not."""
        given = (allocation.status in (TaskAllocation.STATUS_ASSIGNED, TaskAllocation.STATUS_TEAM)
                 and self.robot.robot_id in allocation.robot_ids)
        if given and (self.task_id, self._taken) != (allocation.task_id, _content(allocation.task)):
            self.take(allocation.task)
        elif not given and self.task_id == allocation.task_id:
            self.drop()  # the task has gone to others, or is over

    def drop(self) -> None:
        """Leave the task as it is."""
        self.task_id, self.target, self.work_left_s = '', None, 0.0

    def live(self, elapsed_s: float) -> None:
        """Let time pass."""
        if not self.task_id:
            self.battery = min(1.0, self.battery + elapsed_s / 3600.0)  # on its dock
        elif math.isfinite(self.robot.endurance_min):
            self.battery = max(0.0, self.battery - elapsed_s / (self.robot.endurance_min * 60.0))
        # Not one that goes on and off at one charge: it would never finish anything again.
        self.available = self.battery > (_LOW_BATTERY if self.available else _CHARGED_BATTERY)
        if self.task_id:
            self._work(elapsed_s)

    def _work(self, elapsed_s: float) -> None:
        travelling_s = self._travel(elapsed_s)
        self.work_left_s -= elapsed_s - travelling_s
        if self.work_left_s <= 0.0 and self.target is None:
            self.drop()

    def _travel(self, elapsed_s: float) -> float:
        """Move towards the target; returns the time that it took."""
        if self.target is None:
            return 0.0
        distance = math.dist(self.position, self.target)
        needed_s = distance / self.robot.speed_mps
        if needed_s <= elapsed_s:
            self.position, self.target = self.target, None
            return needed_s
        share = elapsed_s / needed_s
        self.position = tuple(
            here + share * (there - here) for here, there in zip(self.position, self.target))
        return elapsed_s


def _content(task: TaskDescription) -> tuple:
    """What makes a task of the same name another one for a robot."""
    place = task.location
    return (task.text, task.header.frame_id, place.x, place.y, place.z,
            seconds(task.expected_duration))


class SimulatedFleetNode(ManagedNode):
    """Publishes robot_states; subscribes to task_allocations.

    Parameters (ROS)
    ----------------
    fleet.* : the robots, as for the allocator
    state_period_s : float, default 0.2
    time_factor : float, default 1.0
        How many simulated seconds pass in one second.
    """

    expected_errors = (FleetError, ValueError)
    fixed_parameters = frozenset({'state_period_s', 'time_factor'})
    parameter_groups = (FLEET_PREFIX,)

    def __init__(self, **kwargs) -> None:
        super().__init__('simulated_fleet', **kwargs)
        self.settings.declare('state_period_s', 0.2, 'Time between two states of a robot [s].',
                              between=(0.01, 60.0))
        self.settings.declare('time_factor', 1.0, 'Simulated seconds per second.',
                              between=(0.01, 10_000.0))
        self._robots: dict[str, SimulatedRobot] = {}
        self.parameters_declared()

    def configure(self) -> None:
        fleet = parse_fleet(fleet_mapping(self))
        self._robots = {name: SimulatedRobot(robot) for name, robot in fleet.items()}
        self._states = self.keep(
            self.destroy_lifecycle_publisher, self.create_lifecycle_publisher(
                RobotState, 'robot_states', qos.tasks(100)))
        self.keep(self.destroy_subscription, self.create_subscription(
            TaskAllocation, 'task_allocations', self._on_allocation, qos.results()))
        self.keep(self.destroy_timer, self.create_timer(
            self.settings['state_period_s'], self._on_timer))

    def release(self) -> None:
        super().release()
        self._robots = {}

    def _on_allocation(self, allocation: TaskAllocation) -> None:
        for robot in self._robots.values():
            robot.hear(allocation)

    def _on_timer(self) -> None:
        if self.state != 'active':
            return
        stamp = self.get_clock().now().to_msg()
        elapsed_s = self.settings['state_period_s'] * self.settings['time_factor']
        for name, robot in self._robots.items():
            state = RobotState(robot_id=name, available=robot.available,
                               battery=robot.battery, current_task_id=robot.task_id)
            state.header.stamp = stamp
            state.header.frame_id = robot.robot.home_frame
            state.position.x, state.position.y, state.position.z = robot.position
            self._states.publish(state)
            # Time passes after the report, so that every task is reported at least once.
            robot.live(elapsed_s)


def main() -> None:
    """Run ``simulated_fleet_node``."""
    exit_with(SimulatedFleetNode)


if __name__ == '__main__':
    main()
