"""The fleet allocator node: skill vectors and robot states in, allocations out."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence

from skill_predictor.msg import RobotState, SkillVector, TaskAllocation, TaskDescription
from skill_predictor.srv import CancelTask

from ..allocation.capabilities import FleetError, parse_fleet
from ..allocation.ledger import Decision, FleetLedger, LedgerFullError, UnknownRobotError
from ..allocation.tasks import Status, TaskRequest
from ..allocation.tracking import RobotView
from . import diagnostics, qos
from .allocate_service import AllocateService
from .allocation_messages import FULL_BATTERY, report, task_allocation, task_request
from .allocator_parameters import (
    FIXED_WHILE_CONFIGURED, FLEET_PREFIX, LEDGER_PARAMETERS, declare_parameters, fleet_mapping)
from .conversions import seconds
from .main import exit_with
from .managed import STEADY, ManagedNode

_ENDED = (Status.COMPLETED, Status.EXPIRED, Status.CANCELLED)
_REMEMBERED = 10_000
REPLAY_S = 5.0
"""How long after its activation an allocator may get what was kept for late joiners."""
CLOCK_STEP_S = 2.0
"""Clocks that are only adjusted, not set, move by less than this between two events."""


class FleetAllocatorNode(ManagedNode):
    """Gives tasks to robots. See ``allocator_parameters`` for its parameters.

    Topics
    ------
    skill_vectors (skill_predictor/SkillVector), robot_states (skill_predictor/RobotState) : subscribed
    task_allocations (skill_predictor/TaskAllocation), /diagnostics : published

    Services
    --------
    allocate_tasks (skill_predictor/AllocateTasks), cancel_task (skill_predictor/CancelTask); uses
    predict_skills (skill_predictor/PredictSkills)
    """

    expected_errors = (FleetError, ValueError)
    fixed_parameters = FIXED_WHILE_CONFIGURED
    parameter_groups = (FLEET_PREFIX,)

    def __init__(self, **kwargs) -> None:
        super().__init__('fleet_allocator', **kwargs)
        declare_parameters(self.settings)
        self._ledger: FleetLedger | None = None
        # The executor and the transitions' thread both reach the ledger.
        self._lock = threading.RLock()
        self.serving = False
        self._tasks: dict[str, TaskDescription] = {}
        self._made: Counter[str] = Counter()
        # When the vectors of tasks were made, and of those that are over.
        self._made_at: dict[str, float] = {}
        self._ended: dict[str, float] = {}
        self._activated = self._activated_steady = 0.0
        self._last_event = (0.0, time.monotonic())
        self._problem = ''
        self._vectors = None
        self.parameters_declared()
        self._diagnostics = diagnostics.DiagnosticsPublisher(self)
        self.create_timer(self.settings['diagnostics_period_s'], self._publish_diagnostics,
                          clock=STEADY)

    # Lifecycle ----------------------------------------------------------------------------------

    def configure(self) -> None:
        mapping = fleet_mapping(self)
        if not mapping:
            raise FleetError(['no robots: give a fleet file as a parameter file, for example '
                              'config/fleet_warehouse.yaml'])
        fleet = parse_fleet(mapping)
        self._last_event = (self._now(), time.monotonic())
        self._ledger = FleetLedger(
            fleet, **{name: self.settings[name] for name in LEDGER_PARAMETERS})
        self._allocations = self.keep(
            self.destroy_lifecycle_publisher, self.create_lifecycle_publisher(
                TaskAllocation, 'task_allocations', qos.results()))
        self.keep(self.destroy_subscription, self.create_subscription(
            RobotState, 'robot_states', self._on_state, qos.robot_states()))
        # A timer on the system's clock would stand still after that is set back; rcl knows of jumps
        # of simulated time only.
        simulated = self.get_parameter('use_sim_time').value
        self.keep(self.destroy_timer, self.create_timer(
            self.settings['tick_period_s'], self._on_tick, clock=None if simulated else STEADY))
        AllocateService(self)
        self.keep(self.destroy_service, self.create_service(
            CancelTask, 'cancel_task', self._on_cancel))
        self.get_logger().info(f'fleet of {len(fleet)}: {", ".join(fleet)}')

    def activate(self) -> None:
        self._activated, self._activated_steady = self._now(), time.monotonic()
        self.serving = True
        # Not earlier: what is kept for late joiners comes once, and an inactive node takes nothing.
        self._vectors = self.create_subscription(
            SkillVector, 'skill_vectors', self._on_vector, qos.results())

    def deactivate(self) -> None:
        self.serving = False
        vectors, self._vectors = self._vectors, None
        if vectors is not None:
            self.in_executor(lambda: self.destroy_subscription(vectors))

    def release(self) -> None:
        try:
            self.deactivate()
        finally:
            super().release()
            with self._lock:
                self._ledger = None
                self._tasks.clear()
                self._made_at.clear()

    # Events -------------------------------------------------------------------------------------

    def _on_vector(self, vector: SkillVector) -> None:
        made = seconds(vector.header.stamp)
        age = self._activated - made
        if age > self.settings['max_vector_age_s']:
            self._ignore_old(vector.task_id, age)
            return
        if made <= self._ended.get(vector.task_id, float('-inf')):
            return  # replayed to us after a new configuration; a later one asks for the task again
        try:
            self.submit([vector], [task_request(vector)])
        except (ValueError, LedgerFullError) as error:
            self._complain(f'task {vector.task_id!r} not taken: {error}')

    def _ignore_old(self, task_id: str, age: float) -> None:
        """Vectors from before the activation come at its beginning; later ones tell of two clocks."""
        message = f'task {task_id} ignored: its vector is older than this allocator by {age:.0f} s'
        if time.monotonic() - self._activated_steady < REPLAY_S:
            self.get_logger().info(message, throttle_duration_sec=1.0)
        else:
            self._complain(f'{message}; do the clocks of predictor and allocator agree?')

    def _on_state(self, state: RobotState) -> None:
        if state.battery > FULL_BATTERY:
            self._complain(f'robot {state.robot_id} reports a battery of {state.battery:g}, which is no '
                           'fraction from 0 to 1; its charge counts as unknown')
        try:
            self._with_ledger(lambda ledger, now: ledger.report(now=now, **report(state)))
        except (UnknownRobotError, ValueError) as error:
            self._complain(f'robot state ignored: {error}')

    def _on_tick(self) -> None:
        self._with_ledger(lambda ledger, now: ledger.tick(now))

    def _on_cancel(self, request: CancelTask.Request, response: CancelTask.Response
                   ) -> CancelTask.Response:
        withdrawn: list[Decision] = []

        def cancel(ledger: FleetLedger, now: float) -> list[Decision]:
            withdrawn.extend(ledger.cancel(request.task_id, now))
            return withdrawn

        self._with_ledger(cancel)
        response.success = bool(withdrawn)
        if not self.serving:
            response.message = f'the allocator is {self.state}, not active'
        elif not withdrawn:
            response.message = f'task {request.task_id!r} is neither assigned nor waiting'
        return response

    def submit(self, vectors: Sequence[SkillVector], requests: Sequence[TaskRequest]
               ) -> list[Decision]:
        """Take in tasks and publish what follows from them.

        Returns
        -------
        list of Decision
            The decision that stands on each request, in order; empty when the node does not serve.

        Raises
        ------
        LedgerFullError
            When too many tasks would wait; nothing was taken.
        """
        def take(ledger: FleetLedger, now: float) -> list[Decision]:
            decisions = ledger.submit_many(requests, now)
            self._tasks.update((vector.task_id, vector.task) for vector in vectors)
            self._made_at.update((vector.task_id, seconds(vector.header.stamp))
                                 for vector in vectors)
            return decisions

        with self._lock:
            self._with_ledger(take)
            return [self._ledger.status_of(task.task_id) for task in requests if self.serving]

    def preview(self, requests: Sequence[TaskRequest]) -> list[Decision]:
        """What :meth:`submit` would decide; nothing changes and nothing is published."""
        with self._lock:
            return self._ledger.preview(requests, self._now()) if self.serving else []

    def _with_ledger(self, action: Callable[[FleetLedger, float], list[Decision]]) -> None:
        """Let something happen to the ledger, if the node serves, and publish the decisions."""
        with self._lock:
            if self.serving and self._ledger is not None:
                now = self._now()
                self._ledger.shift(self._gap(now))
                self._publish(action(self._ledger, now))

    def _gap(self, now: float) -> float:
        """Seconds since the last event in which nobody could be heard, or that a clock was set by.

        Ticks come twice a second. After a longer time without any event (inactive, suspended, held
        up) the robots' silence means nothing.
        """
        steady, (last, last_steady) = time.monotonic(), self._last_event
        self._last_event = (now, steady)
        longest = max(self.settings['robot_timeout_s'] / 2, 3 * self.settings['tick_period_s'])
        if steady - last_steady > longest:
            return now - last
        set_by = (now - last) - (steady - last_steady)
        simulated = self.get_parameter('use_sim_time').value
        if simulated or abs(set_by) < CLOCK_STEP_S:
            return 0.0
        self._activated += set_by
        self.get_logger().warning(f'the clock was set by {set_by:+.1f} s')
        return set_by

    def _publish(self, decisions: Sequence[Decision]) -> None:
        stamp = self.get_clock().now().to_msg()
        for decision in decisions:
            task = self._tasks.get(decision.task_id) or TaskDescription(task_id=decision.task_id)
            self._allocations.publish(task_allocation(decision, task, stamp))
            self._made[decision.choice.status.name.lower()] += 1
            self._note_end(decision)
            self.get_logger().debug(f'{decision.task_id}: {decision.choice.reason}')
        if len(self._tasks) > 2 * self.settings['max_waiting'] + 2000:
            # The ledger forgets old tasks; so do we.
            self._tasks = {task_id: task for task_id, task in self._tasks.items()
                           if self._ledger.status_of(task_id) is not None}
            self._made_at = {task_id: made for task_id, made in self._made_at.items()
                             if task_id in self._tasks}

    def _note_end(self, decision: Decision) -> None:
        """Remember the latest tasks that are over, also when the ledger is made anew."""
        self._ended.pop(decision.task_id, None)
        if decision.choice.status in _ENDED:
            self._ended[decision.task_id] = self._made_at.get(decision.task_id, float('-inf'))
            if len(self._ended) > _REMEMBERED:
                del self._ended[next(iter(self._ended))]

    def _complain(self, message: str) -> None:
        self._problem = message
        self.get_logger().warning(message, throttle_duration_sec=1.0)

    def _now(self) -> float:
        return self.get_clock().now().nanoseconds * 1e-9

    # Diagnostics --------------------------------------------------------------------------------

    def _publish_diagnostics(self) -> None:
        level, message = self.health()
        values: dict[str, object] = {'state': self.state}
        with self._lock:
            if self._ledger is not None:
                robots = self._ledger.robots(self._now())
                lost = [name for name, view in robots.items() if view.state == 'lost']
                values.update(self._describe(robots.values(), lost))
                if lost and level == diagnostics.OK:
                    level, message = diagnostics.WARN, f'lost contact with {", ".join(lost)}'
        if self._problem and level == diagnostics.OK:
            level, message = diagnostics.WARN, self._problem
        self._problem = ''
        self._diagnostics.publish(level, message, values)

    def _describe(self, robots: Collection[RobotView], lost: list[str]) -> dict[str, object]:
        states = Counter(view.state for view in robots)
        return {
            'robots': len(robots), 'idle': states['idle'], 'busy': states['busy'],
            'unavailable': states['unavailable'],
            # Without require_states these are idle or busy as well, since they get tasks.
            'never seen': sum(view.report_age_s is None for view in robots),
            'lost': ', '.join(lost) or 'none',
            'tasks assigned': len(self._ledger.assignments()),
            'tasks waiting': len(self._ledger.waiting()),
            **{f'decisions {name}': count for name, count in sorted(self._made.items())}}


def main() -> None:
    """Run ``fleet_allocator_node``."""
    exit_with(FleetAllocatorNode)


if __name__ == '__main__':
    main()
