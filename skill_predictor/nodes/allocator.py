"""The fleet allocator node: skill vectors and robot states in, allocations out."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence

from skill_predictor.msg import RobotState, SkillVector, TaskAllocation, TaskDescription
from skill_predictor.srv import CancelTask

from ..allocation.capabilities import FleetError, parse_fleet
from ..allocation.ledger import Decision, FleetLedger, LedgerFullError, UnknownRobotError
from ..allocation.tasks import Status, TaskRequest
from . import diagnostics, qos
from .allocate_service import AllocateService
from .allocation_messages import report, task_allocation, task_request
from .allocator_parameters import (
    FIXED_WHILE_CONFIGURED, FLEET_PREFIX, LEDGER_PARAMETERS, declare_parameters, fleet_mapping)
from .conversions import seconds
from .main import exit_with
from .managed import STEADY, ManagedNode

_ENDED = (Status.COMPLETED, Status.EXPIRED, Status.CANCELLED)
_REMEMBERED = 10_000


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
        self._ended: dict[str, None] = {}
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
        self._ledger = FleetLedger(
            fleet, **{name: self.settings[name] for name in LEDGER_PARAMETERS})
        self._allocations = self.keep(
            self.destroy_lifecycle_publisher, self.create_lifecycle_publisher(
                TaskAllocation, 'task_allocations', qos.results()))
        self.keep(self.destroy_subscription, self.create_subscription(
            RobotState, 'robot_states', self._on_state, qos.robot_states()))
        self.keep(self.destroy_timer, self.create_timer(
            self.settings['tick_period_s'], self._on_tick))
        AllocateService(self)
        self.keep(self.destroy_service, self.create_service(
            CancelTask, 'cancel_task', self._on_cancel))
        self.get_logger().info(f'fleet of {len(fleet)}: {", ".join(fleet)}')

    def activate(self) -> None:
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
        self.deactivate()
        super().release()
        with self._lock:
            self._ledger = None
            self._tasks.clear()

    # Events -------------------------------------------------------------------------------------

    def _on_vector(self, vector: SkillVector) -> None:
        age = self._now() - seconds(vector.header.stamp)
        if age > self.settings['max_vector_age_s']:
            self.get_logger().info(
                f'task {vector.task_id} ignored: its vector is {age:.0f} s old',
                throttle_duration_sec=1.0)
            return
        if vector.task_id in self._ended:
            return  # replayed to us after a new configuration
        try:
            self.submit([vector], [task_request(vector)])
        except (ValueError, LedgerFullError) as error:
            self._complain(f'task {vector.task_id!r} not taken: {error}')

    def _on_state(self, state: RobotState) -> None:
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
                self._publish(action(self._ledger, self._now()))

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

    def _note_end(self, decision: Decision) -> None:
        """Remember the latest tasks that are over, also when the ledger is made anew."""
        self._ended.pop(decision.task_id, None)
        if decision.choice.status in _ENDED:
            self._ended[decision.task_id] = None
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
                values.update(self._describe(Counter(view.state for view in robots.values()), lost))
                if lost and level == diagnostics.OK:
                    level, message = diagnostics.WARN, f'lost contact with {", ".join(lost)}'
        if self._problem and level == diagnostics.OK:
            level, message = diagnostics.WARN, self._problem
        self._problem = ''
        self._diagnostics.publish(level, message, values)

    def _describe(self, states: Counter[str], lost: list[str]) -> dict[str, object]:
        return {
            'robots': sum(states.values()), 'idle': states['idle'], 'busy': states['busy'],
            'unavailable': states['unavailable'], 'never seen': states['unseen'],
            'lost': ', '.join(lost) or 'none',
            'tasks assigned': len(self._ledger.assignments()),
            'tasks waiting': len(self._ledger.waiting()),
            **{f'decisions {name}': count for name, count in sorted(self._made.items())}}


def main() -> None:
    """Run ``fleet_allocator_node``."""
    exit_with(FleetAllocatorNode)


if __name__ == '__main__':
    main()
