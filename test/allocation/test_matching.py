"""The choice of a single robot for one task, and what is said when there is none."""

from dataclasses import replace
import math
from pathlib import Path
import re

from allocation_helpers import at, here, robot, task
import pytest

from skill_predictor.allocation.matching import (
    choose, distance, RobotStatus, Status, TaskRequest)
from skill_predictor.taxonomy import UnknownSkillError


# --- data -------------------------------------------------------------------------------------

def test_status_values_are_those_of_the_message():
    message = Path(__file__).parents[2] / 'msg' / 'TaskAllocation.msg'
    constants = re.findall(r'^uint8 STATUS_(\w+)\s*=\s*(\d+)', message.read_text('utf-8'), re.M)
    assert {name: int(value) for name, value in constants} == {
        status.name: status.value for status in Status}


def test_a_task_is_put_in_order():
    request = TaskRequest('t', ('hands', 'fly', 'hands'), location=(1, 2, 3))
    assert request.required == ('fly', 'hands') and request.location == (1.0, 2.0, 3.0)
    assert request == TaskRequest('t', ('fly', 'hands'), location=[1.0, 2.0, 3.0])


@pytest.mark.parametrize('fields, name', [
    ({'task_id': ''}, 'task_id'), ({'deadline': math.nan}, 'deadline'),
    ({'deadline': math.inf}, 'deadline'), ({'duration_s': 0.0}, 'duration_s'),
    ({'duration_s': -1.0}, 'duration_s'), ({'duration_s': math.nan}, 'duration_s'),
    ({'duration_s': math.inf}, 'duration_s'), ({'payload_kg': -0.1}, 'payload_kg'),
    ({'payload_kg': math.nan}, 'payload_kg'), ({'payload_kg': math.inf}, 'payload_kg'),
    ({'location': (1.0, 2.0)}, 'location'), ({'location': (1.0, 2.0, math.nan)}, 'location')])
def test_a_task_out_of_range_is_refused(fields, name):
    with pytest.raises(ValueError, match=name):
        TaskRequest(**{'task_id': 't', 'required': ('fly',), **fields})


def test_a_task_with_an_unknown_skill_is_refused():
    with pytest.raises(UnknownSkillError):
        task('swim')


# --- one robot --------------------------------------------------------------------------------

def test_a_task_without_skills_is_not_physical_even_without_a_fleet():
    for fleet in ([], [at('a', 'fly')]):
        choice = choose(task(), fleet)
        assert (choice.status, choice.robots, choice.missing) == (Status.NOT_PHYSICAL, (), ())
        assert 'no physical skill' in choice.reason


def test_a_robot_with_all_the_skills_is_assigned():
    choice = choose(task('legs', 'hands'), [at('a', 'legs'), at('b', 'legs', 'hands', 'fly')])
    assert (choice.status, choice.robots, choice.missing) == (Status.ASSIGNED, ('b',), ())
    assert choice.score == 1.0  # one surplus skill
    assert choice.reason == 'b is the only robot free with legs, hands (battery unknown)'


def test_fewer_surplus_skills_outweigh_distance_and_battery():
    near = at('a', 'wheels', 'hands', x=0.0, battery=1.0)
    far = at('b', 'wheels', x=1e6, battery=0.15)
    choice = choose(here('wheels'), [near, far])
    assert choice.robots == ('b',)
    assert choice.reason == 'b suits best with wheels (1000000.0 m away, battery 15 %)'


def test_the_nearest_of_equally_fit_robots_is_taken():
    choice = choose(here('legs', 'hands'), [
        at('quad_2', 'legs', 'hands', x=30.0, battery=1.0),
        at('quad_1', 'legs', 'hands', x=12.0, battery=0.8)])
    assert choice.robots == ('quad_1',)
    assert choice.reason == 'quad_1 is nearest with legs, hands (12.0 m away, battery 80 %)'
    assert choice.score == pytest.approx(0.9 * 12 / 112 + 0.09 * 0.2)


