"""What silence, late answers, a new start and a clock that is set do in the ledger."""

from allocation_helpers import alive, fliers, fly, keep_alive, ledger_of, robot, short, task
import pytest

from skill_predictor.allocation.tasks import Status

ASSIGNED, TEAM, WAITING = Status.ASSIGNED, Status.TEAM, Status.WAITING
COMPLETED = Status.COMPLETED


# --- silence ----------------------------------------------------------------------------------

def test_a_silent_robot_loses_its_task_to_another():
    ledger = fliers('ab', robot_timeout_s=5.0)
    ledger.submit(fly('1'), 0.0)
    ledger.report('a', 1.0, current_task_id='1')
    alive(ledger, 6.0, 'b')
    assert ledger.tick(6.0) == []
    decision, = ledger.tick(6.1)
    assert short([decision]) == [('1', ASSIGNED, ('b',))]
    assert decision.choice.reason.startswith('lost contact with a; b is the only robot free')
    assert ledger.robots(6.1)['a'].state == 'lost'


def test_a_lost_robot_gets_nothing_even_before_the_tick():
    ledger = fliers('a')
    decision, = ledger.submit(fly('1'), 5.1)
    assert decision.choice.reason == 'a could do it, but is out of contact'


def test_two_lost_members_are_told_in_one_decision():
    ledger = ledger_of(robot('w', 'wheels'), robot('h', 'hands'))
    alive(ledger, 0.0, 'wh')
    ledger.submit(task('wheels', 'hands'), 0.0)
    decision, = ledger.tick(6.0)
    assert short([decision]) == [('t', WAITING, ())]
    assert decision.choice.reason.startswith('lost contact with h and w; h and w could do it')


def test_a_lost_robot_is_tried_again_when_it_returns():
    ledger = fliers('a')
    ledger.submit(fly('1'), 6.0)
    assert short(ledger.report('a', 7.0)) == [('1', ASSIGNED, ('a',))]


def test_a_returned_robot_does_not_get_its_task_back_from_another():
    ledger = fliers('ab')
    ledger.submit(fly('1'), 0.0)
    ledger.report('a', 1.0, current_task_id='1')
    alive(ledger, 6.5, 'b')
    assert short(ledger.tick(6.5)) == [('1', ASSIGNED, ('b',))]
    assert ledger.report('a', 7.0, current_task_id='1') == []
    assert ledger.assignments() == {'1': ('b',)}
    assert ledger.robots(7.0)['a'].state == 'busy'
    ledger.report('b', 8.0, current_task_id='1')
    assert ledger.report('a', 8.5) == []  # it stops, which finishes nothing
    assert short(ledger.report('b', 9.0)) == [('1', COMPLETED, ('b',))]


def test_a_returned_robot_that_is_still_at_a_task_of_nobody_keeps_it():
    ledger = fliers('a')
    ledger.submit(fly('1'), 0.0)
    ledger.report('a', 1.0, current_task_id='1')
    assert short(ledger.tick(7.0)) == [('1', WAITING, ())]
    decision, = ledger.report('a', 8.0, current_task_id='1')
    assert short([decision]) == [('1', ASSIGNED, ('a',))]
    assert decision.choice.reason == 'a is already working on it'


# --- robots that never report -----------------------------------------------------------------

def test_a_task_of_a_robot_that_never_reports_ends_after_its_duration():
    ledger = ledger_of(robot('a', 'fly'), assumed_duration_s=60.0)
    ledger.submit_many([fly('1', duration_s=20.0), fly('2')], 0.0)
    assert ledger.tick(19.9) == []
    done, given = ledger.tick(20.0)
    assert short([done, given]) == [('1', COMPLETED, ('a',)), ('2', ASSIGNED, ('a',))]
    assert done.choice.reason == 'a is assumed to have finished, for want of any report'
    assert ledger.tick(79.9) == []
    assert short(ledger.tick(80.0)) == [('2', COMPLETED, ('a',))]


def test_a_team_of_both_kinds_ends_when_both_have():
    ledger = ledger_of(robot('w', 'wheels'), robot('h', 'hands'), assumed_duration_s=10.0)
    ledger.report('w', 0.0)
    ledger.submit(task('wheels', 'hands'), 0.0)
    for second in range(1, 15):
        ledger.report('w', float(second), current_task_id='t')
        assert ledger.tick(float(second)) == []
    assert ledger.assignments() == {'t': ('w',)}
    done, = ledger.report('w', 15.0)
    assert done.choice.reason == 'w finished; h is assumed to have finished, for want of any report'


