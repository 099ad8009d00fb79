"""The fleet allocator node in a process of its own; the test plays the robots and the predictor."""

from __future__ import annotations

import time
from contextlib import contextmanager

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import QoSProfile, ReliabilityPolicy

from harness import Diagnostics
from skill_predictor import taxonomy
from skill_predictor.msg import RobotState, SkillVector, TaskAllocation, TaskDescription
from skill_predictor.nodes import qos
from skill_predictor.srv import AllocateTasks

NODE = 'fleet_allocator'
FLEET = {'drone_1': ['fly'], 'rover_1': ['wheels'], 'rover_2': ['wheels', 'hands'],
         'boat_1': ['surface_water'], 'humanoid_1': ['wheels', 'legs', 'hands']}
SETTINGS = {'robot_timeout_s': 2.0, 'acknowledge_timeout_s': 2.0, 'tick_period_s': 0.1,
            'diagnostics_period_s': 0.1, 'assumed_duration_s': 600.0}


def fleet_parameters(fleet=FLEET) -> dict:
    return {f'fleet.{name}.skills': skills for name, skills in fleet.items()}


def vector(task_id: str, *skills: str, made: float | None = None, **task) -> SkillVector:
    flags = taxonomy.to_flags(skills)
    message = SkillVector(
        task_id=task_id, skills=list(taxonomy.SKILLS), required=list(flags),
        probabilities=[0.9 if flag else 0.1 for flag in flags], thresholds=[0.5] * 6,
        task=TaskDescription(task_id=task_id, **{'text': f'task {task_id}', **task}))
    set_time(message.header.stamp, time.time() if made is None else made)
    return message


def set_time(stamp, seconds: float) -> None:
    stamp.sec, stamp.nanosec = int(seconds), int(seconds % 1 * 1e9)


@contextmanager
def playing(start, client, fleet=FLEET, **parameters):
    """An allocator that has begun to hear robots, and the scene around it."""
    allocator = start(
        'fleet_allocator_node', **fleet_parameters(fleet), **{**SETTINGS, **parameters})
    client.wait_for_state(NODE, 'active')
    scene = Scene(allocator, client)
    try:
        yield scene
    finally:
        scene.close()


class Scene:
    """What the test publishes and sees."""

    def __init__(self, allocator, client) -> None:
        self.allocator, self.client = allocator, client
        self.seen: list[TaskAllocation] = []
        self.diagnostics = Diagnostics(NODE)
        node = client.node
        self._subscriptions = [
            node.create_subscription(
                TaskAllocation, 'task_allocations', self.seen.append, qos.results()),
            node.create_subscription(
                DiagnosticArray, '/diagnostics', self.diagnostics.hear, 100)]
        # As robots publish that send states like a sensor's values.
        self.states = node.create_publisher(RobotState, 'robot_states', QoSProfile(
            depth=100, reliability=ReliabilityPolicy.BEST_EFFORT))
        self.vectors = node.create_publisher(SkillVector, 'skill_vectors', qos.results())
        client.connected(self.states)
        client.connected(self.vectors)
        self.tasks: dict[str, str] = {}
        self.silent: set[str] = set()

        # States are best effort: what is sent before the allocator has found them is lost.
        def heard() -> bool:
            self.states.publish(RobotState(robot_id='nobody'))
            return self.said('nobody')
        assert client.spin_until(heard)

    def close(self) -> None:
        """Leave nothing behind that would reach the next test's allocator."""
        node = self.client.node
        node.destroy_publisher(self.states)
        node.destroy_publisher(self.vectors)
        for subscription in self._subscriptions:
            node.destroy_subscription(subscription)

    def allocate(self, *vectors: SkillVector, dry_run: bool = False) -> AllocateTasks.Response:
        return self.client.call(AllocateTasks, 'allocate_tasks', AllocateTasks.Request(
            vectors=list(vectors), dry_run=dry_run))

    def report(self, robot_id: str, **fields) -> None:
        self.states.publish(RobotState(
            robot_id=robot_id, current_task_id=self.tasks.get(robot_id, ''), **fields))

    def live(self, condition, timeout_s: float = 10.0) -> bool:
        """Let all robots that are not silent report, until a condition holds."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                return False
            for name in FLEET:
                if name not in self.silent:
                    self.report(name)
            self.client.spin(0.1)
        return True

    def latest(self, task_id: str) -> TaskAllocation | None:
        return next((a for a in reversed(self.seen) if a.task_id == task_id), None)

    def holds(self, task_id: str, *robots: str) -> bool:
        latest = self.latest(task_id)
        return latest is not None and list(latest.robot_ids) == sorted(robots)

    def is_now(self, task_id: str, status: int) -> bool:
        latest = self.latest(task_id)
        return latest is not None and latest.status == status

    def said(self, text: str) -> bool:
        """Whether the diagnostics said something, ever."""
        return any(text in message for message in self.diagnostics.messages)
