"""Dividing tasks that are not easily divided, and the folder that is written as a whole."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from skill_predictor.dataset import check
from skill_predictor.dataset.audit.records import AuditEntry
from skill_predictor.dataset.duplicates import drop_repeats
from skill_predictor.dataset.folder import (LEFT_OUT, merged_left_out, require_folder,
                                            write_folder)
from skill_predictor.dataset.manifest import Manifest, read_manifest, read_splits, SPLITS
from skill_predictor.dataset.records import read_tasks, RecordError, TaskRecord, write_tasks
from skill_predictor.dataset.split import skill_set, split, SplitError
from skill_predictor.dataset.straddling import divide, drop_straddling

LABELS = [(), ('fly',), ('wheels', 'hands'), ('legs',), ('hands',)]


def pairs(count, labels=LABELS, seed=0):
    """Contrast pairs only: two tasks of different labels each."""
    rng = np.random.default_rng(seed)
    return [TaskRecord(f't{number}-{side}', f'Task {number} {side}', labels[label], 'port', 'w',
                       group=f'g{number}')
            for number in range(count)
            for side, label in enumerate(rng.choice(len(labels), 2, replace=False))]


@pytest.mark.parametrize('size', [20, 50, 100, 200])
@pytest.mark.parametrize('seed', range(4))
def test_test_sets_are_drawn_of_contrast_pairs_alone(size, seed):
    manifest = Manifest(test_tasks=size, seed=seed)
    splits = split(pairs(500), manifest)
    assert check.check_stratification(splits, manifest).passed
    assert check.check_groups(splits).passed and len(splits['test']) == size
    assert split(pairs(500), manifest) == splits


def test_an_odd_number_of_tasks_cannot_be_drawn_of_pairs():
    with pytest.raises(SplitError, match='places empty.*no group'):
        split(pairs(500), Manifest(test_tasks=101))
    singles = [replace(task, group='') for task in pairs(20, seed=1)]
    tasks = pairs(500) + [replace(task, id=f's{task.id}') for task in singles]
    manifest = Manifest(test_tasks=101)
    assert check.check_stratification(split(tasks, manifest), manifest).passed


def test_labels_that_only_come_together_in_great_groups_are_refused():
    tasks = [TaskRecord(f't{number}', 'Go', LABELS[number // 50], group=f'g{number // 10}')
             for number in range(100)]
    with pytest.raises(SplitError, match='shares of the labels'):
        split(tasks, Manifest(test_tasks=10))


def test_a_dataset_may_have_no_test_set(tmp_path):
    manifest = Manifest(test_tasks=0, held_out_writers=('w',))
    tasks = [*pairs(10), TaskRecord('x', 'Go', (), 'port', 'other')]
    splits = split(tasks, manifest)
    assert [len(splits[name]) for name in SPLITS] == [1, 20, 0, 0]
    assert check.check_stratification(splits, manifest).passed


def alone(names, labels, **fields):
    return [TaskRecord(name, f'Task {name}', label, **fields) for name, label in zip(names, labels)]


def test_repeats_go_before_contrast_pairs_are_joined():
    tasks = alone('ABC', [('wheels',), ('wheels', 'hands'), ('wheels', 'hands')])
    kept, gone = drop_repeats(tasks, np.array([[1, .1], [1, 0], [1, 0]]), .95)
    assert [task.id for task in gone] == ['C']
    assert [(task.id, task.group) for task in kept] == [('A', 'A-alike'), ('B', 'A-alike')]


def test_what_only_repeats_a_repeat_stays():
    tasks = alone('abc', [('fly',)] * 3)
    angles = np.array([0, 1, 2]) * np.pi / 90
    near = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    kept, gone = drop_repeats(tasks, near, np.cos(1.5 * np.pi / 90))
    assert [task.id for task in kept] == ['a', 'c'] and [task.id for task in gone] == ['b']


def test_groups_grow_together_in_chains():
    tasks = alone('abcdef', [(), ('fly',), ('legs',), ('hands',), (), ()])
    tasks[2], tasks[4] = replace(tasks[2], group='g'), replace(tasks[4], group='g')
    angles = np.array([0, 1, 2, 3, 40, 80]) * np.pi / 90
    near = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    kept, gone = drop_repeats(tasks, near, np.cos(1.5 * np.pi / 90))
    assert not gone and [task.group for task in kept] == ['a-alike'] * 5 + ['']


def held_out(count, words, label=('fly',), **fields):
    return [TaskRecord(f'{words}{number}', f'{words} {number}', label, **fields)
            for number in range(count)]


def test_validation_gives_way_to_the_test_domains():
    tasks = alone('abcd', [()] * 4)
    splits = dict(zip(SPLITS, ([], [tasks[0], tasks[1]], [tasks[2]], [tasks[3]])))
    unit = np.eye(4)
    embeddings = {'train': np.empty((0, 4)), 'validation': unit[[0, 1]], 'test': unit[[2]],
                  'test_domains': unit[[1]]}
    kept, gone = drop_straddling(splits, embeddings, 0.9)
    assert gone == [tasks[1]] and kept['test_domains'] == [tasks[3]]
    embeddings['test'] = unit[[1]]
    kept, gone = drop_straddling(splits, embeddings, 0.9)
    assert gone == [tasks[1], tasks[3]] and kept['test'] == [tasks[2]]


def test_the_test_set_has_the_shares_of_what_is_left():
    tasks = [*held_out(100, 'fly', domain='port', writer='w'),
             *held_out(100, 'hand', ('hands',), domain='port', writer='w'),
             *held_out(60, 'zoo', domain='zoo', writer='x'), *held_out(40, 'train', writer='x')]
    embeddings = np.eye(300)
    embeddings[200:260] = embeddings[:60]
    manifest = Manifest(test_tasks=40, held_out_writers=('w',), held_out_domains=('zoo',))
    splits, gone = divide(tasks, embeddings, manifest, embeddings[:0])
    assert check.check_stratification(splits, manifest).passed
    assert len(splits['test']) == 40 and Counter(map(skill_set, splits['test']))['hands'] > 22
    assert sum(map(len, splits.values())) + len(gone) == 300 == len(
        {task.id for part in (*splits.values(), gone) for task in part})


def test_what_is_like_a_reported_task_goes_from_any_split():
    tasks = [*held_out(60, 'fly', domain='port', writer='w'), *held_out(40, 'train', writer='x')]
    tasks[80], tasks[81] = replace(tasks[80], group='g'), replace(tasks[81], group='g')
    embeddings = np.eye(100)
    manifest = Manifest(test_tasks=50, held_out_writers=('w',))
    splits, gone = divide(tasks, embeddings, manifest, embeddings[[0, 3, 80]])
    assert {task.id for task in gone} == {'fly0', 'fly3', 'train20', 'train21'}
    assert [len(splits[name]) for name in SPLITS] == [38, 8, 50, 0]
    with pytest.raises(SplitError, match='too few'):
        divide(tasks, embeddings, manifest, embeddings[:20])


def fields(number):
    return alone([f'{number}{name}' for name in 'abcd'], [()] * 4)


def write(folder, number, **options):
    write_folder(folder, {name: [task] for name, task in zip(SPLITS, fields(number))},
                 Manifest(seed=number), **options)


def test_a_folder_is_written_as_a_whole_or_not_at_all(tmp_path, monkeypatch):
    folder = tmp_path / 'new' / 'set'
    write(folder, 1)
    assert sorted(os.listdir(folder)) == sorted([f'{name}.jsonl' for name in SPLITS] + ['dataset.yaml'])
    before = read_splits(folder)
    for failing in ('validation.jsonl', 'test_domains.jsonl'):
        def full(records, path, failing=failing):
            if Path(path).name == failing:
                raise OSError(28, 'No space left on device')
            return write_tasks(records, path)
        monkeypatch.setattr('skill_predictor.dataset.folder.write_tasks', full)
        with pytest.raises(OSError, match='No space'):
            write(folder, 2)
        assert read_splits(folder) == before and read_manifest(folder).seed == 1
        assert not [name for name in os.listdir(folder) if name.startswith('.')]


def test_links_and_rights_of_a_folder_stay(tmp_path):
    write(tmp_path / 'set', 1)
    real, train = tmp_path / 'real.jsonl', tmp_path / 'set' / 'train.jsonl'
    train.rename(real)
    train.symlink_to(real)
    (tmp_path / 'set' / 'test.jsonl').chmod(0o600)
    write(tmp_path / 'set', 2, left_out=fields(3))
    assert train.is_symlink() and [task.id for task in read_tasks(real)] == ['2a']
    assert (tmp_path / 'set' / 'test.jsonl').stat().st_mode & 0o777 == 0o600
    assert len(list(read_tasks(tmp_path / 'set' / LEFT_OUT))) == 4


def test_places_that_cannot_be_written_are_found_at_once(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(NotADirectoryError, match='is no folder'):
        require_folder(tmp_path / 'file' / 'set')
    (tmp_path / 'set' / 'train.jsonl').mkdir(parents=True)
    with pytest.raises(OSError, match='is no file') as caught:
        require_folder(tmp_path / 'set')
    assert caught.value.filename.endswith('train.jsonl')
    require_folder(tmp_path / 'a' / 'b')
    assert sorted(os.listdir(tmp_path)) == ['file', 'set']


def test_what_was_left_out_is_kept_until_it_is_divided_again(tmp_path):
    a, b, c, d = fields(1)
    assert merged_left_out(tmp_path, [a], []) is None and merged_left_out(tmp_path, [a], [a]) == [a]
    write_tasks([b, c], tmp_path / LEFT_OUT)
    assert merged_left_out(tmp_path, [c, d], [d]) == [b, d]
    assert merged_left_out(tmp_path, [b, c], []) == []


def test_an_interrupted_manifest_stays_the_old_one(tmp_path, monkeypatch):
    Manifest(held_out_writers=('w1',)).write(tmp_path)

    def full(*args, **options):
        raise OSError(28, 'No space left on device')
    monkeypatch.setattr('skill_predictor.outputs.os.replace', full)
    with pytest.raises(OSError):
        Manifest().write(tmp_path)
    assert read_manifest(tmp_path).held_out_writers == ('w1',)
    assert os.listdir(tmp_path) == ['dataset.yaml']


@pytest.mark.parametrize('content, said', [
    ('', 'the file is empty'), ('# nothing', 'the file is empty'), ('[]', 'the file is'),
    ('colour: red', 'unknown entry colour; there are seed'),
    ('requirements: {colour: 1}', 'unknown entry colour; there are tasks'),
    ('requirements:', 'requirements is empty'), ('held_out_writers: a3', 'held_out_writers is .*list'),
    ('held_out_writers: [1, 2]', 'held_out_writers is .*list of names'),
    ('held_out_domains:', 'held_out_domains is empty'), ('test_tasks: "10"', "test_tasks is '10'"),
    ('test_tasks: -1', 'from 0'), ('test_tasks: yes', 'test_tasks is True'),
    ('seed: abc', 'seed is .*whole number'), ('requirements: {tasks: many}', "tasks is 'many'"),
    ('requirements: {max_cosine: .nan}', 'from -1 to 1'),
    ('requirements: {audited_fraction: 20}', 'from 0 to 1'),
    ('requirements: {common_sets: {fly: x}}', 'common_sets is'),
    ('requirements: {common_sets: [fly]}', 'common_sets is')])
def test_values_of_a_manifest_are_looked_at(tmp_path, content, said):
    (tmp_path / 'dataset.yaml').write_text(content)
    with pytest.raises(RecordError, match=f'dataset.yaml: is no manifest of a dataset: .*{said}'):
        read_manifest(tmp_path)


def test_a_manifest_may_leave_out_what_is_as_usual(tmp_path):
    (tmp_path / 'dataset.yaml').write_text('seed: -3\nrequirements: {max_cosine: 1}')
    manifest = read_manifest(tmp_path)
    assert manifest.seed == -3 and manifest.test_tasks == 200 and manifest.requirements.tasks == 1


def test_open_disagreements_are_not_counted_as_decided():
    task = TaskRecord('a', 'Go there now please', (), 'port', 'w')
    open_entry = AuditEntry('a', 'sample', (), ('fly',))
    for entry, count in ((open_entry, 0), (replace(open_entry, final=()), 1)):
        found = check.check_audit({'train': [task]}, [entry], Manifest())
        assert f'{count} disagreements decided' in found.note


def test_two_reported_tasks_that_are_one_are_found():
    a, b, c, _ = fields(1)
    copied, same_id = replace(b, text=c.text.upper()), replace(c, text='Another text')
    found = check.check_reported({'train': [a]}, {'test_x': [c], 'test_y': [copied]})
    assert found.problems == (f'{copied.id} (test_y) has the text of {c.id}',)
    found = check.check_reported({'train': [a]}, {'test_x': [c], 'test_y': [same_id]})
    assert found.problems == (f'{c.id}: is in test_x and in test_y',)
