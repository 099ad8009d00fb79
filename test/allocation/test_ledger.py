"""Tasks that come into the ledger: submitted, changed, previewed."""

import math

from allocation_helpers import fly, ledger_of, robot, short, snapshot, task
import pytest

from skill_predictor.allocation.ledger import Settings
from skill_predictor.allocation.tasks import Status

ASSIGNED, TEAM, WAITING = Status.ASSIGNED, Status.TEAM, Status.WAITING
COMPLETED, EXPIRED = Status.COMPLETED, Status.EXPIRED


def flier(name='a'):
    return robot(name, 'fly')


# --- settings ---------------------------------------------------------------------------------

@pytest.mark.parametrize('name, value', [
    ('robot_timeout_s', 0.0), ('acknowledge_timeout_s', -1.0), ('assumed_duration_s', math.nan),
    ('max_team_size', 0), ('min_battery', 1.1), ('min_battery', -0.1), ('max_waiting', -1),
    ('history', -1), ('first_revision', -1)])
def test_settings_out_of_range_are_named(name, value):
    with pytest.raises(ValueError, match=name):
        ledger_of(flier(), **{name: value})


def test_settings_at_their_limits_and_by_default():
    for min_battery in (0.0, 1.0):
        ledger_of(flier(), min_battery=min_battery, max_waiting=0, history=0, max_team_size=1)
    assert Settings() == Settings(
        robot_timeout_s=5.0, acknowledge_timeout_s=10.0, require_states=False,
        assumed_duration_s=60.0, max_team_size=4, min_battery=0.15, max_waiting=1000,
        history=1000, first_revision=0)


def test_settings_reach_the_choice():
    duo = robot('w', 'wheels'), robot('h', 'hands')
    assert short(ledger_of(*duo).submit(task('wheels', 'hands'), 0.0)) == [
        ('t', TEAM, ('h', 'w'))]
    assert short(ledger_of(*duo, max_team_size=1).submit(task('wheels', 'hands'), 0.0)) == [
        ('t', Status.IMPOSSIBLE, ())]
    ledger = ledger_of(flier(), min_battery=0.5)
    ledger.report('a', 0.0, battery=0.4)
    assert short(ledger.submit(fly('t'), 0.0)) == [('t', WAITING, ())]


@pytest.mark.parametrize('now', [math.nan, math.inf, -math.inf])
def test_a_time_that_is_none_is_refused(now):
    ledger = ledger_of(flier())
    for call in (lambda: ledger.submit(fly('t'), now), lambda: ledger.tick(now),
                 lambda: ledger.report('a', now), lambda: ledger.cancel('t', now),
                 lambda: ledger.preview([fly('t')], now), lambda: ledger.robots(now)):
        with pytest.raises(ValueError, match='finite'):
            call()


# --- submit -----------------------------------------------------------------------------------

def test_a_decision_says_all():
    decision, = ledger_of(robot('a', 'fly', 'hands', 'legs')).submit(
        task('hands', 'fly', task_id='x'), 0.0)
    assert (decision.task_id, decision.required, decision.revision) == ('x', ('fly', 'hands'), 0)
    assert (decision.choice.status, decision.choice.score) == (ASSIGNED, 1.0)
    assert 'a is the only robot free' in decision.choice.reason


def test_every_kind_of_first_decision_is_recorded():
    ledger = ledger_of(flier())
    decisions = [ledger.submit(request, 0.0)[0] for request in (
        fly('1'), fly('2'), task('legs', task_id='3'), task(task_id='4'),
        fly('5', deadline=0.0))]
    assert short(decisions) == [
        ('1', ASSIGNED, ('a',)), ('2', WAITING, ()), ('3', Status.IMPOSSIBLE, ()),
        ('4', Status.NOT_PHYSICAL, ()), ('5', EXPIRED, ())]
    assert decisions[2].choice.missing == ('legs',)
    assert decisions == [ledger.status_of(decision.task_id) for decision in decisions]
    assert ledger.assignments() == {'1': ('a',)} and ledger.waiting() == ('2',)
    assert ledger.status_of('6') is None


