"""What the trainer reads: batches, changed texts and their targets."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from skill_predictor.dataset.records import RecordError, TaskRecord, write_tasks  # noqa: E402
from skill_predictor.inference.store import TokenIds  # noqa: E402
from skill_predictor.inference.tokenizer import TaskTokenizer  # noqa: E402
from skill_predictor.training.examples import (Collate, LengthBatches,  # noqa: E402
                                               read_distractors, read_examples, Tasks)
from skill_predictor.training.recipe import Recipe  # noqa: E402

LENGTHS = np.random.default_rng(0).integers(1, 60, 500).tolist()


def length_batches(seed=0, groups=None):
    return LengthBatches(len(LENGTHS), lambda: LENGTHS, 10, seed, groups)


def test_batches_hold_every_task_once_with_its_like():
    batches = list(length_batches())
    assert sorted(index for batch in batches for index in batch) == list(range(500))
    assert len(batches) == len(length_batches()) == 50
    spread = np.mean([np.ptp([LENGTHS[index] for index in batch]) for batch in batches])
    assert spread < 10 < 25 < np.mean(
        [np.ptp(LENGTHS[start:start + 10]) for start in range(0, 500, 10)])


def test_order_depends_on_seed_and_epoch_alone():
    batches = length_batches()
    first = list(batches)
    torch.rand(3)
    assert list(batches) == first
    batches.epoch = 1
    assert list(batches) != first
    assert list(length_batches(1)) != first


def test_groups_stay_in_one_batch():
    groups = [f'g{index // 2}' if index < 200 else '' for index in range(500)]

    def together(found):
        batch_of = {index: number for number, batch in enumerate(found) for index in batch}
        return np.mean([batch_of[index] == batch_of[index + 1] for index in range(0, 200, 2)])
    batches = list(length_batches(0, groups))
    assert sorted(index for batch in batches for index in batch) == list(range(500))
    assert together(batches) > 0.85 > 0.2 > together(list(length_batches()))


def test_tasks_are_alike_as_their_pass_has_changed_them(tokenizer):
    recipe = Recipe(encoder='minilm', distractor=0.3)
    tasks = Tasks(['dive'] * 200, targets(*[4] * 200), tokenizer, recipe,
                  ['the roof is new to the box'])
    batches = LengthBatches(len(tasks), tasks.lengths, 10, seed=0)
    seen = []
    for epoch in range(2):
        tasks.epoch = batches.epoch = epoch
        found = [{len(tasks[index][0]) for index in batch} for batch in batches]
        assert sum(len(lengths) > 1 for lengths in found) <= 1
        seen.append(tasks.lengths())
    assert len(set(seen[0])) == 2 and seen[0] != seen[1]


@pytest.fixture
def tokenizer(vocabulary):
    return TaskTokenizer(vocabulary, 20)


def targets(*columns):
    flags = np.zeros((len(columns), 6), dtype=np.float32)
    for row, column in enumerate(columns):
        flags[row, column] = 1
    return flags


def test_without_a_recipe_nothing_is_changed(tokenizer):
    tasks = Tasks(['go to the roof', 'dive'], targets(0, 4), tokenizer)
    assert tasks[0][0] == tokenizer.tokenize('go to the roof')
    np.testing.assert_array_equal(tasks[1][1], targets(4)[0])


def test_joined_tasks_need_what_either_needs(tokenizer):
    texts = ['go to the roof', 'dive under the dock', 'take the box']
    tasks = Tasks(texts, targets(0, 4, 5), tokenizer, Recipe(encoder='minilm', joined=1.0))
    seen = set()
    for tasks.epoch in range(60):
        row, target = tasks[0]
        assert set(tokenizer.tokenize(texts[0])) <= set(row)
        seen.add(tuple(np.flatnonzero(target)))
    assert seen == {(0,), (0, 4), (0, 5)}


def test_a_text_that_grew_too_long_stays_as_it_was(tokenizer):
    text = 'go to the red roof and take the blue box from the deck under the lake'
    tasks = Tasks([text, text], targets(0, 4), tokenizer, Recipe(encoder='minilm', joined=1.0))
    row, target = tasks[0]
    assert row == tokenizer.tokenize(text)
    np.testing.assert_array_equal(target, targets(0)[0])


def test_changes_depend_on_seed_pass_and_task_alone(tokenizer):
    recipe = Recipe(encoder='minilm', typos=0.5, no_punctuation=0.5, distractor=0.5)
    found = []
    for seed in (4, 4, 5):
        tasks = Tasks(['go to the roof, take the box'], targets(0), tokenizer, recipe,
                      ['put a lake.'], seed)
        found.append([])
        for tasks.epoch in range(20):
            found[-1].append(tasks[0][0])
            torch.rand(3)
    assert found[0] != found[2]
    assert found[0] == found[1] and len(set(map(tuple, found[0]))) > 5


def test_collate_pads():
    batch = Collate(TokenIds(0, 101, 102, 0))([([5, 6], targets(1)[0]), ([7], targets(2)[0])])
    assert batch['input_ids'].tolist() == [[101, 5, 6, 102], [101, 7, 102, 0]]
    assert batch['attention_mask'].tolist() == [[1, 1, 1, 1], [1, 1, 1, 0]]
    assert batch['labels'].shape == (2, 6)


def test_examples_of_a_dataset(tmp_path):
    for split in ('train', 'validation', 'test', 'test_domains'):
        write_tasks([TaskRecord(f'{split}-1', 'fly', ('fly',), group='g')]
                    if split != 'test' else [], tmp_path / f'{split}.jsonl')
    examples, hashes = read_examples(tmp_path)
    assert sorted(examples) == sorted(hashes) == ['test_domains', 'train', 'validation']
    assert examples['train'].groups == ['g'] and examples['train'].targets.tolist() == [
        [1, 0, 0, 0, 0, 0]]
    assert read_distractors(tmp_path) == []
    (tmp_path / 'distractors.txt').write_text('Rain.\n\nSnow. \n')
    assert read_distractors(tmp_path) == ['Rain.', 'Snow.']
    write_tasks([], tmp_path / 'validation.jsonl')
    with pytest.raises(RecordError, match='no tasks in validation.jsonl'):
        read_examples(tmp_path)
