"""Tasks and answers of a running graph find each other; every kind of trouble is counted."""

from __future__ import annotations

import json

from skill_predictor.evaluation.bags.events import RecordedTask
from skill_predictor.evaluation.bags.live import LiveRun
from skill_predictor.evaluation.bags.naming import Names
from skill_predictor.evaluation.bags.readable import readable_by
from skill_predictor.inference.locations import find_model

FLY = (True,) + (False,) * 5


def recorded(name, text='fly'):
    return RecordedTask(0, '/tasks', name, text)


def test_every_task_answered_once():
    run = LiveRun(10.0)
    run.ask('a', 'fly', 1.0)
    run.ask('b', 'sweep', 2.0)
    assert run.pending(2.0) == 2
    run.answer('b', 'sweep', FLY, 2.5, 'model+1')
    run.answer('a', 'fly', FLY, 3.0)
    assert run.pending(3.0) == 0 and run.model_version == 'model+1'
    said = run.said(recorded('b'))
    assert said.required == FLY and said.milliseconds == 500.0 and not said.error
    facts = run.facts()
    assert (facts['asked'], facts['answered_once']) == (2, 2)
    assert facts['unanswered'] == facts['answered_too_often'] == facts['of_others'] == 0
    assert facts['allocations'] is None


def test_troubles_are_named():
    run = LiveRun(10.0)
    for name, text in (('silent', 'fly'), ('twice', 'fly'), ('empty', '')):
        run.ask(name, text, 0.0)
    for at in (1.0, 2.0):
        run.answer('twice', 'fly', FLY, at)
    run.answer('foreign', 'fly', FLY, 3.0)
    assert run.pending(5.0) == 1, 'the task without words is not waited for'
    assert run.pending(10.5) == 0, 'nor one that waits too long'
    facts = run.facts()
    assert facts['unanswered_ids'] == ['silent'] and facts['answered_too_often_ids'] == ['twice']
    assert facts['unreadable'] == 1 and facts['of_others'] == 1 and facts['answered_once'] == 0
    assert run.said(recorded('silent')).error == 'no vector came'
    assert run.said(recorded('never')) is None
    assert run.said(recorded('twice')).milliseconds == 1000.0, 'the first answer counts'


def test_a_long_text_is_read_where_the_predictor_reads_it():
    for longest, pending in ((1000, 0), (2000, 1)):
        run = LiveRun(10.0, readable_by(None, longest))
        run.ask('long', 'warehouse ' * 120, 0.0)
        assert run.pending(1.0) == pending and run.facts()['unanswered'] == pending


def test_what_the_predictor_refuses_is_not_waited_for():
    """Another alphabet, and more words than the model reads."""
    run = LiveRun(10.0, readable_by(find_model()))
    for name, text in (('a', 'Протри палубу'), ('b', 'a b ' * 200), ('c', ''), ('d', 'Sweep the deck')):
        run.ask(name, text, 0.0)
    assert run.pending(1.0) == 1
    facts = run.facts()
    assert facts['unreadable'] == 3 and facts['unanswered_ids'] == ['d']
    run.answer('a', 'Протри палубу', FLY, 2.0)
    facts = run.facts()
    assert facts['unreadable'] == 2 and facts['answered_once'] == 1, 'it was read after all'


def test_texts_without_an_id_take_their_answers_in_turn():
    run = LiveRun(10.0)
    run.ask('', 'fly', 0.0)
    run.ask('', 'fly', 1.0)
    run.answer('task-1', 'fly', FLY, 2.0)
    run.answer('task-2', 'fly', (False,) * 6, 4.0)
    run.answer('task-3', 'fly', FLY, 5.0)
    names = Names()
    said = [run.said(recorded(names.name('', 'fly')[0])) for _ in range(3)]
    assert [(one.required[0], one.milliseconds) for one in said[:2]] == [(True, 2000.0),
                                                                         (False, 3000.0)]
    assert said[2] is None
    facts = run.facts()
    assert (facts['asked'], facts['answered_once'], facts['of_others']) == (2, 2, 1)


