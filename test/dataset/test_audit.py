"""The audit: who is asked again, how well labels agree, and what a decision changes."""

from __future__ import annotations

import asyncio
import json
import math

import numpy as np
import pytest

cohen_kappa_score = pytest.importorskip('sklearn.metrics').cohen_kappa_score

from skill_predictor.dataset.audit.adjudication import apply, AuditError, compare, decide, Decision  # noqa: E402
from skill_predictor.dataset.audit.agreement import agreement, agreement_by_reason  # noqa: E402
from skill_predictor.dataset.audit.doubts import cross_validated, doubts  # noqa: E402
from skill_predictor.dataset.audit.records import AuditEntry, read_audit, write_audit  # noqa: E402
from skill_predictor.dataset.audit.relabel import read_answers, relabel  # noqa: E402
from skill_predictor.dataset.audit.selection import select  # noqa: E402
from skill_predictor.dataset.chat import ChatError, ChatModel, ChatOptions  # noqa: E402
from skill_predictor.dataset.records import RecordError, TaskRecord  # noqa: E402
from skill_predictor.taxonomy import SKILLS  # noqa: E402


def tasks(count, **fields):
    return [TaskRecord(f't{number}', f'Task {number}', ('fly',), **fields)
            for number in range(count)]


def test_selection_takes_boundaries_doubts_and_a_share_of_the_rest():
    plain, edge = tasks(1000), [TaskRecord('e', 'Edge', (), boundary='carry')]
    chosen = select(plain + edge, fraction=0.2, doubted=['t3', 't4', 'e'], done=['t5'])
    assert chosen['e'] == 'boundary' and {'t3', 't4'} <= set(chosen) and 't5' not in chosen
    drawn = [task for task, why in chosen.items() if why == 'sample']
    assert 150 < len(drawn) < 250
    assert list(chosen) != sorted(chosen)
    both = select(plain + edge, done=['t5'], everything=True)
    assert len(both) == 1000 and set(both.values()) == {'boundary', 'sample', 'rest'}


def test_drawn_sample_stays_when_tasks_are_added():
    few, many = select(tasks(100)), select(tasks(300))
    assert set(few) == {task for task in many if int(task[1:]) < 100}
    assert set(select(tasks(300), seed=1)) != set(many)
    assert select(tasks(50), fraction=0.0) == {} and len(select(tasks(50), fraction=1.0)) == 50


def entry(name, first, second, why='sample', **fields):
    return AuditEntry(name, why, tuple(first), tuple(second), **fields)


def test_agreement_is_scikit_learns():
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 200, 6)) < 0.4
    names = [[tuple(np.array(SKILLS)[row]) for row in side] for side in (first, second)]
    found = agreement([entry(str(n), a, b) for n, (a, b) in enumerate(zip(*names))])
    assert found.tasks == 200
    assert found.exact_match == (first == second).all(axis=1).mean()
    for index, skill in enumerate(SKILLS):
        assert found.kappa[skill] == cohen_kappa_score(first[:, index], second[:, index])


def test_agreement_without_anything_to_compare():
    assert math.isnan(agreement([]).exact_match)
    found = agreement([entry('a', ['fly'], ['fly']), entry('b', [], [])])
    assert found.exact_match == found.kappa['fly'] == 1.0 and math.isnan(found.kappa['legs'])
    assert found.to_dict()['kappa']['legs'] is None
    json.dumps(found.to_dict(), allow_nan=False)


def test_agreement_by_reason_keeps_the_parts_apart():
    parts = agreement_by_reason([entry('a', ['fly'], ['fly']), entry('b', ['fly'], []),
                                 entry('c', ['legs'], ['legs'], 'boundary')])
    assert {why: (part.tasks, part.exact_match) for why, part in parts.items()} == {
        'boundary': (1, 1.0), 'sample': (2, 0.5), 'all': (3, pytest.approx(2 / 3))}


def test_decisions_change_labels_and_drop_tasks():
    originals = [TaskRecord('a', 'A', ('fly',), group='g'), TaskRecord('b', 'B', (), group='g'),
                 TaskRecord('c', 'C', ('legs',)), TaskRecord('d', 'D', ('legs',))]
    why = dict.fromkeys('abc', 'sample')
    entries = compare(originals, why, {'a': ('fly', 'hands'), 'b': ('hands',), 'c': ('legs',)}, 'x')
    assert [(e.id, e.agreed, e.annotator) for e in entries] == [
        ('a', False, 'x'), ('b', False, 'x'), ('c', True, 'x')]
    assert [e.settled for e in entries] == [None, None, ('legs',)]
    entries = decide(entries, {'a': Decision(('fly', 'hands'), 5, 'picked up'),
                               'b': Decision(None, 0)})
    assert [(e.id, e.dropped, e.open) for e in entries] == [
        ('a', False, False), ('b', True, False), ('c', False, False)]
    assert apply(originals, entries) == [
        TaskRecord('a', 'A', ('fly', 'hands')), TaskRecord('c', 'C', ('legs',)),
        TaskRecord('d', 'D', ('legs',))]
    assert agreement(entries).exact_match == pytest.approx(1 / 3), 'what was said blind stays'


def test_open_disagreement_changes_nothing():
    task = TaskRecord('a', 'A', ('fly',))
    assert apply([task], compare([task], {'a': 'doubt'}, {'a': ()})) == [task]


def test_labels_that_nobody_asked_for_are_refused():
    with pytest.raises(AuditError, match="'z'"):
        compare(tasks(1), {}, {'z': ()})
    with pytest.raises(AuditError, match="'z'"):
        decide([], {'z': Decision((), 1)})