def test_what_was_assumed_of_an_earlier_team_is_forgotten():
    ledger = ledger_of(robot('w', 'wheels'), robot('h', 'hands'), robot('x', 'wheels', 'hands'),
                       assumed_duration_s=3.0)
    ledger.report('x', 0.0, current_task_id='own')
    ledger.submit(task('wheels', 'hands'), 0.0)
    ledger.report('w', 0.0, current_task_id='t')
    ledger.tick(3.0)
    ledger.report('x', 3.0)
    assert short(ledger.report('w', 3.0, available=False)) == [('t', ASSIGNED, ('x',))]
    ledger.report('x', 4.0, current_task_id='t')
    assert ledger.report('x', 5.0)[0].choice.reason == 'x finished'


def test_a_robot_that_reports_is_not_assumed_to_have_finished():
    ledger = fliers('a')
    ledger.submit(fly('1', duration_s=2.0), 0.0)
    ledger.report('a', 1.0, current_task_id='1')
    ledger.report('a', 4.0, current_task_id='1')
    assert ledger.tick(5.0) == []


def test_states_may_be_required():
    ledger = ledger_of(robot('a', 'fly'), require_states=True)
    decision, = ledger.submit(fly('1'), 0.0)
    assert decision.choice.reason == 'a could do it, but has not reported yet'
    assert ledger.tick(1.0) == [] and ledger.robots(1.0)['a'].state == 'unseen'
    assert short(ledger.report('a', 2.0)) == [('1', ASSIGNED, ('a',))]


# --- robots that do not take up a task --------------------------------------------------------

def test_a_robot_that_does_not_take_up_a_task_loses_it_to_another():
    ledger = fliers('ab', acknowledge_timeout_s=10.0)
    ledger.submit(fly('1'), 0.0)
    assert keep_alive(ledger, 1, 10, 'ab') == []
    decision, = keep_alive(ledger, 11, 11, 'ab')
    assert short([decision]) == [('1', ASSIGNED, ('b',))]
    assert decision.choice.reason.startswith('a did not take up the task within 10 s; b is')
    assert ledger.robots(11.0)['a'].state == 'idle'


def test_the_exclusion_is_lifted_after_one_more_timeout_when_nobody_else_can():
    ledger = fliers('a', acknowledge_timeout_s=10.0)
    ledger.submit(fly('1'), 0.0)
    decision, = keep_alive(ledger, 1, 20, 'a')
    assert short([decision]) == [('1', WAITING, ())]
    assert decision.choice.reason.endswith('; a could do it, but did not take up the task')
    assert short(keep_alive(ledger, 21, 21, 'a')) == [('1', ASSIGNED, ('a',))]
    assert short(keep_alive(ledger, 22, 32, 'a')) == [('1', WAITING, ())]
    assert short(ledger.submit(fly('2'), 32.0)) == [('2', ASSIGNED, ('a',))]  # only for that task


def test_others_go_before_an_excluded_robot_for_good():
    ledger = fliers('abc', acknowledge_timeout_s=10.0)
    ledger.submit(fly('1'), 0.0)
    keep_alive(ledger, 1, 11, 'abc')
    for second in range(12, 31):  # the exclusion of a would be over at 21
        ledger.report('b', float(second), current_task_id='1')
        keep_alive(ledger, second, second, 'ac')
    assert short(ledger.report('b', 30.0, available=False)) == [('1', ASSIGNED, ('c',))]
    assert short(ledger.report('c', 30.0, available=False)) == [('1', ASSIGNED, ('a',))]


def test_a_robot_that_begins_to_report_has_the_full_time_to_take_up_its_task():
    ledger = ledger_of(robot('a', 'fly'), assumed_duration_s=1000.0)
    ledger.submit(fly('1'), 0.0)
    ledger.report('a', 100.0)
    assert ledger.tick(100.0) == [] and keep_alive(ledger, 101, 110, 'a') == []
    assert short(keep_alive(ledger, 111, 111, 'a')) == [('1', WAITING, ())]


# --- a ledger that starts again ---------------------------------------------------------------

def test_a_new_ledger_adopts_the_task_that_a_robot_reports():
    ledger = ledger_of(robot('a', 'fly'), robot('b', 'fly'))
    ledger.report('b', 0.0, battery=0.1, current_task_id='1')
    decision, = ledger.submit(fly('1', deadline=-5.0), 1.0)
    assert short([decision]) == [('1', ASSIGNED, ('b',))]
    assert decision.choice.reason == 'b is already working on it'
    assert short(ledger.report('b', 2.0)) == [('1', COMPLETED, ('b',))]  # it was seen at it


