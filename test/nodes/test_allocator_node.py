"""What the fleet allocator node decides on its topics; the test plays the robots."""

from __future__ import annotations

import time

import pytest
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point

from allocator_scene import NODE, playing, vector
from skill_predictor import taxonomy
from skill_predictor.msg import RobotState, SkillVector, TaskAllocation
from skill_predictor.srv import CancelTask

pytestmark = pytest.mark.ros


@pytest.fixture
def scene(start, client):
    with playing(start, client) as scene:
        yield scene


def test_vectors_on_the_topic_are_decided_and_published(scene):
    scene.vectors.publish(vector('a', 'wheels'))
    scene.vectors.publish(vector('b', 'fly', 'surface_water'))
    scene.vectors.publish(vector('c', 'under_water'))
    scene.vectors.publish(vector('d'))
    assert scene.client.spin_until(lambda: all(scene.latest(task) for task in 'abcd'))
    a, b, c, d = (scene.latest(task) for task in 'abcd')
    assert a.status == TaskAllocation.STATUS_ASSIGNED and list(a.robot_ids) == ['rover_1']
    assert b.status == TaskAllocation.STATUS_TEAM and sorted(b.robot_ids) == ['boat_1', 'drone_1']
    assert c.status == TaskAllocation.STATUS_IMPOSSIBLE and list(c.missing_skills) == ['under_water']
    assert d.status == TaskAllocation.STATUS_NOT_PHYSICAL and not d.robot_ids
    assert list(b.required_skills) == ['fly', 'surface_water']
    assert all(message.reason for message in (a, b, c, d))
    assert len({message.revision for message in (a, b, c, d)}) == 1
    assert a.task.text == 'task a' and a.header.stamp.sec > 0


def test_silent_robot_loses_its_task_to_another(scene):
    """The robot's state stream is killed; its task must move."""
    scene.live(lambda: False, 0.5)
    response = scene.allocate(vector('move me', 'wheels'))
    assert response.success and list(response.allocations[0].robot_ids) == ['rover_1']
    scene.tasks['rover_1'] = 'move me'
    assert scene.client.spin_until(lambda: scene.latest('move me'))
    assert not scene.live(lambda: len(scene.latest('move me').robot_ids) != 1
                          or scene.latest('move me').robot_ids[0] != 'rover_1', 2.0), 'moved early'
    scene.silent.add('rover_1')
    assert scene.live(lambda: scene.holds('move me', 'rover_2'))
    moved = scene.latest('move me')
    assert moved.status == TaskAllocation.STATUS_ASSIGNED
    assert moved.revision == response.allocations[0].revision + 1
    assert 'lost contact with rover_1' in moved.reason
    assert moved.task.text == 'task move me'
    scene.tasks['rover_2'] = 'move me'
    scene.silent.clear()  # it comes back, still at work: the task stays where it is
    scene.live(lambda: False, 1.0)
    assert scene.holds('move me', 'rover_2')


@pytest.fixture
def equals(start, client):
    """The scene of robots of one kind, which all are at home at the same place."""
    with playing(start, client, {name: ['wheels'] for name in (
            'a_far', 'b_tired', 'c_empty', 'd_near')}, **{
                'fleet.b_tired.endurance_min': 1.0, 'robot_timeout_s': 600.0,
                'acknowledge_timeout_s': 600.0}) as scene:
        yield scene


def test_what_tasks_and_robots_say_of_themselves_decides(equals):
    """Places, charges and durations of the messages reach the choice, and deadlines pass."""
    scene = equals

    def report(robot_id: str, x: float, **fields) -> None:
        state = RobotState(robot_id=robot_id, position=Point(x=x), **fields)
        state.header.frame_id = 'map'
        scene.states.publish(state)

    def until(condition) -> bool:
        def met() -> bool:
            report('a_far', 0.0)  # it stands where all of them are at home
            report('b_tired', 100.0)
            report('c_empty', 100.0, battery=0.1)
            report('d_near', 90.0)
            scene.client.spin(0.05)
            return condition()
        return scene.client.spin_until(met)

    def long(task_id: str, **task) -> SkillVector:
        message = vector(task_id, 'wheels', location=Point(x=100.0),
                         expected_duration=Duration(sec=120), **task)
        message.task.header.frame_id = 'map'
        return message
    assert until(lambda: scene.diagnostics.values['never seen'] == '0')
    for task_id, robot_id in (('first', 'd_near'), ('second', 'a_far')):
        scene.vectors.publish(long(task_id))
        assert until(lambda: scene.latest(task_id))
        assert scene.holds(task_id, robot_id), scene.latest(task_id).reason
    deadline = Time(sec=int(time.time()) + 3)
    scene.vectors.publish(long('third', deadline=deadline))
    assert until(lambda: scene.is_now('third', TaskAllocation.STATUS_EXPIRED))
    assert scene.latest('third').header.stamp.sec >= deadline.sec
    assert scene.holds('first', 'd_near') and scene.holds('second', 'a_far')