def test_audit_file_keeps_everything(tmp_path):
    entries = [entry('a', ['fly'], []), entry('ü', [], [], 'doubt', annotator='x'),
               entry('c', ['fly'], ['legs'], final=('legs',), rule=3, reason='stairs'),
               entry('d', ['fly'], ['legs'], dropped=True)]
    write_audit(entries, tmp_path / 'audit.jsonl')
    assert read_audit(tmp_path / 'audit.jsonl') == entries


def test_an_audit_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / 'audit.jsonl'
    write_audit([entry('a', ['fly'], [])], path)
    before = path.read_bytes()

    def stops():
        yield entry('b', ['fly'], [])
        raise OSError(28, 'No space left on device')
    with pytest.raises(OSError):
        write_audit(stops(), path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


GOOD = '{"id": "a", "why": "sample", "first": [], "second": []}'


@pytest.mark.parametrize('line, said', [
    ('x', 'Expecting'), ('{}', "lacks 'id'"), ('{"id": "w1"}', "lacks 'why'"),
    ('[]', 'no JSON object'), (f'{GOOD}\n{GOOD}', 'already'),
    (GOOD.replace('sample', 'fun'), '"why" is'), (GOOD.replace('[]', '["x"]', 1), "skill 'x'"),
    (GOOD.replace('}', ', "rule": 99}'), '"rule" is 99'), (GOOD.replace('[]', '3', 1), 'not 3')])
def test_bad_audit_line_is_named(tmp_path, line, said):
    path = tmp_path / 'audit.jsonl'
    path.write_text(line + '\n')
    with pytest.raises(RecordError, match=f'line [12].*{said}'):
        read_audit(path)


def clusters(count, seed=0):
    """Embeddings that tell the label, and the label."""
    rng = np.random.default_rng(seed)
    targets = rng.random((count, 6)) < 0.4
    return targets @ rng.normal(size=(6, 24)) * 3 + rng.normal(size=(count, 24)), targets


def test_wrong_labels_are_the_most_doubted():
    embeddings, targets = clusters(600)
    wrong = targets.copy()
    wrong[:10, 2] ^= True
    groups = [str(number) for number in range(600)]
    found = doubts(wrong, cross_validated(embeddings, wrong, groups))
    assert len({doubt.index for doubt in found[:12]} & set(range(10))) >= 9
    assert all(first.quality <= second.quality for first, second in zip(found, found[1:]))
    assert len(found) < 200


def test_cross_validation_never_knows_a_groups_other_members():
    # Two copies of each task: predictions are near chance only if copies are held out together.
    rng = np.random.default_rng(0)
    embeddings = np.repeat(rng.normal(size=(100, 200)), 2, axis=0)
    targets = np.repeat(rng.random((100, 6)) < 0.5, 2, axis=0)
    groups = [str(number // 2) for number in range(200)]
    apart = cross_validated(embeddings, targets, [str(n) for n in range(200)]) >= 0.5
    together = cross_validated(embeddings, targets, groups) >= 0.5
    assert (apart == targets).mean() > 0.85 > 0.65 > (together == targets).mean()


def test_doubts_want_arrays_that_fit():
    with pytest.raises(ValueError, match='targets'):
        doubts(np.zeros((2, 6)), np.zeros((3, 6)))


def second_labels(body):
    lines = body['messages'][1]['content'].splitlines()
    numbers = [int(line.partition('.')[0]) for line in lines if line[:1].isdigit()]
    return json.dumps({'labels': [{'number': n, 'label': ['hands', 'fly']} for n in numbers]})


def run_relabel(server, texts, output):
    async def work():
        async with ChatModel(ChatOptions('m', server.url, retries=0)) as model:
            return await relabel(model, 'GUIDE', texts, output)
    return asyncio.run(work())


def test_relabelling_sees_texts_only_and_goes_on_where_it_was(chat_server, tmp_path):
    texts = {f't{number}': f'Task\nnumber {number}' for number in range(45)}
    output = tmp_path / 'answers.jsonl'
    output.write_text('{"id": "t0", "label": ["legs"]}\n{"id": "t1", "la')
    server = chat_server(second_labels)
    assert run_relabel(server, texts, output) == 45
    answers = read_answers(output)
    assert answers['t0'] == ('legs',) and answers['t44'] == ('fly', 'hands') and len(answers) == 45
    assert len(server.requests) == 3
    prompts = [request['messages'][1]['content'] for request in server.requests]
    assert sum('Task number 44' in prompt for prompt in prompts) == 1


def test_incomplete_labels_are_asked_for_again(chat_server, tmp_path):
    answers = iter(['{"labels": []}', '{"labels": [{"number": 1, "label": ["swim"]}]}'])
    server = chat_server(lambda body: next(answers, None) or second_labels(body))
    assert run_relabel(server, {'a': 'Go'}, tmp_path / 'x.jsonl') == 1
    said = [request['messages'][-1]['content'] for request in server.requests[1:]]
    assert 'no label for task 1' in said[0] and "'swim'" in said[1]


def test_annotator_that_never_answers_ends_the_run(chat_server, tmp_path):
    server = chat_server(lambda body: 'no')
    with pytest.raises(ChatError, match='not JSON'):
        run_relabel(server, {str(n): 'Go' for n in range(80)}, tmp_path / 'x.jsonl')


@pytest.mark.parametrize('line', ['x', '{"id": "a"}', '{"id": "a", "label": ["x"]}', '3',
                                  '{"id": "a", "label": []}\n{"id": "a", "label": []}'])
def test_bad_answer_file_is_named(tmp_path, line):
    (tmp_path / 'a.jsonl').write_text(line)
    with pytest.raises(RecordError, match='line [12]'):
        read_answers(tmp_path / 'a.jsonl')
