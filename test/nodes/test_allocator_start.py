"""The fleet allocator node: its start, its states, its parameters and its diagnostics."""

from __future__ import annotations

import dataclasses

import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from allocator_scene import fleet_parameters, NODE, playing, vector
from skill_predictor.allocation.settings import Settings
from skill_predictor.msg import TaskAllocation
from skill_predictor.nodes.allocator_parameters import LEDGER_PARAMETERS
from skill_predictor.srv import AllocateTasks

pytestmark = pytest.mark.ros


@pytest.fixture
def scene(start, client):
    with playing(start, client) as scene:
        yield scene


@pytest.mark.parametrize('parameters, robot, field', [
    ({'fleet.rover_9.skils': ['wheels']}, 'rover_9', 'skills'),
    ({'fleet.rover_9.skills': ['wheel']}, 'rover_9', 'wheels'),
    ({'fleet.rover_9.skills': ['wheels'], 'fleet.rover_9.payload_kg': 'much'},
     'rover_9', 'payload_kg'),
    ({'fleet.rover_9.skills': ['wheels'], 'fleet.rover_9.speed_mps': -1.0}, 'rover_9', 'speed_mps'),
    ({'fleet.rover_9.skills': ['wheels'], 'fleet.rover_9.home': [1.0]}, 'rover_9', 'home')])
def test_wrong_fleet_names_robot_and_field(start, client, parameters, robot, field):
    node = start('fleet_allocator_node', **parameters)
    node.wait_for_log('cannot configure')
    line = next(line for line in node.log.splitlines() if 'cannot configure' in line)
    assert robot in line and field in line and 'Traceback' not in node.log
    client.wait_for_state(NODE, 'unconfigured')
    assert node.alive


def test_no_fleet_says_what_to_do(start, client):
    node = start('fleet_allocator_node')
    node.wait_for_log('cannot configure')
    assert 'fleet_warehouse.yaml' in node.log


def test_allocator_goes_through_its_states(start, client):
    node = start('fleet_allocator_node', autostart=False, **fleet_parameters())
    for _ in range(2):
        assert client.change(NODE, 'configure')
        refused = client.call(AllocateTasks, 'allocate_tasks')
        assert not refused.success and 'not active' in refused.message
        assert client.change(NODE, 'activate')
        assert client.call(AllocateTasks, 'allocate_tasks').success
        assert not client.set_parameter(NODE, 'max_team_size', 2).successful
        assert client.change(NODE, 'deactivate') and client.change(NODE, 'cleanup')
    assert client.set_parameter(NODE, 'max_team_size', 2).successful
    assert node.stop() == 0 and 'Traceback' not in node.log


def test_diagnostics_count_the_robots_that_never_reported(scene):
    """Although they get tasks, since nothing here requires a report: a name may be misspelt."""
    assert scene.client.spin_until(lambda: scene.diagnostics.values.get('never seen') == '5')
    assert scene.diagnostics.values['idle'] == '5'
    scene.silent.add('boat_1')
    assert scene.live(lambda: scene.diagnostics.values['never seen'] == '1')


def test_diagnostics_name_the_lost_robot(scene):
    scene.live(lambda: False, 0.3)
    scene.silent.add('boat_1')
    assert scene.live(lambda: scene.diagnostics.messages[-1] == 'lost contact with boat_1')
    values = scene.diagnostics.values
    assert scene.diagnostics.statuses[-1].level == DiagnosticStatus.WARN
    assert values['robots'] == '5' and values['lost'] == 'boat_1' and values['idle'] == '4'


def test_clocks_that_disagree_are_said(scene):
    scene.client.spin(5.0)  # what is replayed to a new allocator has come by then
    late = vector('late', 'fly')
    late.header.stamp.sec -= 3600
    scene.vectors.publish(late)
    assert scene.client.spin_until(
        lambda: scene.said('do the clocks of predictor and allocator agree?'))


def test_every_parameter_of_the_ledger_is_passed_on():
    """Its own defaults are others than the node's."""
    names = {field.name for field in dataclasses.fields(Settings)}
    assert set(LEDGER_PARAMETERS) == names - {'history', 'first_revision'}


@pytest.fixture
def limited(start, client):
    with playing(start, client, robot_timeout_s=600.0, max_waiting=1, min_battery=0.5,
                 max_team_size=1, require_states=True) as scene:
        yield scene


def test_the_limits_of_the_fleet_count(limited):
    scene = limited

    def reported() -> bool:
        scene.report('drone_1', battery=0.4)
        scene.report('boat_1')
        return scene.diagnostics.values['never seen'] == '3'
    assert scene.client.spin_until(reported)
    together, = scene.allocate(vector('together', 'fly', 'surface_water')).allocations
    assert together.status == TaskAllocation.STATUS_IMPOSSIBLE, together.reason
    assert 'at most 1 may share' in together.reason
    low, = scene.allocate(vector('low', 'fly')).allocations
    assert low.status == TaskAllocation.STATUS_WAITING and 'low on battery' in low.reason
    refused = scene.allocate(vector('unheard', 'wheels'))
    assert not refused.success and 'at most 1 may' in refused.message and not refused.allocations
    scene.vectors.publish(vector('unheard', 'wheels'))
    assert scene.client.spin_until(
        lambda: scene.said("task 'unheard' not taken: 2 tasks would wait, and at most 1 may"))
    assert scene.latest('unheard') is None


@pytest.fixture
def impatient(start, client):
    with playing(start, client, robot_timeout_s=600.0, acknowledge_timeout_s=0.75,
                 assumed_duration_s=1.5) as scene:
        yield scene


def test_robots_that_take_nothing_up_or_say_nothing(impatient):
    """For how long that is borne is the parameters' to say."""
    scene = impatient

    def moved() -> TaskAllocation | None:
        return next((message for message in scene.seen if message.task_id == 'roll'
                     and list(message.robot_ids) == ['rover_2']), None)
    scene.silent.add('drone_1')
    assert scene.live(lambda: scene.diagnostics.values['never seen'] == '1')
    scene.allocate(vector('roll', 'wheels'), vector('look', 'fly'))
    assert scene.live(moved, 30.0)
    assert 'rover_1 did not take up the task within 0.75 s' in moved().reason
    assert scene.live(lambda: scene.is_now('look', TaskAllocation.STATUS_COMPLETED), 30.0)
    assert 'drone_1 is assumed to have finished' in scene.latest('look').reason
