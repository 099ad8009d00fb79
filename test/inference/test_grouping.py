"""Which texts go through the encoders together."""

from __future__ import annotations

import random

import pytest

from skill_predictor.inference.grouping import groups_of_like_length, MAX_RUN_TOKENS


@pytest.mark.parametrize('seed', range(5))
def test_every_text_is_in_one_group_and_padding_is_small(seed):
    lengths = [random.Random(seed * 1000 + n).randint(1, 80) for n in range(64)]
    groups = groups_of_like_length(lengths)
    assert sorted(index for group in groups for index in group) == list(range(64))
    for group in groups:
        padded = [lengths[index] + 2 for index in group]
        assert max(padded) <= 4 / 3 * min(padded)
    assert len(groups) < 14, 'texts of like length meet'


def test_equal_lengths_are_one_group():
    assert groups_of_like_length([9] * 5) == [[0, 1, 2, 3, 4]]


def test_padding_that_costs_nothing_is_taken():
    """On a GPU a few texts go together, whatever their lengths; many do not."""
    assert groups_of_like_length([5, 40, 12, 20], 256) == [[0, 2, 3, 1]]
    assert len(groups_of_like_length([5, 40, 12, 20])) == 4
    lengths = [random.Random(n).randint(1, 80) for n in range(64)]
    groups = groups_of_like_length(lengths, 256)
    assert sorted(index for group in groups for index in group) == list(range(64))
    for group in groups:
        padded = [lengths[index] + 2 for index in group]
        assert max(padded) <= 4 / 3 * min(padded) or len(padded) * max(padded) <= 256
    assert len(groups) < len(groups_of_like_length(lengths))


@pytest.mark.parametrize('free_tokens', [0, 256, 10**6])
def test_no_run_takes_more_memory_than_is_kept_for_it(free_tokens):
    """However alike the texts are, and whatever padding costs."""
    lengths = [254] * 32 + [random.Random(n).randint(200, 254) for n in range(32)]
    groups = groups_of_like_length(lengths, free_tokens)
    assert sorted(index for group in groups for index in group) == list(range(64))
    assert max(len(group) * (max(lengths[index] for index in group) + 2)
               for group in groups) <= MAX_RUN_TOKENS == 2048
    assert len(groups) <= 10, 'runs are as large as they may be'


def test_no_text_no_group():
    assert groups_of_like_length([]) == []