def test_the_same_task_again_changes_nothing():
    ledger = ledger_of(flier())
    for request in (fly('1'), fly('2'), task('legs', task_id='3'), task(task_id='4')):
        first = ledger.submit(request, 0.0)
        assert ledger.submit(request, 1.0) == []
        assert ledger.status_of(request.task_id) == first[0]


def test_a_finished_task_is_not_done_again():
    ledger = ledger_of(flier())
    ledger.submit(fly('1', duration_s=5.0), 0.0)
    assert short(ledger.tick(5.0)) == [('1', COMPLETED, ('a',))]
    assert ledger.submit(fly('1', duration_s=5.0), 6.0) == []
    assert ledger.assignments() == {}


def test_changed_content_is_decided_again_and_the_old_robots_get_free():
    ledger = ledger_of(robot('a', 'fly'), robot('b', 'legs'))
    ledger.submit(fly('1'), 0.0)
    ledger.submit(fly('2'), 0.0)
    decisions = ledger.submit(task('legs', task_id='1'), 1.0)
    assert short(decisions) == [('1', ASSIGNED, ('b',)), ('2', ASSIGNED, ('a',))]
    assert [decision.revision for decision in decisions] == [1, 1]
    assert decisions[0].required == ('legs',)
    assert ledger.assignments() == {'1': ('b',), '2': ('a',)}
    assert ledger.waiting() == ()


def test_changed_content_of_a_waiting_and_of_a_finished_task_is_decided_again():
    ledger = ledger_of(robot('a', 'fly'), robot('b', 'legs'))
    ledger.submit_many([fly('1'), fly('2'), task(task_id='3')], 0.0)
    assert short(ledger.submit(task('legs', task_id='2'), 1.0)) == [('2', ASSIGNED, ('b',))]
    assert short(ledger.submit(task('hands', task_id='3'), 1.0)) == [
        ('3', Status.IMPOSSIBLE, ())]
    assert ledger.waiting() == ()


def test_other_words_are_another_task():
    ledger = ledger_of(flier())
    ledger.submit(fly('1', text='inspect bridge A'), 0.0)
    ledger.report('a', 1.0, current_task_id='1')
    assert ledger.submit(fly('1', text='inspect bridge A'), 2.0) == []
    decision, = ledger.submit(fly('1', text='inspect bridge B'), 2.0)
    assert short([decision]) == [('1', ASSIGNED, ('a',))] and decision.revision == 1
    ledger.report('a', 3.0, current_task_id='1')
    assert short(ledger.report('a', 4.0)) == [('1', COMPLETED, ('a',))]
    assert short(ledger.submit(fly('1', text='inspect bridge C'), 5.0)) == [
        ('1', ASSIGNED, ('a',))]


def test_changed_content_stays_with_its_holder_before_others_that_are_at_it():
    ledger = ledger_of(flier('a'), flier('b'))
    ledger.report('a', 0.0, current_task_id='own')
    ledger.submit(fly('1'), 0.0)
    assert ledger.assignments() == {'1': ('b',)}
    ledger.report('a', 1.0, current_task_id='1')
    ledger.report('b', 1.0, current_task_id='1')
    again = ledger.submit_many([fly('1', duration_s=8.0), fly('1', duration_s=9.0)], 1.0)
    assert short(again) == [('1', ASSIGNED, ('b',))]


def test_changed_content_keeps_the_robot_that_is_at_it_if_it_still_can():
    ledger = ledger_of(robot('a', 'fly'), robot('b', 'fly', 'legs', payload_kg=9.0))
    ledger.submit(fly('1', payload_kg=5.0), 0.0)
    ledger.report('b', 1.0, current_task_id='1')
    again = ledger.submit(fly('1'), 1.0)
    assert short(again) == [('1', ASSIGNED, ('b',))] and again[0].revision == 1
    assert 'already working' in again[0].choice.reason
    ledger.report('b', 1.5, current_task_id='1')
    assert short(ledger.report('b', 2.0)) == [('1', COMPLETED, ('b',))]


