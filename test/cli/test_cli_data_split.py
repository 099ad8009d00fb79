"""``skill-predictor data split`` and ``check``: what is kept, what is left out, what is found."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from skill_predictor.dataset.audit.records import AuditEntry, write_audit
from skill_predictor.dataset.manifest import read_manifest, read_splits, SPLITS
from skill_predictor.dataset.records import read_tasks, TaskRecord, write_tasks
from skill_predictor.inference.embedding import SentenceEmbedder

LABELS = [(), ('fly',), ('wheels', 'hands')]


@pytest.fixture(autouse=True)
def embeddings(monkeypatch, tmp_path):
    """A direction of its own for each number at a text's end; a list of what was embedded."""
    asked = []

    class Numbers:
        def embed(self, texts, on_done=None):
            asked.extend(texts)
            return np.array([np.eye(768)[int(text.split()[-1])] for text in texts])
    monkeypatch.setattr(SentenceEmbedder, 'load', lambda *args, **options: Numbers())
    monkeypatch.setenv('SKILL_PREDICTOR_CACHE', str(tmp_path / 'cache'))
    monkeypatch.chdir(tmp_path)
    return asked


def tasks(count=120):
    return [TaskRecord(f't{number}', f'Do the task {number}', LABELS[number % 3],
                       ('port', 'farm', 'zoo')[number % 7 % 3], f'a{number % 4}')
            for number in range(count)]


@pytest.fixture
def divided(cli):
    """The folder ``m`` with 120 tasks; one writer and one domain are held out."""
    write_tasks(tasks(), 'pool.jsonl')
    done = cli('data', 'split', 'pool.jsonl', '--output', 'm', '--test-tasks', 10,
               '--held-out-writers', 'a1', '--held-out-domains', 'zoo')
    assert done.code == 0, done.err
    return Path('m')


def sources(folder):
    return [folder / f'{name}.jsonl' for name in SPLITS]


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_dividing_in_place_gives_the_same_again(cli, divided):
    before = {name: {task.id for task in part} for name, part in read_splits(divided).items()}
    assert cli('data', 'split', *sources(divided), '--output', divided).code == 0
    assert before == {name: {task.id for task in part}
                      for name, part in read_splits(divided).items()}
    assert sorted(os.listdir(divided)) == sorted(['dataset.yaml', *(f'{name}.jsonl' for name in SPLITS)])
    assert cli('data', 'check', divided).code == 0


@pytest.mark.parametrize('failing', ['validation.jsonl', 'test_domains.jsonl'])
def test_a_full_disk_changes_no_file_of_the_folder(cli, divided, monkeypatch, failing):
    def full(records, path):
        if Path(path).name == failing:
            raise OSError(28, 'No space left on device')
        return write_tasks(records, path)
    before = content(divided)
    monkeypatch.setattr('skill_predictor.dataset.folder.write_tasks', full)
    done = cli('data', 'split', *sources(divided), '--output', divided, '--seed', 5)
    assert done.code == 1 and 'No space' in done.err and 'tasks' not in done.out
    assert content(divided) == before


def test_what_is_left_out_of_its_own_files_is_kept(cli, divided):
    more = [TaskRecord(f'copy-{task.id}', task.text, task.label, 'port', 'a0')
            for task in read_splits(divided)['test'][:3]]
    write_tasks(more, 'more.jsonl')
    command = ['data', 'split', *sources(divided), '--output', divided]
    done = cli(*command[:-2], 'more.jsonl', *command[-2:])
    assert done.code == 0 and 'left_out.jsonl: 3 tasks' in done.out
    assert list(read_tasks(divided / 'left_out.jsonl')) == more
    assert cli(*command).code == 0 and list(read_tasks(divided / 'left_out.jsonl')) == more
    assert cli(*command[:-2], divided / 'left_out.jsonl', *command[-2:]).code == 0
    assert list(read_tasks(divided / 'left_out.jsonl')) == more
    assert cli('data', 'check', divided).code == 0
    done = cli('data', 'split', 'pool.jsonl', 'more.jsonl', '--output', 'other', '--test-tasks', 10,
               '--held-out-writers', 'a1')
    assert 'left out: copy-t' in done.out and not Path('other/left_out.jsonl').exists()