def test_an_answer_before_its_task_is_kept():
    run = LiveRun(10.0)
    run.answer('a', 'fly', FLY, 1.0)
    run.ask('a', 'fly', 1.1)
    assert run.pending(1.1) == 0 and run.said(recorded('a')).required == FLY
    assert run.facts()['of_others'] == 0


def test_an_answer_before_its_plain_text_is_kept_for_a_moment():
    run = LiveRun(10.0)
    run.answer('x1', 'fly', FLY, 0.9)
    run.allocate('x1', 'assigned', ['drone'], 0.95)
    run.ask('', 'fly', 1.0)
    facts = run.facts()
    assert (facts['unanswered'], facts['answered_once'], facts['of_others']) == (0, 1, 0)
    assert facts['allocations']['tasks'] == 1 and facts['allocations']['milliseconds']['mean'] == 0.0
    run.answer('old', 'fly', FLY, 1.0)  # of somebody else's task
    run.ask('', 'fly', 100.0)
    assert run.facts()['unanswered'] == 1 and run.facts()['of_others'] == 1


def test_an_allocation_before_the_answer_to_a_plain_text():
    run = LiveRun(10.0)
    run.ask('', 'fly', 0.0)
    run.allocate('x1', 'waiting', [], 1.0)
    run.allocate('x1', 'assigned', ['drone'], 2.0)
    run.answer('x1', 'fly', FLY, 3.0)
    found = run.facts()['allocations']
    assert found['outcomes'] == {'assigned': 1} and found['milliseconds']['mean'] == 1000.0


def test_allocations_beside_recorded_ones():
    run = LiveRun(10.0)
    for name in 'abc':
        run.ask(name, 'fly', 0.0)
    run.allocate('a', 'waiting', [], 1.0)
    run.allocate('a', 'team', ['r2', 'r1'], 2.0)
    run.allocate('b', 'assigned', ['r3'], 4.0)
    before = {'a': ('r1', 'r2'), 'b': ('r1',), 'c': ()}
    found = run.facts(before)['allocations']
    assert found['outcomes'] == {'team': 1, 'assigned': 1} and found['tasks'] == 2
    assert found['milliseconds']['mean'] == 2500.0
    assert (found['recorded_too'], found['same_robots']) == (2, 1)
    json.dumps(run.facts(before))


def test_a_plain_text_that_is_answered_twice():
    run = LiveRun(10.0)
    run.ask('', 'fly', 0.0)
    run.ask('', 'fly', 0.0)
    run.answer('x1', 'fly', FLY, 1.0)
    run.answer('x1', 'fly', FLY, 2.0)
    run.allocate('x1', 'assigned', ['drone'], 2.0)
    facts = run.facts()
    assert facts['answered_too_often'] == 1 and facts['unanswered'] == 1
    assert facts['allocations']['tasks'] == 1


def test_a_task_that_is_asked_again_is_waited_for_again():
    run = LiveRun(5.0)
    run.ask('a', 'fly', 0.0)
    run.answer('a', 'fly', FLY, 1.0)
    run.ask('a', 'fly', 100.0)
    assert run.pending(101.0) == 1
    run.answer('a', 'fly', FLY, 102.0)
    facts = run.facts()
    assert (facts['asked'], facts['answered_once'], run.pending(102.0)) == (2, 2, 0)


def test_what_is_given_up_was_not_asked():
    run = LiveRun(5.0)
    for name, at in (('late', 0.0), ('open', 9.0), ('done', 9.0)):
        run.ask(name, 'fly', at)
    run.answer('done', 'fly', FLY, 9.5)
    assert run.pending(10.0) == 1
    run.give_up()
    facts = run.facts()
    assert facts['asked'] == 2 and facts['unanswered_ids'] == ['late']
    assert run.said(recorded('open')) is None


def test_allocations_of_others_are_ignored():
    run = LiveRun(5.0)
    run.ask('a', 'fly', 0.0)
    run.allocate('b', 'assigned', ['r'], 1.0)
    assert run.facts()['allocations'] is None
