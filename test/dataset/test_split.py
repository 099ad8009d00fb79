"""Dividing tasks: stratified, whole groups, nothing leaks; and the folder that comes of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from skill_predictor.dataset import check
from skill_predictor.dataset.audit.records import AuditEntry
from skill_predictor.dataset.manifest import (Manifest, read_manifest, read_splits, Requirements,
                                              SPLITS)
from skill_predictor.dataset.records import RecordError, TaskRecord, write_tasks
from skill_predictor.dataset.split import quotas, skill_set, split, SplitError
from skill_predictor.dataset.statistics import statistics
from skill_predictor.dataset.straddling import drop_straddling

LABELS = [(), ('fly',), ('wheels', 'hands'), ('legs',), ('hands',)]
MANIFEST = Manifest(seed=1, test_tasks=50, held_out_writers=('w1', 'w2'),
                    held_out_domains=('zoo',), requirements=Requirements(max_cosine=0.9))


def make_tasks(count=1000):
    """Tasks of eight writers and five domains; every third pair of neighbours is a group."""
    rng = np.random.default_rng(0)
    tasks = []
    for number in range(count):
        unit = number // 2
        grouped = unit % 3 == 0
        tasks.append(TaskRecord(
            f't{number}', f'Please do the task number {number}', LABELS[rng.integers(5)],
            domain=('zoo', 'port', 'farm', 'mine', 'home')[unit % 5],
            writer=f'w{unit % 8}', boundary='carry' if grouped else '',
            group=f'g{unit}' if grouped else ''))
    return tasks


def test_everything_is_somewhere_once_and_nothing_leaks():
    tasks = make_tasks()
    splits = split(tasks, MANIFEST)
    assert list(splits) == list(SPLITS)
    assert sorted(t.id for part in splits.values() for t in part) == sorted(t.id for t in tasks)
    for finding in (check.check_records(splits, MANIFEST), check.check_groups(splits),
                    check.check_leakage(splits, MANIFEST), check.check_repeats(splits),
                    check.check_stratification(splits, MANIFEST)):
        assert finding.passed, finding
    assert {task.domain for task in splits['test_domains']} == {'zoo'}
    assert {task.writer for task in splits['test'] + splits['validation']} == {'w1', 'w2'}
    assert len(splits['test']) == 50 and any(task.group for task in splits['test'])


def test_without_held_out_writers_tasks_are_drawn_from_all():
    splits = split(make_tasks(), Manifest(test_tasks=100))
    assert [len(splits[name]) for name in SPLITS] == [810, 90, 100, 0]
    assert len({task.writer for task in splits['test']}) == 8
    assert check.check_groups(splits).passed


def test_same_seed_same_split():
    tasks = make_tasks()
    assert split(tasks, MANIFEST) == split(tasks, MANIFEST)
    assert split(tasks, MANIFEST) != split(tasks, replace(MANIFEST, seed=2))


def test_one_task_less_moves_few_others():
    tasks = make_tasks()
    before = {task.id for task in split(tasks, MANIFEST)['test']}
    unit = next(task for task in tasks if task.writer == 'w2' and not task.group
                and task.domain != 'zoo')
    after = {task.id for task in split([t for t in tasks if t != unit], MANIFEST)['test']}
    assert len(before & after) >= 44


@pytest.mark.parametrize('manifest, said', [
    (Manifest(held_out_writers=('nobody',)), "writer 'nobody'"),
    (Manifest(held_out_domains=('moon',)), "domain 'moon'"),
    (Manifest(test_tasks=2000), 'too few')])
def test_impossible_split_is_explained(manifest, said):
    with pytest.raises(SplitError, match=said):
        split(make_tasks(), manifest)


def test_group_across_what_is_held_out_is_refused():
    tasks = [replace(task, group='all') for task in make_tasks()[:40]]
    with pytest.raises(SplitError, match="'all' lies across the held-out domains"):
        split(tasks, MANIFEST)


def test_quotas_are_the_largest_remainders():
    assert quotas(Counter(a=50, b=30, c=20), 10) == {'a': 5, 'b': 3, 'c': 2}
    assert quotas(Counter(a=1, b=1, c=1), 2) == {'a': 1, 'b': 1, 'c': 0}


def test_near_duplicates_leave_the_lighter_split():
    tasks = make_tasks(6)
    splits = {'train': [tasks[0], tasks[1], tasks[2]], 'validation': [], 'test': [tasks[3]],
              'test_domains': [tasks[4]]}
    unit = np.eye(6)
    embeddings = {'train': np.array([unit[0], unit[1], unit[4]]), 'validation': np.empty((0, 6)),
                  'test': unit[[3]], 'test_domains': unit[[4]]}
    kept, dropped = drop_straddling(splits, embeddings, 0.9)
    assert dropped == [tasks[2]] and kept['test_domains'] == [tasks[4]]
    assert kept['train'] == [tasks[0], tasks[1]]
    embeddings['train'][0] = unit[3]
    kept, dropped = drop_straddling(splits, embeddings, 0.9)
    assert dropped == tasks[:3], 'the group goes with its member'


@pytest.fixture
def folder(tmp_path):
    splits = split(make_tasks(), MANIFEST)
    for name, part in splits.items():
        write_tasks(part, tmp_path / f'{name}.jsonl')
    MANIFEST.write(tmp_path)
    return tmp_path


def test_folder_is_read_back(folder):
    assert read_manifest(folder) == MANIFEST
    assert read_splits(folder) == split(make_tasks(), MANIFEST)
    assert check.check_order(folder).passed


@pytest.mark.parametrize('content', ['[', '- 1', 'colour: red', 'requirements: {colour: 1}'])
def test_bad_manifest_is_named(tmp_path, content):
    (tmp_path / 'dataset.yaml').write_text(content)
    with pytest.raises(RecordError, match='dataset.yaml'):
        read_manifest(tmp_path)


def test_missing_manifest_says_what_a_dataset_is(tmp_path):
    with pytest.raises(RecordError, match='data split'):
        read_manifest(tmp_path)


def test_label_out_of_order_is_found(folder):
    path = folder / 'train.jsonl'
    path.write_text(path.read_text().replace('["wheels", "hands"]', '["hands", "wheels"]', 1))
    problem, = check.check_order(folder).problems
    assert 'train.jsonl, line' in problem


def broken(change, split_name='train', index=0):
    splits = split(make_tasks(), MANIFEST)
    splits[split_name][index] = replace(splits[split_name][index], **change)
    return splits


@pytest.mark.parametrize('run, change, said', [
    (check.check_records, {'domain': ''}, 'no domain'),
    (check.check_records, {'boundary': 'fun'}, "'fun'"),
    (check.check_records, {'text': 'Too short'}, '2 words'),
    (check.check_leakage, {'domain': 'zoo'}, "'zoo' in train"),
    (check.check_leakage, {'writer': 'w1'}, "'w1' in train")])
def test_broken_record_is_found(run, change, said):
    problem, = run(broken(change), MANIFEST).problems
    assert said in problem


def test_broken_structure_is_found():
    splits = split(make_tasks(), MANIFEST)
    text = splits['test'][0].text.upper() + '!'
    assert check.check_repeats(broken({'text': text})).problems
    assert 'lies in test and train' in ' '.join(check.check_groups(
        broken({'group': next(t.group for t in splits['test'] if t.group)})).problems)
    assert 'one task only' in ' '.join(check.check_groups(broken({'group': 'alone'})).problems)
    splits['train'].append(splits['test'].pop())
    assert check.check_stratification(splits, MANIFEST).problems
    splits['train'].append(splits['train'][0])
    assert 'and in train' in check.check_records(splits, MANIFEST).problems[0]


def test_coverage_counts_what_is_demanded():
    splits = split(make_tasks(), MANIFEST)
    demands = Requirements(tasks=1001, domains=5, boundary_tasks=250, other_sets=100,
                           common_sets={'fly': 1, 'under_water': 7})
    found = check.check_coverage(splits, replace(MANIFEST, requirements=demands))
    assert set(found.problems) == {'1000 tasks, at least 1001 are demanded',
                                   '0 tasks of under_water, at least 7 are demanded'}


def test_near_duplicates_between_splits_are_found():
    splits = split(make_tasks(), MANIFEST)

    def embed(texts):
        numbers = np.array([int(text.split()[-1]) for text in texts])
        return np.random.default_rng(0).normal(size=(1001, 64))[numbers]
    assert check.check_similarity(splits, MANIFEST, embed).passed
    copied = broken({'text': splits['test'][3].text})
    problem, = check.check_similarity(copied, MANIFEST, embed).problems
    assert splits['test'][3].id in problem and 'cosine 1.000' in problem


def test_audit_must_be_whole_decided_and_applied():
    splits = split(make_tasks(), MANIFEST)
    everything = [task for part in splits.values() for task in part]
    demand = replace(MANIFEST, requirements=Requirements(audited_fraction=0.2))
    audit = {task.id: AuditEntry(task.id, 'sample', task.label, task.label)
             for task in everything}
    assert check.check_audit(splits, list(audit.values()), demand).passed
    edge = next(task.id for task in everything if task.boundary)
    audit[edge] = replace(audit[edge], second=('under_water',))
    assert 'not decided' in check.check_audit(splits, list(audit.values()), demand).problems[0]
    audit[edge] = replace(audit[edge], final=('under_water',))
    assert 'decided was' in check.check_audit(splits, list(audit.values()), demand).problems[0]
    audit[edge] = replace(audit[edge], dropped=True)
    assert 'was dropped' in check.check_audit(splits, list(audit.values()), demand).problems[0]
    del audit[edge]
    assert 'no second label' in check.check_audit(splits, list(audit.values()), demand).problems[0]
    few = [entry for entry in audit.values() if entry.id.endswith('7')]
    assert '20% are demanded' in check.check_audit(splits, few, demand).problems[-1]
    stray = [*audit.values(), AuditEntry('gone', 'sample', (), ())]
    assert 'in the audit only' in ' '.join(check.check_audit(splits, stray, demand).problems)


def test_statistics_count_every_axis():
    splits = split(make_tasks(), MANIFEST)
    counted = statistics(splits)
    assert counted.tasks == 1000 == sum(counted.splits.values()) == sum(counted.domains.values())
    assert counted.skill_sets == Counter(skill_set(t) for part in splits.values() for t in part)
    assert counted.skills['wheels'] == counted.skill_sets['wheels+hands']
    assert (counted.groups, counted.grouped_tasks) == (167, 334)
    assert counted.words == dict.fromkeys(('min', 'p10', 'median', 'p90', 'max'), 6)
    with pytest.raises(ValueError, match='no task'):
        statistics({'train': []})
