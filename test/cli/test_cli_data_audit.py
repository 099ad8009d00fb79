"""The steps of ``skill-predictor data audit``: what they keep, what they refuse, each option."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from skill_predictor.dataset.audit.records import AuditEntry, read_audit, write_audit
from skill_predictor.dataset.records import read_tasks, TaskRecord, write_objects, write_tasks
from skill_predictor.inference.embedding import SentenceEmbedder

TASKS = [TaskRecord('a', 'Go to the dock now', ('wheels',)),
         TaskRecord('b', 'Open the valve now', ('hands',)),
         TaskRecord('c', 'Fly over the field now', ('fly',))]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three tasks, their queue and answers to it, of which those to b and c differ."""
    monkeypatch.chdir(tmp_path)
    write_tasks(TASKS, 't.jsonl')
    queue([{'id': task.id, 'text': task.text, 'why': 'sample'} for task in TASKS])
    answers(a=['wheels'], b=['wheels', 'hands'], c=[])
    return tmp_path


def queue(lines):
    write_objects(lines, 'q.jsonl')


def answers(**labels):
    write_objects([{'id': task, 'label': label} for task, label in labels.items()], 'ans.jsonl')


def lines(path):
    with open(path, encoding='utf-8') as stream:
        return [json.loads(line) for line in stream]


COMPARE = ['data', 'audit', 'compare', 't.jsonl', '--queue', 'q.jsonl', '--answers', 'ans.jsonl',
           '--audit', 'audit.jsonl']
DECIDE = ['data', 'audit', 'decide', 't.jsonl', '--audit', 'audit.jsonl', '--decisions', 'open.jsonl',
          '--output', 'out.jsonl']


@pytest.fixture
def compare(cli, folder):
    pytest.importorskip('sklearn')
    return lambda *more: cli(*COMPARE, *more)


def test_decisions_survive_comparing_again(cli, compare):
    done = compare('--disagreements', 'open.jsonl')
    assert done.code == 0 and '3 tasks added to audit.jsonl, 2 to be decided' in done.out
    found = lines('open.jsonl')
    assert [entry['id'] for entry in found] == ['b', 'c']
    found[0].update(final=['hands'], reason='my hour of work')
    found[1].update(reason='not sure yet')
    write_objects(found, 'open.jsonl')
    done = compare('--disagreements', 'open.jsonl')
    assert done.code == 0 and '0 tasks added to audit.jsonl, 2 to be decided' in done.out
    assert lines('open.jsonl') == found

    done = cli(*DECIDE)
    assert done.code == 1 and '1 disagreements still open' in done.out
    assert '1 to be decided' in compare('--disagreements', 'open.jsonl').out
    assert lines('open.jsonl') == found, 'what was decided can be looked up'


def test_a_forgotten_list_of_disagreements_can_be_had_later(compare):
    compare()
    assert compare('--disagreements', 'open.jsonl').code == 0
    assert [entry['id'] for entry in lines('open.jsonl')] == ['b', 'c']
    os.unlink('open.jsonl')
    queue([{'id': 'd', 'text': 'x'}])
    write_tasks([*TASKS[:2], TaskRecord('d', 'Dive', ())], 't.jsonl')
    answers(d=['fly'])
    done = compare('--disagreements', 'open.jsonl', '--annotator', 'Eve')
    assert '1 tasks added to audit.jsonl, 3 to be decided' in done.out
    assert [(entry['id'], entry['text']) for entry in lines('open.jsonl')] == [
        ('b', 'Open the valve now'), ('c', ''), ('d', 'Dive')]
    assert [(entry.id, entry.annotator) for entry in read_audit('audit.jsonl')] == [
        ('a', ''), ('b', ''), ('c', ''), ('d', 'Eve')], 'the earlier ones stay'


@pytest.mark.parametrize('content', ['{"id": "a", "text": "Go"}\n', 'my notes\n'])
def test_no_other_file_is_taken_for_a_list_of_disagreements(compare, folder, content):
    (folder / 'open.jsonl').write_text(content)
    done = compare('--disagreements', 'open.jsonl')
    assert done.code == 1 and 'open.jsonl, line 1: is no disagreement' in done.err
    assert (folder / 'open.jsonl').read_text() == content and not (folder / 'audit.jsonl').exists()


def test_compare_counts_what_it_does_not_use(compare):
    compare()
    write_tasks(TASKS[:2], 't.jsonl')
    answers(a=['legs'], c=['fly'])
    done = compare()
    assert '0 tasks added' in done.out and done.err.splitlines() == [
        '1 tasks of the queue have no answer yet',
        '1 answers are on tasks that are not in t.jsonl',
        '1 answers are others than those in the audit, which stay']
    assert read_audit('audit.jsonl')[0].second == ('wheels',)


