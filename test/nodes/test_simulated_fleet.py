"""The simulated robots, and predictor, allocator and robots together as three processes."""

from __future__ import annotations

import pytest

from skill_predictor import taxonomy
from skill_predictor.allocation.capabilities import parse_fleet
from skill_predictor.allocation.ledger import FleetLedger
from skill_predictor.allocation.tasks import Status, TaskRequest
from skill_predictor.msg import RobotState, SkillVector, TaskAllocation, TaskDescription
from skill_predictor.nodes import qos
from skill_predictor.nodes.simulated_fleet import SimulatedRobot
from skill_predictor.srv import AllocateTasks, PredictSkills

pytestmark = pytest.mark.ros

FLEET = {'rover': {'skills': ['wheels'], 'speed_mps': 2.0, 'endurance_min': 10.0},
         'drone': {'skills': ['fly'], 'speed_mps': 10.0},
         'boat': {'skills': ['surface_water']}}


def rover() -> SimulatedRobot:
    return SimulatedRobot(parse_fleet(FLEET)['rover'])


def task_at(x: float, frame: str = 'map', work_s: int = 5) -> TaskDescription:
    task = TaskDescription(task_id='t')
    task.header.frame_id = frame
    task.location.x = x
    task.expected_duration.sec = work_s
    return task


def test_robot_travels_works_and_is_free():
    robot = rover()
    robot.take(task_at(20.0))
    robot.live(5.0)
    assert robot.position == (10.0, 0.0, 0.0) and robot.task_id == 't'
    robot.live(5.0)
    assert robot.position == (20.0, 0.0, 0.0) and robot.task_id == 't', 'it works for 5 s there'
    robot.live(4.9)
    assert robot.task_id == 't'
    robot.live(0.2)
    assert robot.task_id == '' and robot.position == (20.0, 0.0, 0.0)
    assert robot.battery == pytest.approx(1.0 - 15.1 / 600.0)


def test_travel_and_work_share_one_long_step():
    robot = rover()
    robot.take(task_at(20.0))
    robot.live(14.9)
    assert robot.task_id == 't'
    robot.live(0.2)
    assert robot.task_id == ''


def test_place_in_another_frame_is_not_travelled_to():
    robot = rover()
    robot.take(task_at(20.0, frame='odom'))
    robot.live(5.0)
    assert robot.position == (0.0, 0.0, 0.0) and robot.task_id == ''


def test_battery_runs_down_and_is_charged_at_rest():
    robot = rover()
    robot.take(task_at(0.0, work_s=100_000))
    robot.live(1200.0)
    assert robot.battery == 0.0
    robot.drop()
    robot.live(1800.0)
    assert robot.battery == pytest.approx(0.5)


def test_an_empty_robot_is_charged_before_it_works_again():
    robot = SimulatedRobot(parse_fleet(FLEET)['rover'], battery=0.21)
    ledger = FleetLedger({'rover': robot.robot})
    decisions, changes = [], 0

    def follow(made) -> None:
        decisions.extend(made)
        for decision in made:
            robot.hear(TaskAllocation(
                task_id=decision.task_id, task=TaskDescription(task_id=decision.task_id),
                status=int(decision.choice.status), robot_ids=list(decision.choice.robots)))
    for number in range(60):
        follow(ledger.submit(TaskRequest(f't{number}', ('wheels',)), 0.0))
    for second in range(3600):
        was = robot.available
        follow(ledger.report('rover', float(second), available=robot.available,
                             battery=robot.battery, current_task_id=robot.task_id))
        robot.live(1.0)
        changes += robot.available != was
    assert changes == 3, 'empty, charged, empty again'
    done = [decision for decision in decisions if decision.choice.status is Status.COMPLETED]
    assert len(done) >= 5 and max(decision.revision for decision in decisions) < 10


def allocated(task: TaskDescription, *robots: str) -> TaskAllocation:
    return TaskAllocation(task_id=task.task_id, task=task, robot_ids=robots,
                          status=TaskAllocation.STATUS_ASSIGNED)


def test_a_robot_begins_anew_what_was_changed_and_drops_what_it_lost():
    robot = rover()
    robot.hear(allocated(task_at(20.0), 'rover'))
    robot.live(5.0)
    robot.hear(allocated(task_at(20.0), 'boat', 'rover'))
    assert robot.position == (10.0, 0.0, 0.0) and robot.work_left_s == 5.0, 'it goes on'
    robot.live(6.0)
    robot.hear(allocated(task_at(90.0, work_s=7), 'rover'))
    assert robot.target == (90.0, 0.0, 0.0) and robot.work_left_s == 7.0
    robot.hear(allocated(task_at(90.0, work_s=7), 'boat'))
    assert robot.task_id == ''


