"""What messages say of tasks and robots, as the allocation room gets it; no node runs."""

from __future__ import annotations

import math

import pytest
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point
from std_msgs.msg import Header

from skill_predictor.allocation.capabilities import parse_fleet
from skill_predictor.allocation.ledger import FleetLedger
from skill_predictor.allocation.records import Decision
from skill_predictor.allocation.tasks import Choice, Status, TaskRequest
from skill_predictor.msg import RobotState, SkillVector, TaskAllocation, TaskDescription
from skill_predictor.nodes.allocation_messages import refusal, report, task_allocation, task_request

pytestmark = pytest.mark.ros

PLACE = Point(x=1.5, y=-2.5, z=3.5)
BACKWARDS = ['hands', 'under_water', 'surface_water', 'legs', 'wheels', 'fly']


def description(**changes) -> TaskDescription:
    """A task that says everything, and nothing of it as by default."""
    return TaskDescription(**{
        'header': Header(stamp=Time(sec=1000, nanosec=1), frame_id='yard'),
        'task_id': 'its own name', 'text': 'bring the crate',
        'priority': TaskDescription.PRIORITY_URGENT,
        'deadline': Time(sec=1090, nanosec=250_000_000),
        'expected_duration': Duration(sec=45, nanosec=500_000_000), 'payload_kg': 12.5,
        'location': PLACE, **changes})


def vector(task: TaskDescription | None = None, **changes) -> SkillVector:
    """A vector whose skills are in another order than here."""
    return SkillVector(**{
        'header': Header(stamp=Time(sec=1001), frame_id='none of the task'), 'task_id': 'crate',
        'task': description() if task is None else task, 'skills': BACKWARDS,
        'probabilities': [0.9, 0.1, 0.2, 0.3, 0.8, 0.05], 'thresholds': [0.5] * 6,
        'required': [True, False, False, False, True, False], **changes})


def test_everything_that_a_task_says_reaches_the_request():
    assert task_request(vector()) == TaskRequest(
        task_id='crate', required=('wheels', 'hands'), priority=3, deadline=1090.25,
        duration_s=45.5, payload_kg=12.5, location=(1.5, -2.5, 3.5), frame='yard',
        text='bring the crate')


def test_what_a_task_leaves_out_is_unknown():
    assert task_request(vector(TaskDescription(text='roll'))) == TaskRequest(
        'crate', ('wheels', 'hands'), priority=TaskDescription.PRIORITY_NORMAL, deadline=None,
        duration_s=None, payload_kg=0.0, location=None, frame='', text='roll')


def test_a_place_without_a_frame_is_none():
    assert task_request(vector(description(header=Header(stamp=Time(sec=1))))).location is None


def test_parts_of_a_second_are_a_deadline_and_a_duration():
    request = task_request(vector(description(
        deadline=Time(nanosec=250_000_000), expected_duration=Duration(nanosec=500_000_000))))
    assert (request.deadline, request.duration_s) == (0.25, 0.5)


@pytest.mark.parametrize('changes, said', [
    ({'task_id': ''}, 'no task_id'),
    ({'probabilities': [0.9, 0.1, math.nan, 0.3, 0.8, 0.05]}, 'NaN'),
    ({'skills': ['swim', *BACKWARDS[1:]]}, 'swim'),
    ({'task': description(expected_duration=Duration(sec=-1))}, 'duration_s'),
    ({'task': description(payload_kg=-1.0)}, 'payload_kg'),
    ({'task': description(location=Point(y=math.nan))}, 'location')])
def test_impossible_vectors_are_refused_and_it_is_said_why(changes, said):
    with pytest.raises(ValueError, match=said):
        task_request(vector(**changes))


def state(**changes) -> RobotState:
    return RobotState(**{
        'header': Header(stamp=Time(sec=7), frame_id='yard'), 'robot_id': 'amr_1',
        'available': False, 'battery': 0.25, 'position': PLACE, 'current_task_id': 'crate',
        **changes})


def test_everything_that_a_robot_says_reaches_the_ledger():
    assert report(state()) == {
        'robot_id': 'amr_1', 'available': False, 'battery': 0.25, 'position': (1.5, -2.5, 3.5),
        'frame': 'yard', 'current_task_id': 'crate'}


def test_what_a_robot_leaves_out_is_unknown():
    assert report(RobotState(robot_id='amr_1')) == {
        'robot_id': 'amr_1', 'available': True, 'battery': None, 'position': None, 'frame': '',
        'current_task_id': ''}


@pytest.mark.parametrize('said, counts', [
    (0.0, 0.0), (0.5, 0.5), (1.0, 1.0), (1.0625, 1.0), (1.25, None), (85.0, None), (-1.0, None),
    (math.nan, None), (math.inf, None)])
def test_a_charge_is_a_fraction_or_unknown(said, counts):
    assert report(state(battery=said))['battery'] == counts


def test_the_ledger_takes_what_the_messages_say():
    ledger = FleetLedger(parse_fleet({
        'amr_1': {'skills': ['wheels', 'hands'], 'payload_kg': 20.0}}))
    ledger.report(now=1002.0, **report(state(available=True, current_task_id='')))
    decision, = ledger.submit(task_request(vector()), 1002.0)
    assert decision.choice.robots == ('amr_1',)


def test_an_allocation_says_everything_of_a_decision():
    choice = Choice(Status.TEAM, ('amr_1', 'amr_2'), 0.75, ('fly',), 'two can do it')
    task = description()
    message = task_allocation(Decision('crate', choice, ('wheels', 'hands'), 41), task, Time(sec=9))
    assert message == TaskAllocation(
        header=Header(stamp=Time(sec=9)), task_id='crate', task=description(task_id='crate'),
        status=TaskAllocation.STATUS_TEAM, robot_ids=['amr_1', 'amr_2'], score=0.75,
        required_skills=['wheels', 'hands'], missing_skills=['fly'], revision=41,
        reason='two can do it')


def test_a_refusal_names_the_task_and_the_reason():
    message = refusal(vector(), 'no prediction', Time(sec=9))
    assert message == TaskAllocation(
        header=Header(stamp=Time(sec=9)), task_id='crate', task=description(),
        reason='no prediction', status=TaskAllocation.STATUS_UNKNOWN)
