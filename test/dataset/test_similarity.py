"""Near-duplicates and the linear probe."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('sklearn')

from skill_predictor.dataset import probe  # noqa: E402
from skill_predictor.dataset.duplicates import closest_across, drop_repeats, similar_pairs  # noqa: E402
from skill_predictor.dataset.records import TaskRecord  # noqa: E402


@pytest.fixture
def embeddings():
    """3,000 random directions of different lengths; 5 and 2,500 alike, 7 and 8 alike."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3000, 64)) * rng.uniform(0.1, 9, size=(3000, 1))
    values[2500] = values[5] * 3
    values[8] = values[7] + 0.01 * values[9] / np.linalg.norm(values[9]) * np.linalg.norm(values[7])
    return values


def test_pairs_are_found_across_blocks_most_alike_first(embeddings):
    first, second = similar_pairs(embeddings, 0.95)
    assert (first.first, first.second) == (5, 2500) and first.cosine == pytest.approx(1.0)
    assert (second.first, second.second) == (7, 8) and 0.99 < second.cosine < 1.0


def test_closest_across_is_the_dense_answer(embeddings):
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    cosines = unit[:2000] @ unit[2000:].T
    index, cosine = closest_across(embeddings[:2000], embeddings[2000:])
    assert (index == cosines.argmax(axis=1)).all()
    np.testing.assert_allclose(cosine, cosines.max(axis=1), rtol=1e-5)


def make_tasks(**changes):
    """3,000 tasks with a label that they share; ``t7={...}`` changes one."""
    tasks = [TaskRecord(f't{number}', 'Go', ('fly',)) for number in range(3000)]
    for name, change in changes.items():
        tasks[int(name[1:])] = replace(tasks[int(name[1:])], **change)
    return tasks


def test_repeats_go_but_group_members_stay(embeddings):
    kept, repeats = drop_repeats(make_tasks(), embeddings, 0.95)
    assert [task.id for task in repeats] == ['t8', 't2500'] and len(kept) == 2998
    pair = make_tasks(t7={'group': 'pair'}, t8={'group': 'pair'})
    kept, repeats = drop_repeats(pair, embeddings, 0.95)
    assert [task.id for task in repeats] == ['t2500'] and kept[8].group == 'pair'


def test_alike_with_another_label_is_a_contrast_pair(embeddings):
    tasks = make_tasks(t8={'label': ()}, t2500={'label': (), 'group': 'old'}, t9={'group': 'old'})
    kept, repeats = drop_repeats(tasks, embeddings, 0.95)
    assert not repeats and kept[7].group == kept[8].group == 't7-alike'
    assert {task.id for task in kept if task.group == 'old'} == {'t5', 't9', 't2500'}


def test_what_repeats_a_repeat_goes_too_and_leaves_no_lonely_group():
    tasks = [replace(task, group=group) for task, group in zip(make_tasks(), ['', 'g', 'g'])]
    kept, repeats = drop_repeats(tasks, np.eye(3)[[0, 0, 1]], 0.95)
    assert [task.id for task in repeats] == ['t1'] and [task.group for task in kept] == ['', '']


def test_zero_vector_is_like_nothing():
    assert similar_pairs(np.zeros((3, 4)), 0.5) == []


def test_probe_learns_what_is_linear_and_constant_skills():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(400, 10))
    targets = values[:, :6] > 0
    targets[:, 4], targets[:, 5] = True, False
    models = probe.fit(values[:300], targets[:300])
    predicted = probe.predict(models, values[300:])
    assert (predicted == targets[300:]).mean() > 0.95
    assert predicted[:, 4].all() and not predicted[:, 5].any()
    probabilities = probe.probabilities(models, values)
    assert probabilities.shape == (400, 6) and (probabilities >= 0).all()
