"""A report from before a decision is no work on what was decided: nothing ends that nobody did.

Robots that a decision no longer names drop the task, and their next report says so; that must not
be taken for the end of the task when it has been given to them again meanwhile.
"""

from allocation_helpers import alive, fliers, fly, ledger_of, robot, short, task

from skill_predictor.allocation.tasks import Status

ASSIGNED, TEAM, WAITING = Status.ASSIGNED, Status.TEAM, Status.WAITING
COMPLETED = Status.COMPLETED


def test_a_member_that_dropped_the_task_of_its_broken_team_has_not_finished():
    ledger = ledger_of(robot('d', 'fly'), robot('b', 'surface_water'))
    alive(ledger, 0.0, 'db')
    ledger.submit_many([task('fly', 'surface_water', task_id='pair'),
                        task('surface_water', task_id='other')], 0.0)
    alive(ledger, 1.0, 'db', current_task_id='pair')
    assert short(ledger.report('d', 2.0, available=False)) == [('pair', WAITING, ())]
    assert short(ledger.report('d', 2.5)) == [('pair', TEAM, ('b', 'd'))]
    assert ledger.report('b', 2.9) == []  # it heard of the decision at 2.0
    assert ledger.assignments() == {'pair': ('b', 'd')}
    alive(ledger, 4.0, 'db', current_task_id='pair')
    ledger.report('d', 5.0)
    assert short(ledger.report('b', 5.0)) == [
        ('pair', COMPLETED, ('b', 'd')), ('other', ASSIGNED, ('b',))]


def test_a_task_that_is_cancelled_and_asked_for_again_is_done_again():
    ledger = fliers('a')
    ledger.submit(fly('1'), 0.0)
    ledger.report('a', 1.0, current_task_id='1')
    ledger.cancel('1', 2.0)
    assert short(ledger.submit(fly('1'), 2.1)) == [('1', ASSIGNED, ('a',))]
    assert ledger.report('a', 2.2) == []
    ledger.report('a', 3.0, current_task_id='1')
    assert short(ledger.report('a', 4.0)) == [('1', COMPLETED, ('a',))]


def test_the_end_of_the_earlier_content_is_not_that_of_the_new():
    ledger = fliers('a')
    ledger.submit(fly('1', location=(0.0, 0.0, 0.0), frame='map'), 0.0)
    ledger.report('a', 1.0, current_task_id='1')
    ledger.submit(fly('1', location=(90.0, 0.0, 0.0), frame='map'), 2.0)
    assert ledger.report('a', 2.05) == []
    assert ledger.assignments() == {'1': ('a',)}


def test_a_robot_that_was_out_of_contact_has_not_finished_what_it_drops():
    ledger = fliers('a')
    ledger.submit(fly('1'), 0.0)
    ledger.report('a', 1.0, current_task_id='1')
    assert short(ledger.tick(7.0)) == [('1', WAITING, ())]
    assert short(ledger.report('a', 7.5, current_task_id='1')) == [('1', ASSIGNED, ('a',))]
    assert ledger.report('a', 7.7) == []


def test_a_robot_that_was_unavailable_has_not_finished_what_it_drops():
    ledger = fliers('a')
    ledger.submit(fly('1'), 0.0)
    ledger.report('a', 1.0, current_task_id='1')
    ledger.report('a', 2.0, available=False, current_task_id='1')
    assert short(ledger.report('a', 2.2, current_task_id='1')) == [('1', ASSIGNED, ('a',))]
    assert ledger.report('a', 2.4) == []


def test_a_part_that_is_done_is_not_done_for_the_next_team():
    ledger = ledger_of(robot('w', 'wheels'), robot('h', 'hands'), robot('v', 'wheels', 'legs'))
    alive(ledger, 0.0, 'whv')
    ledger.submit(task('wheels', 'hands'), 0.0)
    alive(ledger, 1.0, 'wh', current_task_id='t')
    ledger.report('h', 2.0)
    assert short(ledger.report('w', 3.0, available=False)) == [('t', TEAM, ('h', 'v'))]
    assert ledger.report('h', 4.0) == []
    assert ledger.assignments() == {'t': ('h', 'v')}


def test_a_member_that_stays_in_the_team_goes_on():
    ledger = ledger_of(robot('w', 'wheels'), robot('h', 'hands'), robot('v', 'wheels', 'legs'))
    alive(ledger, 0.0, 'whv')
    ledger.submit(task('wheels', 'hands'), 0.0)
    alive(ledger, 1.0, 'wh', current_task_id='t')
    assert short(ledger.report('w', 2.0, available=False)) == [('t', TEAM, ('h', 'v'))]
    assert ledger.report('h', 2.5) == []  # it was named all the time, so this is its end
    assert ledger.assignments() == {'t': ('v',)}