def test_a_new_ledger_adopts_a_team_once_all_of_it_has_reported():
    ledger = ledger_of(robot('w', 'wheels'), robot('h', 'hands'), require_states=True)
    ledger.report('h', 0.0, current_task_id='t')
    assert short(ledger.submit(task('wheels', 'hands'), 0.0)) == [('t', WAITING, ())]
    assert short(ledger.report('w', 1.0, current_task_id='t')) == [('t', TEAM, ('h', 'w'))]


def test_a_robot_that_was_given_another_task_is_not_adopted():
    ledger = fliers('a')
    ledger.submit(fly('1'), 0.0)
    ledger.report('a', 1.0, current_task_id='2')
    assert short(ledger.submit(fly('2'), 1.0)) == [('2', WAITING, ())]
    assert ledger.assignments() == {'1': ('a',)}


@pytest.mark.parametrize('fields', [{'available': False}, {}])
def test_a_robot_that_is_away_is_not_adopted(fields):
    ledger = fliers('ab')
    ledger.report('a', 0.0, current_task_id='1', **fields)
    ledger.report('b', 5.5)
    assert short(ledger.submit(fly('1'), 5.5)) == [('1', ASSIGNED, ('b',))]


# --- time that goes back ----------------------------------------------------------------------

def test_small_steps_back_stand_still():
    ledger = fliers('a')
    ledger.report('a', 100.0)
    assert ledger.tick(97.0) == []
    ledger.report('a', 98.0)  # counts as 100
    assert ledger.tick(104.9) == [] and ledger.robots(104.9)['a'].state == 'idle'
    assert ledger.robots(105.1)['a'].state == 'lost'


def test_a_clock_that_starts_again_keeps_ages():
    ledger = fliers('ab', acknowledge_timeout_s=8.0)
    alive(ledger, 100.0, 'ab')
    ledger.submit_many([fly('1'), fly('2'), fly('3', deadline=110.0)], 100.0)
    ledger.report('b', 104.0, current_task_id='2')
    assert ledger.tick(0.0) == []  # stands for 104: a was silent for 4 s
    assert ledger.robots(0.0)['a'].report_age_s == 4.0
    assert short(ledger.tick(1.5)) == [('1', WAITING, ())]  # 5.5 s
    ledger.report('b', 1.5, current_task_id='2')
    assert short(ledger.report('a', 2.0)) == [('1', ASSIGNED, ('a',))]
    ledger.report('b', 5.0, current_task_id='2')
    ledger.report('a', 5.0, current_task_id='1')
    assert ledger.tick(6.5) == []  # deadlines do not move
    ledger.tick(110.0)
    assert ledger.status_of('3').choice.status is Status.EXPIRED


def test_time_for_taking_up_a_task_and_exclusions_move_with_the_clock():
    ledger = fliers('a', acknowledge_timeout_s=10.0)
    ledger.submit(fly('1'), 0.0)
    assert keep_alive(ledger, 1, 9, 'a') == []
    ledger.tick(-1000.0)  # stands for 9
    assert keep_alive(ledger, -999, -999, 'a') == []
    assert short(keep_alive(ledger, -998, -998, 'a')) == [('1', WAITING, ())]
    ledger.tick(-5000.0)
    assert keep_alive(ledger, -4999, -4991, 'a') == []
    assert short(keep_alive(ledger, -4990, -4990, 'a')) == [('1', ASSIGNED, ('a',))]


# --- time in which nobody could be heard -------------------------------------------------------

@pytest.mark.parametrize('gap', [60.0, -3600.0, 1e6])
def test_a_shift_leaves_every_robot_at_its_work(gap):
    ledger = fliers('ab', robot_timeout_s=5.0)
    ledger.submit(fly('1'), 100.0)
    ledger.report('a', 101.0, current_task_id='1')
    ledger.report('b', 101.0)
    ledger.shift(gap)
    assert ledger.tick(101.5 + gap) == []
    assert ledger.assignments() == {'1': ('a',)}
    assert {view.state for view in ledger.robots(101.5 + gap).values()} == {'busy', 'idle'}
    decision, = ledger.tick(107.0 + gap)
    assert decision.choice.status is WAITING, 'who stays silent is lost all the same'


def test_a_shift_before_anything_happened():
    ledger = fliers('a')
    ledger.shift(50.0)
    assert short(ledger.submit(fly('1'), 0.0)) == [('1', ASSIGNED, ('a',))]
