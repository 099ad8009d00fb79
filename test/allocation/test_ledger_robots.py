"""What the reports of robots do to tasks in the ledger."""

import math

from allocation_helpers import alive, fliers, fly, ledger_of, robot, short, task
import pytest

from skill_predictor.allocation.ledger import UnknownRobotError
from skill_predictor.allocation.tasks import Status

ASSIGNED, TEAM, WAITING = Status.ASSIGNED, Status.TEAM, Status.WAITING
COMPLETED = Status.COMPLETED


def test_a_robot_outside_the_fleet_is_refused():
    with pytest.raises(UnknownRobotError, match="'c' is not a robot of the fleet; .* a, b"):
        fliers('ab').report('c', 0.0)


@pytest.mark.parametrize('battery', [85.0, 1.01])
def test_a_battery_in_per_cent_is_refused_and_not_recorded(battery):
    ledger = fliers('a')
    with pytest.raises(ValueError, match=f'battery of a must be a fraction .* not {battery}'):
        ledger.report('a', 3.0, battery=battery)
    assert ledger.robots(3.0)['a'].report_age_s == 3.0


def test_an_empty_battery_is_not_an_unknown_one():
    ledger = fliers('a')
    ledger.report('a', 0.0, battery=0.0)
    assert ledger.robots(0.0)['a'].battery == 0.0
    assert short(ledger.submit(fly('t'), 0.0)) == [('t', WAITING, ())]


@pytest.mark.parametrize('battery', [None, -1.0, math.nan])
def test_an_unknown_battery_is_none(battery):
    ledger = fliers('a')
    ledger.report('a', 0.0, battery=battery)
    assert ledger.robots(0.0)['a'].battery is None
    assert short(ledger.submit(fly('t'), 0.0)) == [('t', ASSIGNED, ('a',))]


def test_the_reported_position_counts_and_without_it_the_home():
    ledger = ledger_of(robot('a', 'fly'), robot('b', 'fly', home=(50.0, 0.0, 0.0)))
    there = {'location': (60.0, 0.0, 0.0), 'frame': 'map'}
    assert ledger.preview([fly('t', **there)], 0.0)[0].choice.robots == ('b',)
    ledger.report('a', 0.0, position=(59.0, 0.0, 0.0), frame='map')
    assert ledger.preview([fly('t', **there)], 0.0)[0].choice.robots == ('a',)
    for unknown in ({'position': (59.0, 0.0, 0.0)}, {'frame': 'map'},
                    {'position': (59.0, math.nan, 0.0), 'frame': 'map'}):
        ledger.report('a', 0.0, **unknown)
        assert ledger.preview([fly('t', **there)], 0.0)[0].choice.robots == ('b',)


def test_a_robot_that_stops_reporting_its_task_has_finished_and_gets_the_next():
    ledger = fliers('a')
    ledger.submit_many([fly('1'), fly('2', priority=0), fly('3')], 0.0)
    assert ledger.report('a', 1.0, current_task_id='1') == []
    done, given = ledger.report('a', 2.0)
    assert short([done, given]) == [('1', COMPLETED, ('a',)), ('3', ASSIGNED, ('a',))]
    assert done.choice.reason == 'a finished' and done.revision == 1
    assert ledger.waiting() == ('2',) and ledger.assignments() == {'3': ('a',)}


def test_a_robot_that_was_never_seen_at_its_task_has_not_finished():
    ledger = fliers('a')
    ledger.submit(fly('1'), 0.0)
    assert ledger.report('a', 1.0) == [] and ledger.report('a', 2.0) == []
    assert ledger.assignments() == {'1': ('a',)}


def test_a_robot_that_said_nothing_since_it_got_a_task_has_not_ignored_it():
    ledger = fliers('ab', robot_timeout_s=60.0, acknowledge_timeout_s=10.0)
    ledger.submit(fly('1'), 0.0)
    assert ledger.tick(10.1) == []
    ledger.report('b', 11.0)
    assert ledger.tick(20.0) == []
    ledger.report('a', 24.0)
    assert short(ledger.tick(24.0)) == [('1', ASSIGNED, ('b',))]


def test_a_robot_that_goes_on_to_a_job_of_its_own_has_finished_and_is_busy():
    ledger = fliers('a')
    ledger.submit_many([fly('1'), fly('2')], 0.0)
    ledger.report('a', 1.0, current_task_id='1')
    assert short(ledger.report('a', 2.0, current_task_id='mine')) == [('1', COMPLETED, ('a',))]
    view = ledger.robots(2.0)['a']
    assert (view.state, view.task_id) == ('busy', 'mine')
    assert short(ledger.report('a', 3.0)) == [('2', ASSIGNED, ('a',))]


def test_a_robot_with_a_job_of_its_own_gets_nothing():
    ledger = fliers('a')
    ledger.report('a', 1.0, current_task_id='mine')
    decision, = ledger.submit(fly('1'), 1.0)
    assert short([decision]) == [('1', WAITING, ())]
    assert decision.choice.reason == 'a could do it, but is busy with mine'