def test_disagreements_on_standard_output_are_data_alone(compare):
    done = compare('--disagreements', '-')
    assert [entry['id'] for entry in done.answers] == ['b', 'c'] and '2 to be decided' in done.err


def test_a_queue_with_an_unknown_reason_is_refused_before_it_is_in_the_audit(compare, folder):
    queue([{'id': 'a', 'text': 'x', 'why': 'my reason'}])
    done = compare()
    assert done.code == 1 and 'q.jsonl, line 1' in done.err and "'my reason'" in done.err
    assert not (folder / 'audit.jsonl').exists()


@pytest.mark.parametrize('label', ['', {'hands': False}, 'hands'])
def test_answers_that_are_no_lists_are_refused(compare, folder, label):
    answers(a=label)
    done = compare()
    assert done.code == 1 and 'ans.jsonl, line 1' in done.err and 'list of skills' in done.err
    assert not (folder / 'audit.jsonl').exists()


@pytest.mark.parametrize('decision, said', [
    ({'final': ''}, 'write a list of skills'), ({'final': {}}, 'write a list of skills'),
    ({'final': {'fly': False}}, 'write a list of skills'), ({'final': 'hands'}, 'or "drop"'),
    ({'final': 'Drop'}, 'or "drop"'), ({'final': ['swim']}, "unknown skill 'swim'"),
    ({'final': [], 'rule': 99}, '"rule" is 99'), ({'final': [], 'rule': None}, '"rule" is None'),
    ({'final': [], 'rule': 1e999}, '"rule" is inf'), ({'final': [], 'reason': 5}, '"reason" is 5'),
    ({'final': [], 'reason': '\ud800'}, 'surrogate')])
def test_bad_decisions_are_named_and_change_nothing(cli, folder, decision, said):
    write_audit([AuditEntry('b', 'sample', ('hands',), ())], 'audit.jsonl')
    before = (folder / 'audit.jsonl').read_bytes()
    (folder / 'open.jsonl').write_text(json.dumps({'id': 'b', **decision}))
    done = cli(*DECIDE)
    assert done.code == 1 and 'open.jsonl, line 1: is no decision' in done.err
    assert said in done.err and 'unexpected' not in done.err
    assert (folder / 'audit.jsonl').read_bytes() == before and not (folder / 'out.jsonl').exists()


def test_decisions_may_begin_with_a_byte_order_mark(cli, folder):
    write_audit([AuditEntry('b', 'sample', ('hands',), ())], 'audit.jsonl')
    (folder / 'open.jsonl').write_bytes(b'\xef\xbb\xbf{"id": "b", "final": "drop"}\r\n')
    done = cli(*DECIDE)
    assert done.code == 0 and [task.id for task in read_tasks('out.jsonl')] == ['a', 'c']


def test_the_audit_is_written_before_the_tasks(cli, folder, monkeypatch):
    write_audit([AuditEntry('b', 'sample', ('hands',), ())], 'audit.jsonl')
    (folder / 'open.jsonl').write_text('{"id": "b", "final": ["legs"]}')

    def full(*arguments):
        raise OSError(28, 'No space left on device')
    monkeypatch.setattr('skill_predictor.commands.data.adjudicate.write_tasks', full)
    assert cli(*DECIDE).code == 1
    assert read_audit('audit.jsonl')[0].final == ('legs',)
    monkeypatch.undo()
    os.chdir(folder)
    assert cli(*DECIDE).code == 0
    assert {task.id: task.label for task in read_tasks('out.jsonl')}['b'] == ('legs',)


@pytest.fixture
def select(cli, folder):
    """Run ``select`` on 200 tasks, ten of which test a boundary; the reasons by id."""
    write_tasks([TaskRecord(f't{number}', 'Go there', (), boundary='carry' if number < 10 else '')
                 for number in range(200)], 'pool.jsonl')

    def run(*more):
        done = cli('data', 'audit', 'select', 'pool.jsonl', '--output', 'q.jsonl', *more)
        assert done.code == 0, done.err
        return {entry['id']: entry['why'] for entry in lines('q.jsonl')}
    return run


def test_select_asks_for_the_doubted(select):
    write_objects([{'id': f't{number}'} for number in range(50, 80)], 'doubts.jsonl')
    chosen = select('--doubts', 'doubts.jsonl', '--fraction', 0)
    assert {task for task, why in chosen.items() if why == 'doubt'} == {
        f't{number}' for number in range(50, 80)}
    assert len(chosen) == 40


def test_select_does_not_ask_again(select):
    write_audit([AuditEntry(f't{number}', 'sample', (), ()) for number in range(150)], 'audit.jsonl')
    assert set(select('--audit', 'audit.jsonl', '--fraction', 1)) == {
        f't{number}' for number in range(150, 200)}


