"""The fleet allocator on simulated time; the test is the clock."""

from __future__ import annotations

import time

import pytest
from rosgraph_msgs.msg import Clock

from allocator_scene import fleet_parameters, NODE, set_time, SETTINGS, vector
from skill_predictor.msg import RobotState, SkillVector, TaskAllocation
from skill_predictor.nodes import qos
from skill_predictor.srv import AllocateTasks, CancelTask

pytestmark = pytest.mark.ros


class SimulatedTime:
    """Publishes ``/clock``."""

    def __init__(self, client) -> None:
        self._client = client
        self._publisher = client.node.create_publisher(Clock, '/clock', 10)
        self.now = 0.0

    def close(self) -> None:
        self._client.node.destroy_publisher(self._publisher)

    def run(self, seconds: float, rate: float = 1.0, until=lambda: False) -> bool:
        """Let real seconds pass, or fewer until a condition holds; whether it did."""
        end = time.monotonic() + seconds
        while not until() and time.monotonic() < end:
            message = Clock()
            set_time(message.clock, self.now)
            self._publisher.publish(message)
            self._client.spin(0.05)
            self.now += 0.05 * rate
        return bool(until())


@pytest.fixture
def simulated(start, client):
    """A node on simulated time that has not begun, the time, and what is published."""
    start('fleet_allocator_node', use_sim_time=True, **{**fleet_parameters(), **SETTINGS,
                                                        'robot_timeout_s': 0.5})
    client.wait_for_state(NODE, 'active')
    clock = SimulatedTime(client)
    clock.vectors = client.node.create_publisher(SkillVector, 'skill_vectors', qos.results())
    clock.states = client.node.create_publisher(RobotState, 'robot_states', 100)
    clock.seen = []
    subscription = client.node.create_subscription(
        TaskAllocation, 'task_allocations', clock.seen.append, qos.results())
    yield clock
    client.node.destroy_subscription(subscription)
    client.node.destroy_publisher(clock.vectors)
    client.node.destroy_publisher(clock.states)
    clock.close()


def test_before_simulated_time_has_begun_nothing_is_decided(simulated, client):
    simulated.vectors.publish(vector('ancient', 'fly', made=100.0))
    refused = client.call(AllocateTasks, 'allocate_tasks', AllocateTasks.Request(
        vectors=[vector('x', 'fly')]))
    assert not refused.success and 'simulated time has not begun' in refused.message
    simulated.now = 5000.0
    simulated.vectors.publish(vector('new', 'fly', made=4999.0))
    assert simulated.run(20.0, until=lambda: simulated.seen)
    simulated.run(1.0)
    assert [(message.task_id, message.status) for message in simulated.seen] == [
        ('new', TaskAllocation.STATUS_ASSIGNED)]


def test_simulated_time_that_starts_again(simulated, client):
    def given(task_id: str) -> bool:
        return any(message.task_id == task_id and message.robot_ids for message in simulated.seen)
    simulated.now = 300.0
    first = vector('one', 'fly', made=300.0)
    simulated.vectors.publish(first)
    assert simulated.run(20.0, until=lambda: given('one'))
    simulated.run(0.5)
    assert client.call(CancelTask, 'cancel_task', CancelTask.Request(task_id='one')).success
    simulated.now = 5.0
    simulated.run(1.0)
    simulated.seen.clear()
    simulated.vectors.publish(vector('old run', 'wheels', made=299.0))
    simulated.vectors.publish(first)
    simulated.vectors.publish(vector('one', 'fly', made=simulated.now))
    simulated.vectors.publish(vector('two', 'wheels', made=simulated.now))
    assert simulated.run(20.0, until=lambda: given('one') and given('two'))
    assert {message.task_id for message in simulated.seen} == {'one', 'two'}


def test_a_silent_robot_is_lost_however_slow_the_simulation(simulated):
    def report(until) -> bool:
        return simulated.run(20.0, 0.2, until=lambda: simulated.states.publish(RobotState(
            robot_id='drone_1', current_task_id='one')) or until())
    simulated.now = 50.0
    simulated.run(1.0)
    simulated.vectors.publish(vector('one', 'fly', made=50.0))
    assert report(lambda: simulated.seen)
    began = simulated.now
    report(lambda: simulated.now > began + 0.3)
    assert len(simulated.seen) == 1
    last = simulated.now
    assert simulated.run(40.0, 0.2, until=lambda: len(simulated.seen) > 1)
    assert 'lost contact with drone_1' in simulated.seen[-1].reason
    assert 0.5 < simulated.now - last < 1.5