def test_unavailable_robot_releases_its_task(scene):
    scene.live(lambda: False, 0.3)
    scene.allocate(vector('t', 'wheels', 'hands'))
    scene.tasks['rover_2'] = 't'
    scene.live(lambda: False, 0.3)
    scene.silent.add('rover_2')

    def moved() -> bool:
        scene.report('rover_2', available=False)
        return scene.holds('t', 'humanoid_1')
    assert scene.live(moved)
    assert 'rover_2 became unavailable' in scene.latest('t').reason


def test_team_that_loses_a_member_is_formed_again_or_waits(scene):
    scene.live(lambda: False, 0.3)
    scene.allocate(vector('pair', 'fly', 'surface_water'))
    scene.tasks.update({'drone_1': 'pair', 'boat_1': 'pair'})
    scene.live(lambda: False, 0.3)
    scene.silent.add('drone_1')
    assert scene.live(lambda: scene.latest('pair').status == TaskAllocation.STATUS_WAITING)
    assert 'drone_1' in scene.latest('pair').reason
    scene.tasks.clear()
    scene.silent.clear()
    assert scene.live(lambda: scene.latest('pair').status == TaskAllocation.STATUS_TEAM)


def test_finished_robot_gets_the_waiting_task(scene):
    scene.live(lambda: False, 0.3)
    scene.allocate(vector('first', 'fly'))
    waiting = scene.allocate(vector('second', 'fly')).allocations[0]
    assert waiting.status == TaskAllocation.STATUS_WAITING and 'first' in waiting.reason
    scene.tasks['drone_1'] = 'first'
    scene.live(lambda: False, 0.3)
    scene.tasks['drone_1'] = ''
    assert scene.live(lambda: scene.holds('second', 'drone_1'))
    assert any(message.task_id == 'first' and message.status == TaskAllocation.STATUS_COMPLETED
               for message in scene.seen)


def test_cancelled_task_frees_its_robot(scene):
    def cancel(task_id):
        return scene.client.call(CancelTask, 'cancel_task', CancelTask.Request(task_id=task_id))

    scene.allocate(vector('first', 'fly'), vector('second', 'fly'))
    assert cancel('first').success
    assert scene.client.spin_until(lambda: scene.holds('second', 'drone_1'))
    assert scene.latest('first').status == TaskAllocation.STATUS_CANCELLED
    for task_id in ('first', 'nobody knows', ''):
        refused = cancel(task_id)
        assert not refused.success and 'neither assigned nor waiting' in refused.message


def test_tasks_that_came_before_activation_are_taken_up_and_ended_ones_are_not(scene):
    """Vectors are kept for late joiners; a new configuration must not repeat what is done."""
    client = scene.client
    scene.vectors.publish(vector('withdrawn', 'wheels'))
    assert client.spin_until(lambda: scene.latest('withdrawn'))
    assert client.call(CancelTask, 'cancel_task', CancelTask.Request(task_id='withdrawn')).success
    assert client.change(NODE, 'deactivate') and client.change(NODE, 'cleanup')
    assert client.change(NODE, 'configure')
    scene.vectors.publish(vector('early', 'fly'))
    client.spin(0.5)
    assert scene.latest('early') is None
    scene.seen.clear()
    assert client.change(NODE, 'activate')
    assert client.spin_until(lambda: scene.latest('early'))
    client.spin(0.5)
    assert {message.task_id for message in scene.seen} == {'early'}


def test_bad_messages_cost_only_themselves(scene):
    no_prediction = vector('nan', 'fly')
    no_prediction.probabilities = [float('nan')] * 6
    strange = vector('strange', 'wheels')
    strange.skills = ['swim', *taxonomy.SKILLS[1:]]
    strange.required = [True] + [False] * 5
    old = vector('old', 'wheels')
    old.header.stamp.sec -= 3600
    heavy = vector('heavy', 'wheels', payload_kg=float('inf'))
    for message in (no_prediction, strange, old, heavy, vector('', 'wheels')):
        scene.vectors.publish(message)
    scene.states.publish(RobotState(robot_id='ghost'))
    scene.states.publish(RobotState(robot_id='rover_1', battery=7.0))
    scene.states.publish(RobotState())
    scene.vectors.publish(vector('good', 'wheels'))
    assert scene.client.spin_until(lambda: scene.latest('good'))
    assert {message.task_id for message in scene.seen} == {'good'}
    assert scene.allocator.alive
    response = scene.allocate(no_prediction, vector('fine', 'fly'))
    assert not response.success and 'NaN' in response.message
    assert response.allocations[0].status == TaskAllocation.STATUS_UNKNOWN
    assert response.allocations[1].status == TaskAllocation.STATUS_ASSIGNED


