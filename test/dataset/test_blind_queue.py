"""The queue of the blind annotator: who is asked with whom."""

from __future__ import annotations

import pytest

from skill_predictor.dataset.audit.relabel import in_batches, PER_REQUEST
from skill_predictor.dataset.audit.selection import select
from skill_predictor.dataset.records import TaskRecord


def grouped(*sizes, singles=0):
    groups = [f'g{number}' for number, size in enumerate(sizes) for _ in range(size)]
    return [TaskRecord(f't{number}', f'Task {number}', (), boundary='carry', group=group)
            for number, group in enumerate(groups + [''] * singles)]


@pytest.mark.parametrize('tasks', [
    grouped(*[2] * 20), grouped(*[2] * 15), grouped(*[2] * 1000), grouped(*[2] * 11, singles=3),
    grouped(5, 4, 3, *[2] * 40, singles=100), grouped(3, *[2] * 19)])
@pytest.mark.parametrize('seed', range(5))
def test_members_of_a_group_are_in_different_requests(tasks, seed):
    group = {task.id: task.group for task in tasks}
    queue = list(select(tasks, seed=seed))
    assert sorted(queue) == sorted(group)
    for batch in in_batches(queue):
        named = [group[task] for task in batch if group[task]]
        assert len(named) == len(set(named))
    assert not any(group[first] and group[first] == group[second]
                   for first, second in zip(queue, queue[1:]))


def test_a_group_larger_than_the_number_of_requests_is_spread_as_far_as_it_goes():
    tasks = grouped(7, singles=30)
    counts = [sum(int(task[1:]) < 7 for task in batch) for batch in in_batches(list(select(tasks)))]
    assert sorted(counts) == [3, 4]
    assert len(select(grouped(2))) == 2 and select([]) == {}


def test_order_of_the_queue_is_random_and_repeatable():
    tasks = grouped(*[2] * 50, singles=50)
    first, again, other = (list(select(tasks, fraction=1.0, seed=seed)) for seed in (1, 1, 2))
    assert first == again != other
    numbers = [int(task[1:]) for task in first]
    rising = sum(a < b for a, b in zip(numbers, numbers[1:]))
    assert 55 < rising < 95, 'neither first members first nor singles last'


def test_batches_are_of_even_size():
    for count in (0, 1, 20, 21, 40, 41, 999):
        sizes = [len(batch) for batch in in_batches(range(count))]
        assert sum(sizes) == count and len(sizes) == -(-count // PER_REQUEST)
        assert not sizes or max(sizes) - min(sizes) <= 1 <= min(sizes)
