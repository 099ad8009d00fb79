"""Tasks that the ledger refuses, ends and forgets."""

from allocation_helpers import fly, ledger_of, robot, short, snapshot, task
import pytest

from skill_predictor.allocation.ledger import LedgerFullError
from skill_predictor.allocation.tasks import Status

ASSIGNED, WAITING, EXPIRED = Status.ASSIGNED, Status.WAITING, Status.EXPIRED


def flier(name='a'):
    return robot(name, 'fly')


# --- a full ledger ----------------------------------------------------------------------------

def test_a_full_ledger_refuses_and_records_nothing():
    ledger = ledger_of(flier(), robot('b', 'legs'), max_waiting=2)
    ledger.submit_many([fly('0'), fly('1'), fly('2')], 0.0)
    before = snapshot(ledger)
    for call in (ledger.submit_many, ledger.preview):
        with pytest.raises(LedgerFullError, match='3 tasks would wait, and at most 2 may'):
            call([task('legs', task_id='3'), fly('4')], 1.0)
        assert snapshot(ledger) == before
    # What need not wait, and what waits already, is still taken.
    assert short(ledger.submit(task('legs', task_id='3'), 1.0)) == [('3', ASSIGNED, ('b',))]
    assert short(ledger.submit(fly('2', duration_s=9.0), 1.0)) == [('2', WAITING, ())]
    assert short(ledger.submit(task('hands', task_id='5'), 1.0)) == [('5', Status.IMPOSSIBLE, ())]


def test_what_a_batch_sets_free_counts_before_the_ledger_is_full():
    ledger = ledger_of(flier(), robot('b', 'legs'), max_waiting=1)
    ledger.submit_many([fly('0'), fly('1')], 0.0)
    decisions = ledger.submit_many([task('legs', task_id='0'), fly('2')], 1.0)
    assert short(decisions) == [
        ('0', ASSIGNED, ('b',)), ('1', ASSIGNED, ('a',)), ('2', WAITING, ())]


def test_changed_tasks_that_go_on_waiting_count_too():
    ledger = ledger_of(flier(), max_waiting=2)
    ledger.submit_many([fly('0'), fly('1'), fly('2')], 0.0)
    with pytest.raises(LedgerFullError, match='3 tasks would wait'):
        ledger.submit_many([fly('2', duration_s=9.0), fly('3')], 1.0)


def test_a_ledger_beyond_its_limit_takes_what_need_not_wait():
    ledger = ledger_of(flier(), robot('b', 'legs'), max_waiting=1)
    ledger.submit_many([fly('0'), fly('1')], 0.0)
    ledger.report('a', 1.0, available=False)
    assert len(ledger.waiting()) == 2
    decisions = ledger.submit_many([task('legs', task_id='2'), fly('1', duration_s=9.0)], 1.0)
    assert short(decisions) == [('1', WAITING, ()), ('2', ASSIGNED, ('b',))]
    with pytest.raises(LedgerFullError):
        ledger.submit(fly('3'), 1.0)


def test_a_task_that_a_robot_gives_back_waits_even_in_a_full_ledger():
    ledger = ledger_of(flier(), max_waiting=1)
    ledger.submit_many([fly('0'), fly('1')], 0.0)
    assert short(ledger.report('a', 1.0, available=False)) == [('0', WAITING, ())]
    assert ledger.waiting() == ('0', '1')
    assert ledger_of(flier(), max_waiting=0).submit(fly('0'), 0.0)


# --- the end ----------------------------------------------------------------------------------

def test_a_waiting_task_expires_at_its_deadline_and_an_assigned_one_does_not():
    ledger = ledger_of(flier(), assumed_duration_s=1e6)
    ledger.submit_many([fly('0', deadline=10.0), fly('1', deadline=10.0)], 0.0)
    assert ledger.tick(9.9) == []
    decision, = ledger.tick(10.0)
    assert short([decision]) == [('1', EXPIRED, ())] and decision.revision == 1
    assert 'deadline passed' in decision.choice.reason
    assert ledger.waiting() == () and ledger.assignments() == {'0': ('a',)}
    assert ledger.tick(11.0) == []


def test_an_overdue_task_is_not_given_to_a_robot_that_gets_free():
    ledger = ledger_of(flier())
    ledger.report('a', 0.0, current_task_id='own')
    ledger.submit(fly('1', deadline=2.0), 0.0)
    assert short(ledger.report('a', 2.0)) == [('1', EXPIRED, ())]