def test_a_higher_priority_waiting_task_gets_what_a_changed_task_sets_free():
    ledger = ledger_of(flier(), robot('b', 'legs'))
    ledger.submit(fly('1'), 0.0)
    ledger.submit(fly('2', priority=2), 0.0)
    decisions = ledger.submit_many([task('legs', task_id='1'), fly('3')], 1.0)
    assert short(decisions) == [
        ('2', ASSIGNED, ('a',)), ('1', ASSIGNED, ('b',)), ('3', WAITING, ())]


def test_many_are_served_by_priority_then_order_of_arrival():
    ledger = ledger_of(flier('a'), flier('b'))
    decisions = ledger.submit_many(
        [fly('low', priority=0), fly('n1'), fly('n2'), fly('high', priority=3)], 0.0)
    assert short(decisions) == [
        ('high', ASSIGNED, ('a',)), ('n1', ASSIGNED, ('b',)), ('n2', WAITING, ()),
        ('low', WAITING, ())]
    ledger.submit(fly('n3'), 1.0)
    ledger.submit(fly('higher', priority=2), 1.0)
    assert ledger.waiting() == ('higher', 'n2', 'n3', 'low')


def test_of_two_versions_in_one_call_the_last_counts():
    ledger = ledger_of(flier(), robot('b', 'legs'))
    decisions = ledger.submit_many([fly('1'), task('legs', task_id='1'), fly('2'), fly('2')], 0.0)
    assert short(decisions) == [('1', ASSIGNED, ('b',)), ('2', ASSIGNED, ('a',))]
    assert ledger.submit_many([], 0.0) == []


def test_arrivals_stay_in_order_after_changes():
    ledger = ledger_of(flier())
    ledger.submit_many([fly('held'), fly('1'), fly('2')], 0.0)
    ledger.submit_many([fly('1', payload_kg=0.0, duration_s=5.0), fly('3')], 0.0)
    ledger.submit(fly('4'), 0.0)
    assert ledger.waiting() == ('1', '2', '3', '4')


def test_a_task_that_was_over_goes_to_the_end_of_the_queue():
    ledger = ledger_of(flier())
    ledger.submit(fly('patrol'), 0.0)
    ledger.report('a', 1.0, current_task_id='patrol')
    assert short(ledger.report('a', 2.0)) == [('patrol', COMPLETED, ('a',))]
    ledger.submit_many([fly('held'), fly('1'), fly('2')], 3.0)
    ledger.submit_many([fly('patrol', duration_s=8.0), fly('3'),
                        fly('patrol', duration_s=9.0)], 4.0)
    assert ledger.waiting() == ('1', '2', 'patrol', '3')


# --- preview ----------------------------------------------------------------------------------

def test_a_preview_changes_nothing_and_agrees_with_what_follows():
    ledger = ledger_of(flier('a'), flier('b'), robot('c', 'legs'))
    ledger.submit_many([fly('0'), task('legs', task_id='1'), task('legs', task_id='2')], 0.0)
    before = snapshot(ledger)
    batch = [fly('3', priority=0), fly('4'), task('hands', task_id='5'),
             task('fly', task_id='1'), fly('0')]
    preview = ledger.preview(batch, 50.0)
    assert snapshot(ledger) == before
    assert short(preview) == [
        ('3', WAITING, ()), ('4', WAITING, ()), ('5', Status.IMPOSSIBLE, ()),
        ('1', ASSIGNED, ('b',)), ('0', ASSIGNED, ('a',))]  # 1 keeps its place before 4
    # An earlier time is not an event for the ledger either: nothing was done at 50.
    assert ledger.tick(1.0) == []
    done = {decision.task_id: decision for decision in ledger.submit_many(batch, 1.0)}
    assert [done.get(decision.task_id, preview[-1]) for decision in preview] == preview
    assert short([done['2']]) == [('2', ASSIGNED, ('c',))]


def test_a_preview_is_in_the_order_given():
    ledger = ledger_of(flier('a'))
    assert short(ledger.preview([fly('1'), fly('2', priority=3), fly('1')], 0.0)) == [
        ('1', WAITING, ()), ('2', ASSIGNED, ('a',)), ('1', WAITING, ())]