def test_all_members_must_finish_and_each_is_free_when_it_has():
    ledger = ledger_of(robot('w', 'wheels'), robot('h', 'hands'))
    ledger.submit_many([task('wheels', 'hands'), task('hands', task_id='next')], 0.0)
    alive(ledger, 1.0, 'wh', current_task_id='t')
    assert short(ledger.report('h', 2.0)) == [('next', ASSIGNED, ('h',))]
    assert ledger.assignments() == {'t': ('w',), 'next': ('h',)}
    assert ledger.status_of('t').choice.status is TEAM
    done, = ledger.report('w', 3.0)
    assert short([done]) == [('t', COMPLETED, ('h', 'w'))]
    assert done.choice.reason == 'h and w finished'


def test_an_unavailable_robot_loses_its_task_to_another_at_once():
    ledger = fliers('ab')
    ledger.submit(fly('1'), 0.0)
    ledger.report('a', 1.0, current_task_id='1')
    decision, = ledger.report('a', 2.0, available=False, current_task_id='1')
    assert short([decision]) == [('1', ASSIGNED, ('b',))] and decision.revision == 1
    assert decision.choice.reason.startswith('a became unavailable; b is the only robot free')
    assert ledger.robots(2.0)['a'].state == 'unavailable'


def test_a_robot_that_turns_unavailable_has_not_finished():
    ledger = fliers('a')
    ledger.submit(fly('1'), 0.0)
    ledger.report('a', 1.0, current_task_id='1')
    assert short(ledger.report('a', 2.0, available=False)) == [('1', WAITING, ())]
    assert short(ledger.report('a', 3.0)) == [('1', ASSIGNED, ('a',))]


def test_a_team_that_loses_a_member_is_formed_again_whole():
    ledger = ledger_of(robot('w', 'wheels'), robot('h', 'hands'),
                       robot('x', 'wheels', 'hands', 'fly'), robot('y', 'wheels', 'legs'))
    ledger.report('x', 0.0, current_task_id='mine')
    ledger.submit(task('wheels', 'hands'), 0.0)
    ledger.submit(task('wheels', task_id='next'), 0.0)
    assert ledger.assignments() == {'t': ('h', 'w'), 'next': ('y',)}
    ledger.submit(task('fly', 'hands', task_id='last'), 0.0)
    ledger.report('x', 1.0)  # it gets the last one
    assert ledger.assignments()['last'] == ('x',)
    decisions = ledger.report('w', 2.0, available=False)
    assert short(decisions) == [('t', WAITING, ())]
    assert ledger.assignments() == {'next': ('y',), 'last': ('x',)}  # h is free again
    ledger.report('y', 3.0, current_task_id='next')
    assert short(ledger.report('y', 4.0)) == [
        ('next', COMPLETED, ('y',)), ('t', TEAM, ('h', 'y'))]


def test_a_member_that_is_at_it_may_stay_in_the_new_team():
    ledger = ledger_of(robot('w', 'wheels'), robot('h', 'hands'), robot('y', 'wheels', 'fly'))
    ledger.submit(task('wheels', 'hands'), 0.0)
    alive(ledger, 1.0, 'hw', current_task_id='t')
    assert short(ledger.report('w', 2.0, available=False)) == [('t', TEAM, ('h', 'y'))]
    ledger.report('y', 3.0, current_task_id='t')
    assert ledger.report('y', 4.0) == []
    assert short(ledger.report('h', 5.0)) == [('t', COMPLETED, ('h', 'y'))]  # was seen at it


def test_a_charged_battery_brings_waiting_tasks():
    ledger = fliers('a')
    ledger.report('a', 0.0, battery=0.1)
    decision, = ledger.submit(fly('1'), 0.0)
    assert 'a could do it, but is low on battery (10 %)' == decision.choice.reason
    assert ledger.report('a', 1.0, battery=0.14) == []
    assert short(ledger.report('a', 2.0, battery=0.15)) == [('1', ASSIGNED, ('a',))]


def test_a_battery_that_lasts_for_the_task_brings_it_at_the_next_tick():
    ledger = ledger_of(robot('a', 'fly', endurance_min=10.0))
    ledger.report('a', 0.0, battery=0.5)
    ledger.submit(fly('1', duration_s=500.0), 0.0)
    ledger.report('a', 1.0, battery=0.9)
    assert short(ledger.tick(1.0)) == [('1', ASSIGNED, ('a',))]


def test_views():
    ledger = ledger_of(robot('a', 'fly'), robot('b', 'legs'))
    ledger.report('a', 1.0, battery=0.5)
    ledger.submit(fly('1'), 1.0)
    a, b = ledger.robots(3.0).values()
    assert (a.robot_id, a.state, a.task_id, a.battery, a.report_age_s) == (
        'a', 'busy', '1', 0.5, 2.0)
    assert (b.robot_id, b.state, b.task_id, b.battery, b.report_age_s) == (
        'b', 'idle', '', None, None)
