"""``skill-predictor data stats``: odd names, an audit or none, a folder or a file."""

from __future__ import annotations

import json
import sys

import pytest

from skill_predictor.dataset.audit.records import AuditEntry, write_audit
from skill_predictor.dataset.records import TaskRecord, write_tasks


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / 'set'
    folder.mkdir()
    tasks = [TaskRecord('t1', 'Sweep the deck', ('wheels',), 'cost $_ { $', 'w', boundary='[/b]'),
             TaskRecord('t2', 'Fly over the bay', ('fly',), '$', 'w', boundary='[red]height')]
    write_tasks(tasks, folder / 'train.jsonl')
    for name in ('validation', 'test', 'test_domains'):
        write_tasks([], folder / f'{name}.jsonl')
    return folder


def test_names_are_shown_as_they_are(cli, folder, tmp_path):
    done = cli('data', 'stats', folder, '--pictures', tmp_path / 'png')
    assert done.code == 0 and '[/b]' in done.out and '[red]height' in done.out
    assert (tmp_path / 'png' / 'domains.png').stat().st_size > 1000


def test_a_file_is_counted_like_a_folder(cli, folder, tmp_path):
    (folder / 'train.jsonl').rename(tmp_path / 'cost $_ { $.jsonl')
    done = cli('data', 'stats', tmp_path / 'cost $_ { $.jsonl', '--json', '-', '--pictures', tmp_path / 'png')
    report = json.loads(done.out)
    assert done.code == 0 and report['splits'] == {'cost $_ { $': 2} and report['agreement'] == {}


def test_agreement_is_that_of_the_audit(cli, folder):
    write_audit([AuditEntry('t1', 'sample', ('wheels',), ('wheels',)),
                 AuditEntry('t2', 'boundary', ('fly',), ())], folder / 'audit.jsonl')
    report = json.loads(cli('data', 'stats', folder, '--json', '-').out)
    assert {why: found['exact_match'] for why, found in report['agreement'].items()} == {
        'boundary': 0.0, 'sample': 1.0, 'all': 0.5}
    assert 'agreement of two blind labellings' in cli('data', 'stats', folder).out
    assert '| all | 2 | 0.5000 |' in cli('data', 'stats', folder, '--markdown').out


def test_an_empty_audit_is_no_row(cli, folder):
    write_audit([], folder / 'audit.jsonl')
    for argv in ([], ['--markdown']):
        done = cli('data', 'stats', folder, *argv)
        assert done.code == 0 and 'nan' not in done.out and 'labelled again' not in done.out


def test_json_on_standard_output_stands_alone(cli, folder):
    assert json.loads(cli('data', 'stats', folder, '--json', '-', '--markdown').out)['tasks'] == 2


def test_a_dataset_without_tasks_is_one_clear_line(cli, folder):
    write_tasks([], folder / 'train.jsonl')
    done = cli('data', 'stats', folder)
    assert done.code == 1 and f'{folder}: holds no task' in done.err
    done = cli('data', 'stats', folder / 'train.jsonl')
    assert done.code == 1 and 'train.jsonl: holds no task; write one' in done.err


def test_missing_scikit_learn_is_named_as_it_is_installed(cli, folder, monkeypatch):
    write_audit([AuditEntry('t1', 'sample', (), ())], folder / 'audit.jsonl')
    monkeypatch.setitem(sys.modules, 'sklearn', None)
    done = cli('data', 'stats', folder)
    assert done.code == 1 and 'scikit-learn: pip install -r requirements/dataset.txt' in done.err