def test_the_fullest_of_equally_near_robots_is_taken_and_unknown_counts_as_full():
    fleet = [at('a', 'fly', battery=0.5), at('b', 'fly', battery=0.9), at('c', 'fly', battery=0.7)]
    assert choose(here('fly'), fleet).robots == ('b',)
    assert choose(here('fly'), [*fleet, at('d', 'fly')]).robots == ('d',)


def test_a_fuller_battery_may_outweigh_a_metre_but_not_a_dozen():
    full, low = at('b', 'fly', x=1.0, battery=1.0), at('a', 'fly', x=0.0, battery=0.2)
    assert choose(here('fly'), [full, low]).robots == ('b',)
    assert choose(here('fly'), [replace(full, position=(12.0, 0.0, 0.0)), low]).robots == ('a',)


def test_equal_scores_go_by_name_whatever_the_order_of_the_fleet():
    fleet = [at(name, 'fly', x=5.0) for name in ('c', 'a', 'b')]
    assert choose(here('fly'), fleet).robots == choose(here('fly'), fleet[::-1]).robots == ('a',)


def test_without_a_location_or_its_frame_distance_does_not_count():
    fleet = [at('a', 'fly', x=900.0), at('b', 'fly', x=0.0)]
    for request in (task('fly'), task('fly', frame='map'), task('fly', location=(0, 0, 0))):
        choice = choose(request, fleet)
        assert (choice.robots, choice.score) == (('a',), 0.0)
        assert 'suits best with fly (battery unknown)' in choice.reason


def test_a_robot_in_another_frame_counts_as_far_away():
    lost = at('a', 'fly', x=0.0, frame='odom')
    assert distance(here('fly'), lost) == math.inf
    assert choose(here('fly'), [lost, at('b', 'fly', x=5000.0)]).robots == ('b',)
    choice = choose(here('fly'), [lost, replace(lost, robot=robot('c', 'fly'))])
    assert choice.robots == ('a',) and choice.score == pytest.approx(0.9)
    assert 'distance unknown' in choice.reason and 'nearest' not in choice.reason


def test_a_robot_without_a_position_is_at_home():
    home = RobotStatus(robot('a', 'fly', home=(3.0, 4.0, 0.0), home_frame='yard'))
    request = task('fly', location=(0, 0, 0), frame='yard')
    assert distance(request, home) == 5.0
    assert distance(here('fly'), home) == math.inf


def test_distance_is_in_three_dimensions():
    status = replace(at('a', 'fly'), position=(2.0, 3.0, 6.0))
    assert distance(here('fly'), status) == 7.0


# --- limits -----------------------------------------------------------------------------------

def test_payload_must_be_carried_by_the_robot():
    fleet = [at('a', 'wheels'), at('b', 'wheels', 'hands', payload_kg=10.0)]
    assert choose(task('wheels'), fleet).robots == ('a',)
    assert choose(task('wheels', payload_kg=10.0), fleet).robots == ('b',)
    choice = choose(task('wheels', payload_kg=10.1), fleet)
    assert (choice.status, choice.missing) == (Status.IMPOSSIBLE, ())
    assert choice.reason == ('nobody for wheels can carry 10.1 kg (the strongest carries 10 kg)')


def test_payload_survives_the_single_precision_of_messages():
    as_float32 = 30.100000381469727
    assert choose(task('wheels', payload_kg=as_float32),
                  [at('a', 'wheels', payload_kg=30.1)]).status is Status.ASSIGNED