def test_select_takes_a_share_or_all(select):
    assert set(select('--fraction', 0).values()) == {'boundary'}
    assert 20 < len(select()) < 80 < len(select('--fraction', 0.8)) < 190
    assert list(select('--fraction', 0, '--all').values()).count('rest') == 190


def test_select_draws_by_the_seed(select):
    first = select()
    assert select('--seed', 0) == first and set(select('--seed', 1)) != set(first)


def test_a_queue_on_standard_output_is_data_alone(cli, folder):
    done = cli('data', 'audit', 'select', 't.jsonl', '--output', '-', '--all')
    assert len(done.answers) == 3 and '3 of 3 tasks' in done.err


def relabel(cli, server):
    with open('guide.md', 'w') as stream:
        stream.write('The guide.')
    return cli('data', 'audit', 'relabel', 'q.jsonl', '--output', 'ans.jsonl', '--model', 'm',
               '--base-url', server.url, '--guide', 'guide.md')


def test_a_persons_last_answer_is_not_asked_again_for_want_of_a_line_feed(cli, folder, chat_server):
    server = chat_server(lambda body: '{"labels": [{"number": 1, "label": ["fly"]}]}')
    (folder / 'ans.jsonl').write_text('{"id":"a","label":[]}\n{"id":"b","label":["legs"]}')
    assert relabel(cli, server).code == 0
    assert lines('ans.jsonl') == [{'id': 'a', 'label': []}, {'id': 'b', 'label': ['legs']},
                                  {'id': 'c', 'label': ['fly']}]
    assert len(server.requests) == 1 and 'valve' not in server.requests[0]['messages'][1]['content']


def test_a_queue_without_texts_is_named(cli, folder, chat_server):
    queue([{'id': 'a', 'text': 5}])
    server = chat_server(lambda body: '')
    done = relabel(cli, server)
    assert done.code == 1 and 'q.jsonl, line 1' in done.err and '"text" is 5' in done.err
    assert not server.requests


def test_generating_into_a_file_of_another_kind_leaves_it_alone(cli, folder):
    pytest.importorskip('openai')
    (folder / 'guide.md').write_text('The guide.')
    for content in ('{"important": "settings without a final line feed"}', 'dear diary'):
        (folder / 'config.json').write_text(content)
        done = cli('data', 'generate', '--model', 'm', '--base-url', 'http://127.0.0.1:9/v1',
                   '--tasks', 1, '--output', 'config.json', '--guide', 'guide.md')
        assert done.code == 1 and 'config.json, line 1' in done.err
        assert (folder / 'config.json').read_text() == content


@pytest.fixture
def embeddings(monkeypatch, tmp_path):
    """Embeddings that tell the texts apart by their first letter; a list of what was embedded."""
    asked = []

    class Letters:
        def embed(self, texts, on_done=None):
            asked.extend(texts)
            return np.array([np.eye(768)[ord(text[0])] for text in texts])
    monkeypatch.setattr(SentenceEmbedder, 'load', lambda *args, **options: Letters())
    monkeypatch.setenv('SKILL_PREDICTOR_CACHE', str(tmp_path / 'cache'))
    return asked


@pytest.mark.parametrize('step', ['repeats', 'doubts'])
def test_an_output_that_cannot_be_written_is_found_before_the_embeddings(cli, folder, embeddings, step):
    pytest.importorskip('cleanlab')
    done = cli('data', 'audit', step, 't.jsonl', '--output', 'nodir/x.jsonl')
    assert done.code == 1 and 'nodir/x.jsonl: No such file' in done.err and not embeddings


def test_repeats_go_where_they_are_to_go(cli, folder, embeddings):
    write_tasks([*TASKS, TaskRecord('d', 'Glide', ('wheels',))], 't.jsonl')
    os.mkfifo('pipe')
    reader = os.open('pipe', os.O_RDONLY | os.O_NONBLOCK)
    done = cli('data', 'audit', 'repeats', 't.jsonl', '--output', 'pipe')
    assert done.code == 0 and os.read(reader, 10_000).count(b'\n') == 3
    os.close(reader)
    os.symlink('real.jsonl', 'link.jsonl')
    cli('data', 'audit', 'repeats', 't.jsonl', '--output', 'link.jsonl')
    assert os.path.islink('link.jsonl') and len(lines('real.jsonl')) == 3
    done = cli('data', 'audit', 'repeats', 't.jsonl', '--output', '-')
    assert [entry['id'] for entry in done.answers] == ['a', 'b', 'c'] and '1 left out' in done.err


@pytest.mark.parametrize('folds', [0, 1])
def test_folds_are_at_least_two(cli, folder, folds):
    done = cli('data', 'audit', 'doubts', 't.jsonl', '--folds', folds)
    assert done.code == 2 and '--folds' in done.err