@pytest.fixture
def fleet(start, client, tiny_model, reports):
    """Three processes; the tiny model is told by thresholds what to find: wheels, always."""
    parameters = {f'fleet.{name}.{key}': value for name, robot in FLEET.items()
                  for key, value in robot.items()}
    thresholds = {f'thresholds.{skill}': 1e-9 if skill == 'wheels' else 1.0
                  for skill in taxonomy.SKILLS}
    nodes = [
        start('skill_predictor_node', model=str(tiny_model.folder), precision='fp32',
              encoders_folder=str(tiny_model.encoders), **thresholds),
        start('fleet_allocator_node', **parameters, require_states=True, diagnostics_period_s=0.1),
        start('simulated_fleet_node', **parameters, time_factor=20.0, state_period_s=0.1)]
    for name in ('skill_predictor', 'fleet_allocator', 'simulated_fleet'):
        client.wait_for_state(name, 'active')
    # Two processes may take seconds to find each other, whatever a third one knows.
    assert client.spin_until(lambda: reports.values.get('never seen') == '0'), reports.values
    reports.statuses.clear()
    return nodes


@pytest.fixture
def reports(client):
    """What the allocator says about itself."""
    return client.diagnostics('fleet_allocator')


def test_a_task_in_words_is_carried_out(fleet, client):
    """Topic to vector to allocation to robot to completion, over DDS between four processes."""
    vectors = client.collect(SkillVector, 'skill_vectors', qos.results())
    allocations = client.collect(TaskAllocation, 'task_allocations', qos.results())
    states = client.collect(RobotState, 'robot_states', 100)
    publisher = client.node.create_publisher(TaskDescription, 'tasks', qos.tasks(10))
    client.connected(publisher)
    assert client.spin_until(lambda: {state.robot_id for state in states} == set(FLEET))
    task = task_at(6.0, work_s=20)
    task.text = 'sweep the deck'
    publisher.publish(task)

    def statuses():
        return [message.status for message in allocations if message.task_id == 't']

    assert client.spin_until(lambda: TaskAllocation.STATUS_COMPLETED in statuses()), statuses()
    assert statuses() == [TaskAllocation.STATUS_ASSIGNED, TaskAllocation.STATUS_COMPLETED]
    assert [vector.task_id for vector in vectors] == ['t']
    assert list(allocations[0].robot_ids) == ['rover'] and allocations[0].task.text == task.text
    assert any(state.robot_id == 'rover' and state.current_task_id == 't' for state in states)
    assert any(state.robot_id == 'rover' and state.position.x > 5.9 for state in states)


def test_allocate_tasks_asks_the_predictor(fleet, client):
    request = AllocateTasks.Request(tasks=[
        TaskDescription(task_id='good', text='sweep the deck'),
        TaskDescription(task_id='bad', text='')])
    response = client.call_until_known(
        AllocateTasks, 'allocate_tasks', request, 'there is no service')
    good, bad = response.allocations
    assert list(good.robot_ids) == ['rover']
    assert bad.status == TaskAllocation.STATUS_UNKNOWN and 'empty' in bad.reason
    assert not response.success and '1 of 2' in response.message


def test_a_thousand_tasks_on_the_topic_meet_a_service_call(fleet, client):
    """A burst on a topic and a call share the queue; both are answered whole."""
    vectors = client.collect(SkillVector, 'skill_vectors', qos.results())
    publisher = client.node.create_publisher(TaskDescription, 'tasks', qos.tasks(2000))
    client.connected(publisher)
    for number in range(1000):
        publisher.publish(TaskDescription(task_id=f'n{number}', text=f'sweep the deck {number}'))
    response = client.call(PredictSkills, 'predict_skills', PredictSkills.Request(
        tasks=[TaskDescription(text='dive to the anchor')]))
    assert response.success
    assert client.spin_until(lambda: len({vector.task_id for vector in vectors}) == 1000)


def test_killed_predictor_and_robots_do_not_hurt_the_allocator(fleet, client, reports):
    """The last test here: for 20 s, DDS counts killed nodes among the living."""
    predictor, allocator, robots = fleet
    predictor.kill()
    robots.kill()
    vector = SkillVector(task_id='later', skills=list(taxonomy.SKILLS),
                         required=[False, True, False, False, False, False])
    vector.task.task_id = 'later'
    assert client.spin_until(lambda: 'rover' in reports.values.get('lost', ''))
    response = client.call(AllocateTasks, 'allocate_tasks', AllocateTasks.Request(vectors=[vector]))
    assert response.allocations[0].status == TaskAllocation.STATUS_WAITING
    assert 'rover' in response.allocations[0].reason
    assert allocator.alive