def test_an_impossible_task_is_impossible_even_when_overdue():
    assert short(ledger_of(flier()).submit(task('legs', deadline=0.0), 5.0)) == [
        ('t', Status.IMPOSSIBLE, ())]


def test_a_cancelled_task_sets_its_robots_free():
    ledger = ledger_of(robot('a', 'fly', 'legs'), flier('b'))
    ledger.submit_many([fly('0'), fly('x')], 0.0)
    ledger.submit_many([task('legs', task_id='1'), fly('2')], 0.0)
    gone, given = ledger.cancel('x', 1.0)
    assert short([gone, given]) == [('x', Status.CANCELLED, ()), ('1', ASSIGNED, ('a',))]
    assert gone.revision == 1 and 'cancelled' in gone.choice.reason
    assert short(ledger.cancel('2', 1.0)) == [('2', Status.CANCELLED, ())]
    assert ledger.waiting() == ()
    for task_id in ('x', '2', 'nobody knows'):
        assert ledger.cancel(task_id, 2.0) == []


def test_a_cancelled_task_may_be_submitted_again_with_a_higher_revision():
    ledger = ledger_of(flier())
    ledger.submit(fly('0'), 0.0)
    ledger.cancel('0', 1.0)
    decision, = ledger.submit(fly('0'), 2.0)
    assert short([decision]) == [('0', ASSIGNED, ('a',))] and decision.revision == 2


def test_a_robot_that_is_still_at_a_cancelled_task_is_not_free():
    ledger = ledger_of(flier())
    ledger.submit_many([fly('0'), fly('1')], 0.0)
    ledger.report('a', 1.0, current_task_id='0')
    assert short(ledger.cancel('0', 1.0)) == [('0', Status.CANCELLED, ())]
    assert ledger.robots(1.0)['a'].state == 'busy'
    assert short(ledger.report('a', 2.0)) == [('1', ASSIGNED, ('a',))]


def test_only_the_newest_finished_tasks_are_remembered():
    ledger = ledger_of(flier(), history=2)
    ledger.submit(fly('held'), 0.0)
    ledger.submit(fly('waits'), 0.0)
    for number in range(5):
        ledger.submit(task('legs', task_id=str(number)), 0.0)
    ledger.tick(0.0)
    known = [ledger.status_of(str(number)) is not None for number in range(5)]
    assert known == [False, False, False, True, True]
    assert ledger.status_of('held') and ledger.status_of('waits')
    # One that was forgotten is new, but its revisions go on; one decided again is the newest.
    fourth = ledger.status_of('4').revision
    again, = ledger.submit(task('legs', task_id='0'), 0.0)
    assert again.revision > 0
    assert ledger.submit(task('hands', task_id='4'), 0.0)[0].revision == fourth + 1
    assert ledger.submit(fly('0'), 0.0)[0].revision == again.revision + 1
    ledger.submit(task('legs', task_id='5'), 0.0)
    ledger.tick(0.0)
    assert ledger.status_of('4') and ledger.status_of('5') and '0' in ledger.waiting()
    assert ledger.status_of('3') is None


def test_nothing_need_be_remembered():
    ledger = ledger_of(flier(), history=0)
    assert len(ledger.submit(task('legs'), 0.0)) == 1
    assert ledger.status_of('t')  # until the next event
    assert ledger.preview([task('legs')], 0.0)[0].revision == 1
    assert ledger.status_of('t') is None


def test_a_forgotten_task_comes_back_with_a_higher_revision():
    ledger = ledger_of(flier(), history=0, first_revision=7)
    assert ledger.submit(fly('0'), 0.0)[0].revision == 7
    for duration_s in (1.0, 2.0, 3.0):
        ledger.submit(fly('0', duration_s=duration_s), 0.0)
    assert ledger.cancel('0', 1.0)[0].revision == 11
    assert ledger.submit(fly('0'), 2.0)[0].revision == 12


def test_all_decisions_of_one_call_are_known_until_the_next():
    ledger = ledger_of(flier(), history=2)
    batch = [task('legs', task_id=str(number)) for number in range(9)]
    decisions = ledger.submit_many(batch, 0.0)
    assert [ledger.status_of(str(number)) for number in range(9)] == decisions
    ledger.tick(0.0)
    assert [ledger.status_of(str(number)) for number in range(9)] == [None] * 7 + decisions[7:]
