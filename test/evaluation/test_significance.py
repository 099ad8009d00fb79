"""Intervals and tests."""

from __future__ import annotations

import numpy as np
import pytest

from skill_predictor.evaluation.significance import (bootstrap, difference, exact_match, hamming_loss,
                                                     macro_f1, mcnemar)

RNG = np.random.default_rng(0)


def test_interval_of_a_share_is_the_binomial_one():
    labels = np.ones((400, 6), dtype=bool)
    predicted = labels.copy()
    predicted[:40, 0] = False
    found = bootstrap(labels, predicted, exact_match)
    assert found.value == pytest.approx(0.9)
    # 1.96 standard errors of a share of 0.9 among 400
    assert found.low == pytest.approx(0.9 - 0.0294, abs=0.004)
    assert found.high == pytest.approx(0.9 + 0.0294, abs=0.004)
    assert str(found).startswith('0.900 (0.8')
    assert bootstrap(labels, predicted, exact_match) == found


def test_macro_f1_agrees_with_scikit_learn():
    metrics = pytest.importorskip('sklearn.metrics')
    labels, predicted = RNG.random((50, 6)) < 0.4, RNG.random((50, 6)) < 0.5
    labels[:, 3] = predicted[:, 3] = False
    assert macro_f1(labels, predicted) == pytest.approx(
        metrics.f1_score(labels, predicted, average='macro', zero_division=0))


def test_figures_of_samples_are_those_of_the_rows_they_hold():
    labels, predicted = RNG.random((40, 6)) < 0.4, RNG.random((40, 6)) < 0.5
    predicted[:20] = labels[:20]
    times = RNG.integers(0, 3, (5, 40))
    for figure in (exact_match, hamming_loss, macro_f1):
        held = [np.repeat(np.arange(40), row) for row in times]
        np.testing.assert_allclose(
            figure(labels, predicted, times.astype(np.float32)),
            [figure(labels[rows], predicted[rows]) for rows in held], rtol=1e-5)


def test_no_error_is_not_certainty():
    """Wilson's interval of 41 right in 41 begins at 41 / (41 + 1.96 squared)."""
    pytest.importorskip('scipy')
    labels = np.zeros((200, 6), dtype=bool)
    labels[:41, 0] = True
    least = 41 / (41 + 1.96 ** 2)
    f1 = bootstrap(labels[:, :1], labels[:, :1], macro_f1)
    assert (f1.value, f1.low, f1.high) == (1.0, pytest.approx(least, abs=1e-3), pytest.approx(1))
    assert bootstrap(labels, labels, exact_match).low == pytest.approx(200 / (200 + 1.96 ** 2), abs=1e-3)
    assert bootstrap(labels, ~labels, exact_match).high < 0.02
    assert bootstrap(labels, labels, hamming_loss).high == pytest.approx(1 - 200 / (200 + 1.96 ** 2),
                                                                         abs=1e-3)
    pairs = bootstrap(labels, labels, exact_match, groups=[str(n // 2) for n in range(200)])
    assert pairs.low == pytest.approx(100 / (100 + 1.96 ** 2), abs=1e-3)


def test_a_sample_without_a_skill_says_nothing_of_it():
    """Of three boats in sixty tasks one sample in twenty has none, and was right of no boat then."""
    pytest.importorskip('scipy')
    labels = np.zeros((60, 6), dtype=bool)
    labels[:, :5] = RNG.random((60, 5)) < 0.5
    labels[:3, 5] = True
    rare = bootstrap(labels[:, 5:], labels[:, 5:], macro_f1)
    assert (rare.value, rare.low) == (1.0, pytest.approx(3 / (3 + 1.96 ** 2), abs=1e-3))
    assert bootstrap(labels, labels, macro_f1).low == pytest.approx(60 / (60 + 1.96 ** 2), abs=1e-3)
    predicted = labels.copy()
    predicted[0, 5] = False
    assert bootstrap(labels[:, 5:], predicted[:, 5:], macro_f1).low >= 0.0
    assert bootstrap(labels, predicted, macro_f1).low > 0.8
    labels[:, 5] = False
    none = bootstrap(labels, labels, macro_f1)
    assert none.value == none.high == pytest.approx(5 / 6)
    assert none.low == pytest.approx(5 / 6 * 60 / (60 + 1.96 ** 2), abs=1e-3)
    never = bootstrap(labels[:, 5:], labels[:, 5:], macro_f1)
    assert (never.value, never.low, never.high) == (0.0, 0.0, 1.0)


def test_difference_of_two_systems_on_the_same_tasks():
    first = np.array([True] * 340 + [False] * 60)
    second = first.copy()
    second[340:360] = True
    found = difference(first, second)
    assert found.value == pytest.approx(0.05)
    # 1.96 standard errors of 20 in 400; apart, the shares would be uncertain by twice as much
    assert found.high - found.value == pytest.approx(0.0214, abs=0.004)
    assert difference(second, first).value == pytest.approx(-0.05)
    assert (difference(first, first).low, difference(first, first).high) == (0.0, 0.0)


def test_mcnemar_counts_what_one_alone_has_right():
    pytest.importorskip('scipy')
    first = np.array([True] * 10 + [False] * 2 + [True] * 50 + [False] * 5)
    second = np.array([False] * 10 + [True] * 2 + [True] * 50 + [False] * 5)
    found = mcnemar(first, second)
    assert (found.only_first, found.only_second) == (10, 2)
    # Two-sided binomial test of 10 in 12: 2 (1 + 12 + 66) / 4096
    assert found.p_value == pytest.approx(2 * 79 / 4096)
    assert mcnemar(first, first).p_value == 1.0


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match='0 labels'):
        bootstrap(np.zeros((0, 6)), np.zeros((0, 6)), exact_match)
    with pytest.raises(ValueError, match='cannot be compared'):
        mcnemar(np.ones(3), np.ones(4))


def test_rows_of_one_group_are_drawn_together():
    """A hundred tasks that are copies of ten tell as much as ten."""
    labels = np.ones((100, 6), dtype=bool)
    predicted = labels.copy()
    predicted[:30] = False
    alone = bootstrap(labels, predicted, exact_match)
    pairs = bootstrap(labels, predicted, exact_match, groups=[str(n // 10) for n in range(100)])
    ten = bootstrap(labels[::10], predicted[::10], exact_match)
    assert alone.value == pairs.value == pytest.approx(0.7)
    assert pairs.high - pairs.low == pytest.approx(ten.high - ten.low, abs=0.02)
    assert pairs.high - pairs.low > 2.5 * (alone.high - alone.low)
    assert bootstrap(labels, predicted, exact_match, groups=[''] * 100) == alone