def test_endurance_must_cover_the_duration_at_the_present_battery():
    fleet = [at('a', 'fly', battery=0.5, endurance_min=20.0)]
    assert choose(task('fly', duration_s=600.0), fleet).status is Status.ASSIGNED
    choice = choose(task('fly', duration_s=660.0), fleet)
    assert choice.status is Status.WAITING
    assert choice.reason == ('a could do it, but has battery for 10.0 min, '
                             'not for the 11.0 min of the task')
    full = [replace(fleet[0], battery=None)]
    assert choose(task('fly', duration_s=1200.0), full).status is Status.ASSIGNED
    never = choose(task('fly', duration_s=1260.0), full)
    assert (never.status, never.missing) == (Status.IMPOSSIBLE, ())
    assert never.reason == 'nobody for fly lasts 21.0 min (the best battery lasts 20.0 min)'
    others = [at('b', 'legs', endurance_min=99.0), *full]
    assert choose(task('fly', duration_s=1260.0), others).reason == never.reason
    busy = [replace(full[0], busy_with='x')]
    assert choose(task('fly', duration_s=1200.0), busy).status is Status.WAITING


def test_endurance_must_cover_the_way():
    slow = at('a', 'wheels', x=130.0, endurance_min=2.0, speed_mps=1.0)
    assert choose(here('wheels'), [slow]).status is Status.WAITING
    quick = replace(slow, robot=replace(slow.robot, speed_mps=2.0))
    assert choose(here('wheels'), [quick]).status is Status.ASSIGNED
    elsewhere = replace(slow, frame='odom')  # the way is unknown, so it is not held against it
    assert choose(here('wheels'), [elsewhere]).status is Status.ASSIGNED


def test_a_low_battery_is_waited_for():
    fleet = [at('a', 'fly', battery=0.149)]
    choice = choose(task('fly'), fleet)
    assert choice.status is Status.WAITING
    assert choice.reason == 'a could do it, but is low on battery (15 %)'
    assert choose(task('fly'), fleet, min_battery=0.149).status is Status.ASSIGNED
    assert choose(task('fly'), [at('a', 'fly')], min_battery=1.0).status is Status.ASSIGNED


# --- nobody -----------------------------------------------------------------------------------

def test_missing_skills_make_a_task_impossible():
    choice = choose(task('hands', 'under_water', 'fly'), [at('a', 'hands', busy='x')])
    assert (choice.status, choice.robots) == (Status.IMPOSSIBLE, ())
    assert choice.missing == ('fly', 'under_water')
    assert choice.reason == 'no robot of the fleet has fly or under_water'
    assert choose(task('fly'), []).missing == ('fly',)


def test_a_busy_robot_is_waited_for_and_named():
    choice = choose(task('fly'), [at('amr_2', 'fly', busy='task-7'), at('b', 'legs')])
    assert (choice.status, choice.robots, choice.score) == (Status.WAITING, (), 0.0)
    assert choice.reason == 'amr_2 could do it, but is busy with task-7'


def test_a_robot_that_is_at_this_very_task_is_not_busy():
    assert choose(task('fly'), [at('a', 'fly', busy='t')]).status is Status.ASSIGNED


def test_an_unavailable_robot_is_waited_for_with_its_note():
    away = at('a', 'fly', available=False)
    assert choose(task('fly'), [away]).reason == 'a could do it, but is not available'
    lost = replace(away, note='is out of contact')
    choice = choose(task('fly'), [lost])
    assert (choice.status, choice.reason) == (
        Status.WAITING, 'a could do it, but is out of contact')


def test_an_excluded_robot_gets_nothing_but_makes_nothing_impossible():
    fleet = [at('a', 'fly'), at('b', 'fly', 'legs')]
    assert choose(task('fly'), fleet, excluded={'a'}).robots == ('b',)
    choice = choose(task('fly'), fleet, excluded={'a', 'b'})
    assert choice.status is Status.WAITING
    assert choice.reason == ('2 robots could do it, but a did not take up the task and '
                             'b did not take up the task')


def test_a_long_list_of_busy_robots_is_cut():
    choice = choose(task('fly'), [at(f'r{n}', 'fly', busy='x') for n in range(9)])
    assert choice.reason == ('9 robots could do it, but r0 is busy with x, r1 is busy with x, '
                             'r2 is busy with x and 6 more are not free either')
