"""Training data: texts that cannot be served are refused, and folds hold out what they say."""

from __future__ import annotations

import json

import numpy as np
import pytest

from skill_predictor.dataset.records import RecordError, TaskRecord
from skill_predictor.inference.tokenizer import TaskTokenizer
from skill_predictor.training.corpus import folds, join, read_corpus, shared_texts


@pytest.fixture
def tokenizer(vocabulary):
    return TaskTokenizer(vocabulary, 20)


def written(path, *entries):
    """A file of tasks."""
    path.write_text(''.join(json.dumps(entry) + '\n' for entry in entries), encoding='utf-8')
    return path


def records(*writers):
    """A task by each of the writers; the domain is the writer's name doubled."""
    return [TaskRecord(str(n), 'go', (), writer * 2, writer) for n, writer in enumerate(writers)]


def test_targets_follow_the_labels(tmp_path, tokenizer):
    corpus = read_corpus(written(
        tmp_path / 'a.jsonl', {'text': 'go', 'label': ['hands', 'fly']},
        {'text': 'stop', 'label': []}), tokenizer)
    assert corpus.texts == ['go', 'stop']
    np.testing.assert_array_equal(corpus.targets, [[1, 0, 0, 0, 0, 1], [0] * 6])
    assert corpus.targets.dtype == np.float32


@pytest.mark.parametrize('entry, reason', [
    ({'text': 'go'}, 'line 2: has no "label"'),
    ({'text': '', 'label': [], 'id': 'x'}, "task 'x': the text is empty"),
    ({'text': 'go ' * 30, 'label': []}, "task 'line-2': .* tokens"),
])
def test_tasks_that_cannot_be_learnt_from_are_named(tmp_path, tokenizer, entry, reason):
    path = written(tmp_path / 'a.jsonl', {'text': 'go', 'label': []}, entry)
    with pytest.raises(RecordError, match=reason) as caught:
        read_corpus(path, tokenizer)
    assert str(path) in str(caught.value)


def test_a_file_without_tasks_is_refused(tmp_path, tokenizer):
    with pytest.raises(RecordError, match='holds no task'):
        read_corpus(written(tmp_path / 'a.jsonl'), tokenizer)


def test_joined_in_order(tmp_path, tokenizer):
    one = read_corpus(written(tmp_path / 'a', {'text': 'go', 'label': ['fly']}), tokenizer)
    other = read_corpus(written(tmp_path / 'b', {'text': 'dive', 'label': []}), tokenizer)
    both = join([one, other])
    assert both.texts == ['go', 'dive']
    assert both.targets[:, 0].tolist() == [1, 0]


def test_every_writer_is_a_fold():
    tasks = records('b', 'a', 'b', 'c', 'b', 'a')
    for by in ('writer', 'domain'):
        found = folds(tasks, by)
        assert len(set(found)) == 3
        for fold in set(found):
            assert len({task.writer for task, number in zip(tasks, found) if number == fold}) == 1


def test_many_domains_share_folds_of_similar_size():
    tasks = records(*(f'w{n}' for n in range(25) for _ in range(n + 1)))
    found = folds(tasks, 'domain')
    assert set(found) == set(range(10))
    assert all(len({number for task, number in zip(tasks, found) if task.domain == domain}) == 1
               for domain in {task.domain for task in tasks})
    sizes = np.bincount(found)
    assert sizes.max() <= 1.4 * sizes.min()


def test_random_folds_are_even_and_seeded():
    tasks = records(*'abcdefghijk')
    found = folds(tasks, '3', seed=1)
    assert sorted(np.bincount(found)) == [3, 4, 4]
    np.testing.assert_array_equal(found, folds(tasks, '3', seed=1))
    assert (found != folds(tasks, '3', seed=2)).any()


@pytest.mark.parametrize('writers, by, reason', [
    ('aab', 'author', 'choose writer, domain, or a number'),
    ('aab', '1', 'a number from 2'),
    ('aab', '-2', 'a number from 2'),
    ('aab', '4', '3 tasks cannot make 4 folds'),
    ('aaa', 'writer', 'all tasks are of one writer'),
    (['a', '', 'b', ''], 'domain', '2 tasks do not state their domain'),
])
def test_folds_that_cannot_be_are_refused(writers, by, reason):
    with pytest.raises(ValueError, match=reason):
        folds(records(*writers), by)


def test_shared_texts_are_found(tmp_path, tokenizer):
    one = read_corpus(written(tmp_path / 'a', {'text': 'Go  on', 'label': []}), tokenizer)
    other = read_corpus(written(tmp_path / 'b', {'text': 'go on', 'label': []},
                                {'text': 'go under', 'label': []}), tokenizer)
    assert shared_texts(one, other) == 1