def test_nothing_in_the_splits_is_like_what_is_for_reporting_alone(cli, divided):
    held = [read_splits(divided)[name][0] for name in SPLITS]
    write_tasks([TaskRecord(f'mine-{task.id}', task.text, task.label, 'x', 'x') for task in held],
                divided / 'test_mine.jsonl')
    assert cli('data', 'check', divided).code == 1
    done = cli('data', 'split', 'pool.jsonl', '--output', divided)
    assert done.code == 0 and done.out.count('left out') == 4
    assert len(read_splits(divided)['test']) == 10
    assert cli('data', 'check', divided).code == 0


def test_another_seed_draws_another_test_set(cli, divided):
    before = {task.id for task in read_splits(divided)['test']}
    assert cli('data', 'split', 'pool.jsonl', '--output', divided, '--seed', 3).code == 0
    assert {task.id for task in read_splits(divided)['test']} != before
    assert read_manifest(divided).seed == 3


def test_test_files_may_be_empty(cli, divided):
    (divided / 'dataset.yaml').unlink()
    done = cli('data', 'split', 'pool.jsonl', '--output', divided, '--test-tasks', 0,
               '--held-out-writers', 'a1')
    assert done.code == 0 and 'test: 0 tasks' in done.out and 'test_domains: 0 tasks' in done.out
    assert cli('data', 'check', divided).code == 0


def test_an_empty_manifest_holds_nobody_in(cli, divided):
    (divided / 'dataset.yaml').write_text('')
    before = content(divided)
    done = cli('data', 'split', 'pool.jsonl', '--output', divided, '--test-tasks', 10)
    assert done.code == 1 and 'dataset.yaml: is no manifest' in done.err
    assert content(divided) == before


def test_an_output_that_is_no_folder_is_found_before_the_embeddings(cli, divided, embeddings):
    embeddings.clear()
    write_tasks(tasks(300), 'others.jsonl')
    done = cli('data', 'split', 'others.jsonl', '--output', 'pool.jsonl', '--test-tasks', 10)
    assert done.code == 1 and 'pool.jsonl: is no folder' in done.err and not embeddings


@pytest.mark.parametrize('line', [b'{"id": "x", "text": "Go\xe2\x80\xa8on \xc2\x85 there, now 200", '
                                  b'"label": ["fly"], "domain": "port", "writer": "a0"}\n', b''])
def test_check_reads_files_as_the_other_commands_do(cli, divided, line):
    train = divided / 'train.jsonl'
    train.write_bytes(b'\xef\xbb\xbf' + train.read_bytes() + line)
    done = cli('data', 'check', divided, '--fast')
    assert done.code == 0 and 'ok   order of labels' in done.out and not done.err
    train.write_bytes(train.read_bytes().replace(b'["wheels", "hands"]', b'["hands", "wheels"]', 1))
    assert 'train.jsonl, line' in cli('data', 'check', divided, '--fast').out


def test_check_reads_the_audit(cli, divided):
    task = read_splits(divided)['train'][0]
    write_audit([AuditEntry(task.id, 'sample', task.label, ('legs',))], divided / 'audit.jsonl')
    done = cli('data', 'check', divided, '--fast')
    assert done.code == 1 and f'{task.id}: the disagreement is not decided' in done.out
    assert 'FAIL audit (1 tasks labelled twice, 0 disagreements decided)' in done.out
    write_audit([AuditEntry(task.id, 'sample', task.label, ('legs',), final=task.label)],
                divided / 'audit.jsonl')
    done = cli('data', 'check', divided, '--fast')
    assert done.code == 0 and '(1 tasks labelled twice, 1 disagreements decided)' in done.out
