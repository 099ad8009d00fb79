"""The fleet allocator node: skill vectors and robot states in, allocations out."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

from skill_predictor.msg import RobotState, SkillVector, TaskAllocation, TaskDescription
from skill_predictor.srv import CancelTask

from ..allocation.capabilities import FleetError, parse_fleet
from ..allocation.ledger import Decision, FleetLedger, UnknownRobotError
from ..allocation.listening import Listening
from ..allocation.tasks import TaskRequest
from . import allocator_diagnostics, diagnostics, qos
from .allocate_service import AllocateService
from .allocation_messages import FULL_BATTERY, report, task_allocation
from .allocator_parameters import (
    FIXED_WHILE_CONFIGURED, FLEET_PREFIX, LEDGER_PARAMETERS, declare_parameters, fleet_mapping)
from .allocator_vectors import VectorTopic
from .main import exit_with
from .managed import STEADY, ManagedNode


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
        self._serving = False
        self._tasks: dict[str, TaskDescription] = {}
        self._made: Counter[str] = Counter()
        self._next_revision = 0
        self._problem = ''
        self._vectors = VectorTopic(self)
        self._service: AllocateService | None = None
        self.simulated = False
        """Whether time is simulated (``use_sim_time``), as it was when the node was configured."""
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
        self.simulated = self.get_parameter('use_sim_time').value
        self._listening = Listening(
            self.simulated, self.settings['tick_period_s'], self.settings['robot_timeout_s'])
        # Above those of an earlier ledger or process, which robots may have heard. The computer's clock
        # grows faster than any task's revisions, and simulated time starts again.
        first_revision = max(int(time.time()), self._next_revision)
        self._ledger = FleetLedger(fleet, first_revision=first_revision, **{
            name: self.settings[name] for name in LEDGER_PARAMETERS})
        self._allocations = self.keep(
            self.destroy_lifecycle_publisher, self.create_lifecycle_publisher(
                TaskAllocation, 'task_allocations', qos.results()))
        self.keep(self.destroy_subscription, self.create_subscription(
            RobotState, 'robot_states', self._on_state, qos.robot_states()))
        # A timer on the system's clock would stand still after that is set back; rcl knows of jumps
        # of simulated time only.
        self.keep(self.destroy_timer, self.create_timer(
            self.settings['tick_period_s'], self._on_tick, clock=None if self.simulated else STEADY))
        self._service = AllocateService(self)
        self.keep(self.destroy_service, self.create_service(
            CancelTask, 'cancel_task', self._on_cancel, qos_profile=qos.services()))
        self.get_logger().info(f'fleet of {len(fleet)}: {", ".join(fleet)}')

    def activate(self) -> None:
        with self._lock:
            self._serving = True
            self._begin_event()

    def deactivate(self) -> None:
        with self._lock:
            self._serving = False
        service = self._service
        if service is not None:
            def stop() -> None:
                self._vectors.close()
                service.abandon('the allocator was deactivated')
            self.in_executor(stop)

    def release(self) -> None:
        try:
            self.deactivate()
        finally:
            super().release()
            with self._lock:
                self._ledger = self._service = None
                self._tasks.clear()

    # Events -------------------------------------------------------------------------------------

    def _on_state(self, state: RobotState) -> None:
        if state.battery > FULL_BATTERY:
            self.complain(f'robot {state.robot_id} reports a battery of {state.battery:g}, which is no '
                          'fraction from 0 to 1; its charge counts as unknown')
        try:
            self._with_ledger(lambda ledger, now: ledger.report(now=now, **report(state)))
        except (UnknownRobotError, ValueError) as error:
            self.complain(f'robot state ignored: {error}')

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
        if not withdrawn:
            response.message = (self.obstacle()
                                or f'task {request.task_id!r} is neither assigned nor waiting')
        return response

    def obstacle(self) -> str:
        """Why the node does not serve, as a sentence; empty when it does."""
        if not self._serving or self._ledger is None:
            return f'the allocator is {self.state}, not active'
        if self.simulated and self.now() == 0.0:
            return 'simulated time has not begun: use_sim_time is true, and nothing but 0 came on /clock'
        return ''

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
            for vector, request in zip(vectors, requests):
                self._vectors.note_served(vector, request)
            return decisions

        with self._lock:
            if not self._with_ledger(take):
                return []
            return [self._ledger.status_of(task.task_id) for task in requests]

    def preview(self, requests: Sequence[TaskRequest]) -> list[Decision]:
        """What :meth:`submit` would decide; nothing changes and nothing is published."""
        with self._lock:
            now = self._begin_event()
            return [] if now is None else self._ledger.preview(requests, now)

    def standing(self, task_id: str) -> Decision | None:
        """The decision that stands on a task; None when the ledger knows none."""
        with self._lock:
            return self._ledger.status_of(task_id) if self._ledger is not None else None

    def _with_ledger(self, action: Callable[[FleetLedger, float], list[Decision]]) -> bool:
        """Let something happen to the ledger and publish the decisions; whether the node serves."""
        with self._lock:
            now = self._begin_event()
            if now is not None:
                self._publish(action(self._ledger, now))
            return now is not None

    def _begin_event(self) -> float | None:
        """The time for the ledger, which is told what of it does not count; None: nothing is served."""
        if self.obstacle():
            return None
        now = self.now()
        step = self._listening.event(now, time.monotonic())
        self._ledger.shift(step.shift_s)
        if step.set_by_s:
            self._vectors.shift(step.set_by_s)
            self.get_logger().warning(f'the clock was set by {step.set_by_s:+.1f} s')
        if not self._vectors.is_open:
            # Not earlier: what is kept for late joiners comes once, an inactive node takes nothing, and
            # before simulated time has begun nobody knows how old it is.
            self._vectors.open(now)
        return now

    def _publish(self, decisions: Sequence[Decision]) -> None:
        stamp = self.get_clock().now().to_msg()
        for decision in decisions:
            task = self._tasks.get(decision.task_id) or TaskDescription(task_id=decision.task_id)
            self._allocations.publish(task_allocation(decision, task, stamp))
            self._made[decision.choice.status.name.lower()] += 1
            self._vectors.note(decision)
            self._next_revision = max(self._next_revision, decision.revision + 1)
            self.get_logger().debug(f'{decision.task_id}: {decision.choice.reason}')
        if len(self._tasks) > 2 * self.settings['max_waiting'] + 2000:
            # The ledger forgets old tasks; so do we.
            self._tasks = {task_id: task for task_id, task in self._tasks.items()
                           if self._ledger.status_of(task_id) is not None}

    def complain(self, message: str) -> None:
        """Log what is wrong with what came, and show it in diagnostics."""
        self._problem = message
        self.get_logger().warning(message, throttle_duration_sec=1.0)

    def now(self) -> float:
        """Time of the node's clock [s]."""
        return self.get_clock().now().nanoseconds * 1e-9

    # Diagnostics --------------------------------------------------------------------------------

    def _publish_diagnostics(self) -> None:
        level, message = self.health()
        values: dict[str, object] = {'state': self.state}
        with self._lock:
            if self._serving and self.obstacle():
                level, message = diagnostics.WARN, self.obstacle()
            if self._ledger is not None:
                robots = self._ledger.robots(self.now())
                values.update(allocator_diagnostics.describe(self._ledger, robots, self._made))
                lost = allocator_diagnostics.lost(robots)
                if lost and level == diagnostics.OK:
                    level, message = diagnostics.WARN, f'lost contact with {", ".join(lost)}'
        if self._problem and level == diagnostics.OK:
            level, message = diagnostics.WARN, self._problem
        self._problem = ''
        self._diagnostics.publish(level, message, values)


def main() -> None:
    """Run ``fleet_allocator_node``."""
    exit_with(FleetAllocatorNode)


if __name__ == '__main__':
    main()
