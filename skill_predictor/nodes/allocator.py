"""The fleet allocator node: skill vectors and robot states in, allocations out."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from rcl_interfaces.msg import SetParametersResult
from rclpy.parameter import Parameter

from skill_predictor.msg import RobotState, SkillVector, TaskAllocation, TaskDescription
from skill_predictor.srv import AllocateTasks, PredictSkills

from ..allocation.capabilities import FleetError, parse_fleet
from ..allocation.ledger import Decision, FleetLedger, LedgerFullError, UnknownRobotError
from . import diagnostics, qos
from .allocation_messages import refusal, report, task_allocation, task_request
from .allocator_parameters import (
    FIXED_WHILE_CONFIGURED, FLEET_PREFIX, LEDGER_PARAMETERS, declare_parameters, fleet_mapping)
from .conversions import complete_task, seconds
from .deferred import answer_later
from .main import exit_with
from .managed import ManagedNode


class FleetAllocatorNode(ManagedNode):
    """Gives tasks to robots. See ``allocator_parameters`` for its parameters.

    Topics
    ------
    skill_vectors (skill_predictor/SkillVector), robot_states (skill_predictor/RobotState) : subscribed
    task_allocations (skill_predictor/TaskAllocation), /diagnostics : published

    Services
    --------
    allocate_tasks (skill_predictor/AllocateTasks); uses predict_skills (skill_predictor/PredictSkills)
    """

    expected_errors = (FleetError, ValueError)

    def __init__(self, **kwargs) -> None:
        super().__init__('fleet_allocator', **kwargs)
        declare_parameters(self.settings)
        for sentence in self.settings.unknown(FLEET_PREFIX):
            self.get_logger().warning(sentence)
        self._ledger: FleetLedger | None = None
        # The executor and the transitions' thread both reach the ledger.
        self._lock = threading.RLock()
        self._serving = False
        self._tasks: dict[str, TaskDescription] = {}
        self._latest = Counter()
        self._problem = ''
        self._entities: list[tuple[Callable, object]] = []
        self.add_on_set_parameters_callback(self._check_parameters)
        self._diagnostics = diagnostics.DiagnosticsPublisher(self)
        self.create_timer(self.settings['diagnostics_period_s'], self._publish_diagnostics)

    # Lifecycle ----------------------------------------------------------------------------------

    def configure(self) -> None:
        mapping = fleet_mapping(self)
        if not mapping:
            raise FleetError(['no robots: give a fleet file as a parameter file, for example '
                              'config/fleet_warehouse.yaml'])
        fleet = parse_fleet(mapping)
        self._ledger = FleetLedger(
            fleet, **{name: self.settings[name] for name in LEDGER_PARAMETERS})
        self._create_entities()
        self.get_logger().info(f'fleet of {len(fleet)}: {", ".join(fleet)}')

    def activate(self) -> None:
        self._serving = True

    def deactivate(self) -> None:
        self._serving = False

    def release(self) -> None:
        self._serving = False
        while self._entities:
            destroy, entity = self._entities.pop()
            destroy(entity)
        with self._lock:
            self._ledger = None
            self._tasks.clear()

    def _create_entities(self) -> None:
        self._allocations = self._keep(
            self.destroy_lifecycle_publisher, self.create_lifecycle_publisher(
                TaskAllocation, 'task_allocations', qos.results()))
        self._keep(self.destroy_subscription, self.create_subscription(
            SkillVector, 'skill_vectors', self._on_vector, qos.results()))
        self._keep(self.destroy_subscription, self.create_subscription(
            RobotState, 'robot_states', self._on_state, qos.robot_states()))
        self._keep(self.destroy_service, answer_later(self.create_service(
            AllocateTasks, 'allocate_tasks', self._on_allocate), self.get_logger()))
        self._predict = self._keep(self.destroy_client, self.create_client(
            PredictSkills, 'predict_skills'))
        self._keep(self.destroy_timer, self.create_timer(
            self.settings['tick_period_s'], self._on_tick))

    def _keep(self, destroy: Callable, entity):
        self._entities.append((destroy, entity))
        return entity

    # Events -------------------------------------------------------------------------------------

    def _on_vector(self, vector: SkillVector) -> None:
        if not self._serving:
            return
        age = self._now() - seconds(vector.header.stamp)
        if age > self.settings['max_vector_age_s']:
            self.get_logger().info(
                f'task {vector.task_id} ignored: its vector is {age:.0f} s old',
                throttle_duration_sec=1.0)
            return
        try:
            self._submit([vector])
        except (ValueError, LedgerFullError) as error:
            self._complain(f'task {vector.task_id!r} not taken: {error}')

    def _on_state(self, state: RobotState) -> None:
        if not self._serving:
            return
        try:
            with self._lock:
                self._publish(self._ledger.report(now=self._now(), **report(state)))
        except (UnknownRobotError, ValueError) as error:
            self._complain(f'robot state ignored: {error}')

    def _on_tick(self) -> None:
        if self._serving:
            with self._lock:
                self._publish(self._ledger.tick(self._now()))

    def _submit(self, vectors: Sequence[SkillVector]) -> None:
        requests = [task_request(vector) for vector in vectors]
        with self._lock:
            decisions = self._ledger.submit_many(requests, self._now())
            self._tasks.update((vector.task_id, vector.task) for vector in vectors)
            self._publish(decisions)

    def _publish(self, decisions: Sequence[Decision]) -> None:
        stamp = self.get_clock().now().to_msg()
        for decision in decisions:
            self._allocations.publish(task_allocation(
                decision, self._task(decision.task_id), stamp))
            self._latest[decision.choice.status.name.lower()] += 1
            self.get_logger().debug(f'{decision.task_id}: {decision.choice.reason}')
        if len(self._tasks) > 2 * self.settings['max_waiting'] + 2000:
            self._tasks = {task_id: task for task_id, task in self._tasks.items()
                           if self._ledger.status_of(task_id) is not None}

    def _task(self, task_id: str) -> TaskDescription:
        return self._tasks.get(task_id) or TaskDescription(task_id=task_id)

    def _complain(self, message: str) -> None:
        self._problem = message
        self.get_logger().warning(message, throttle_duration_sec=1.0)

    def _now(self) -> float:
        return self.get_clock().now().nanoseconds * 1e-9

    # Service ------------------------------------------------------------------------------------

    def _on_allocate(self, request: AllocateTasks.Request, response: AllocateTasks.Response):
        if not self._serving:
            response.message = f'the allocator is {self.state}, not active'
        elif request.tasks and request.vectors:
            response.message = 'set tasks or vectors, not both'
        elif request.tasks:
            return self._predict_first(request, response)
        else:
            self._allocate(request.vectors, [''] * len(request.vectors), request.dry_run, response)
        return response

    def _predict_first(self, request: AllocateTasks.Request, response: AllocateTasks.Response):
        """Ask the predictor for the tasks' skills, without holding up the executor."""
        if not self._predict.service_is_ready():
            response.message = ('the predictor does not answer: no service '
                                f'{self._predict.srv_name}. Is skill_predictor_node active?')
            return response
        stamp = self.get_clock().now().to_msg()
        tasks = [complete_task(task, stamp) for task in request.tasks]
        answered: Future = Future()
        predicted = self._predict.call_async(PredictSkills.Request(tasks=tasks))
        patience = self.settings['predict_timeout_s']
        timer = self.create_timer(patience, lambda: give_up())

        def settle(message: str | None) -> None:
            self.destroy_timer(timer)
            if not answered.done():
                if message is not None:
                    response.message = message
                answered.set_result(response)

        def give_up() -> None:
            self._predict.remove_pending_request(predicted)
            settle(f'the predictor did not answer within {patience:.1f} s')

        def proceed(future) -> None:
            try:
                answer = future.result()
                if answer is None or (tasks and not answer.vectors):
                    settle('the predictor refused: ' + (answer.message if answer else 'no answer'))
                    return
                self._allocate(answer.vectors, answer.errors, request.dry_run, response)
                settle(None)
            except Exception as error:
                settle(f'{type(error).__name__}: {error}')

        predicted.add_done_callback(proceed)
        return answered

    def _allocate(self, vectors: Sequence[SkillVector], errors: Sequence[str], dry_run: bool,
                  response: AllocateTasks.Response) -> None:
        """Fill a response with one allocation per vector, in order."""
        if not self._serving:
            response.message = f'the allocator is {self.state}, not active'
            return
        stamp = self.get_clock().now().to_msg()
        problems = list(errors)
        sound = []
        for index, vector in enumerate(vectors):
            try:
                problems[index] or sound.append((index, task_request(vector)))
            except ValueError as error:
                problems[index] = str(error)
        requests = [task for _, task in sound]
        try:
            decisions = self._decide(vectors, sound, requests, dry_run)
        except LedgerFullError as error:
            response.message = str(error)
            return
        by_id = {decision.task_id: decision for decision in decisions}
        response.allocations = [
            refusal(vector.task, problem, stamp) if problem
            else task_allocation(by_id[vector.task_id], vector.task, stamp)
            for vector, problem in zip(vectors, problems)]
        bad = [problem for problem in problems if problem]
        response.success = not bad
        response.message = f'{len(bad)} of {len(vectors)} tasks not decided: {bad[0]}' if bad else ''

    def _decide(self, vectors, sound, requests, dry_run: bool) -> list[Decision]:
        with self._lock:
            now = self._now()
            if dry_run:
                return self._ledger.preview(requests, now)
            decisions = self._ledger.submit_many(requests, now)
            self._tasks.update((vectors[index].task_id, vectors[index].task) for index, _ in sound)
            self._publish(decisions)
            return [self._ledger.status_of(task.task_id) for task in requests]

    # Parameters and diagnostics -----------------------------------------------------------------

    def _check_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        fixed = [parameter.name for parameter in parameters
                 if parameter.name in FIXED_WHILE_CONFIGURED
                 or parameter.name.startswith(FLEET_PREFIX)]
        if fixed and self.state != 'unconfigured':
            return SetParametersResult(successful=False, reason=(
                f'{", ".join(fixed)} can change only while the node is unconfigured, and it is '
                f'{self.state}: deactivate and clean it up, set, configure and activate'))
        return SetParametersResult(successful=True)

    def _publish_diagnostics(self) -> None:
        level, message = diagnostics.OK, self.state
        values: dict[str, object] = {'state': self.state}
        if self.last_error:
            level, message = diagnostics.ERROR, self.last_error
        elif self.state != 'active':
            level = diagnostics.WARN
        with self._lock:
            if self._ledger is not None:
                robots = self._ledger.robots(self._now())
                count = Counter(view.state for view in robots.values())
                lost = [name for name, view in robots.items() if view.state == 'lost']
                values.update({
                    'robots': len(robots), 'idle': count['idle'], 'busy': count['busy'],
                    'unavailable': count['unavailable'], 'never seen': count['unseen'],
                    'lost': ', '.join(lost) or 'none',
                    'tasks assigned': len(self._ledger.assignments()),
                    'tasks waiting': len(self._ledger.waiting()),
                    **{f'decisions {name}': number for name, number in sorted(
                        self._latest.items())}})
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