def test_an_id_that_ended_can_be_asked_for_again(scene):
    """By topic as by service; what was made before the end is a replay."""
    first = vector('again', 'fly')
    scene.vectors.publish(first)
    assert scene.live(lambda: scene.holds('again', 'drone_1'))
    assert scene.client.call(CancelTask, 'cancel_task', CancelTask.Request(task_id='again')).success
    scene.vectors.publish(first)
    scene.vectors.publish(vector('behind it', 'wheels'))
    assert scene.live(lambda: scene.latest('behind it'))
    assert scene.latest('again').status == TaskAllocation.STATUS_CANCELLED
    scene.vectors.publish(vector('again', 'fly'))
    assert scene.live(lambda: scene.holds('again', 'drone_1'))


def test_how_old_a_vector_may_be_can_change_while_the_node_runs(scene):
    made = time.time() - 100.0
    scene.vectors.publish(vector('old', 'fly', made=made))
    scene.vectors.publish(vector('behind it', 'wheels'))
    assert scene.client.spin_until(lambda: scene.latest('behind it'))
    assert scene.client.set_parameter(NODE, 'max_vector_age_s', 1000.0).successful
    assert scene.latest('old') is None
    scene.vectors.publish(vector('old', 'fly', made=made))
    assert scene.client.spin_until(lambda: scene.holds('old', 'drone_1'))


def test_a_pause_takes_no_task_from_a_robot(scene):
    """Deactivated for longer than a robot may be silent: nobody was heard, so nobody is lost."""
    scene.vectors.publish(vector('long', 'fly'))
    assert scene.live(lambda: scene.holds('long', 'drone_1'))
    scene.tasks['drone_1'] = 'long'
    scene.live(lambda: False, 0.5)
    before = len(scene.seen)
    assert scene.client.change(NODE, 'deactivate')
    scene.client.spin(3.0)
    assert scene.client.change(NODE, 'activate')
    scene.live(lambda: False, 1.5)
    assert [message.task_id for message in scene.seen[before:]] == []
    assert scene.holds('long', 'drone_1')


def test_a_charge_that_is_none_is_unknown_and_the_robot_alive(scene):
    def report() -> None:
        scene.report('rover_1', battery=85.0)
        scene.report('drone_1', battery=1.004)
        scene.client.spin(0.1)

    def told() -> bool:
        report()
        return scene.said('battery of 85')

    def decided() -> bool:
        report()
        return bool(scene.latest('roll') and scene.latest('look'))
    assert scene.client.spin_until(told)
    scene.vectors.publish(vector('roll', 'wheels'))
    scene.vectors.publish(vector('look', 'fly'))
    assert scene.client.spin_until(decided)
    assert scene.holds('roll', 'rover_1') and scene.holds('look', 'drone_1')


def test_other_words_are_another_task(scene):
    def done() -> bool:
        return scene.latest('job').status == TaskAllocation.STATUS_COMPLETED
    scene.vectors.publish(vector('job', 'fly', text='inspect bridge A'))
    assert scene.live(lambda: scene.holds('job', 'drone_1'))
    first = scene.latest('job')
    scene.vectors.publish(vector('job', 'fly', text='inspect bridge B'))
    assert scene.live(lambda: scene.latest('job').task.text == 'inspect bridge B')
    assert scene.holds('job', 'drone_1') and scene.latest('job').revision == first.revision + 1
    scene.tasks['drone_1'] = 'job'
    scene.live(lambda: False, 0.5)
    scene.tasks['drone_1'] = ''
    assert scene.live(done)
    scene.vectors.publish(vector('job', 'fly', text='inspect bridge B'))
    scene.allocator.wait_for_log('task job is completed and asked for again with the same content')
    scene.vectors.publish(vector('job', 'fly', text='inspect bridge C'))
    assert scene.live(lambda: scene.latest('job').task.text == 'inspect bridge C')
    assert scene.holds('job', 'drone_1')


def test_revisions_go_on_after_a_new_configuration(scene):
    client = scene.client
    scene.allocate(vector('again', 'fly'))
    last, = scene.allocate(vector('again', 'fly', text='other words')).allocations
    for transition in ('deactivate', 'cleanup', 'configure', 'activate'):
        assert client.change(NODE, transition)
    first, = scene.allocate(vector('again', 'fly', text='more words')).allocations
    assert first.revision > last.revision > time.time() - 3600
