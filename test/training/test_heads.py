"""Fitting a head: reproducible, folded correctly, and learning something."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from skill_predictor.training.heads import (  # noqa: E402
    fit_head, fold_standardisation, Head, HeadRecipe, positive_weights, standardisation)

QUICK = HeadRecipe(hidden_layers=(16, 12, 8), epochs=3)


def tasks(count, seed=0, hidden=24):
    """Embeddings around a mean of their own, and targets that are signs of six directions."""
    generator = np.random.default_rng(seed)
    plain = generator.standard_normal((count, hidden)).astype(np.float32)
    directions = np.random.default_rng(99).standard_normal((hidden, 6)).astype(np.float32)
    targets = (plain @ directions > 0).astype(np.float32)
    return plain * 0.1 + np.linspace(-1, 1, hidden, dtype=np.float32), targets


def same(one: Head, other: Head) -> bool:
    """Whether two heads are equal bit for bit."""
    return all(np.array_equal(a, b) for a, b in zip(one.weights + one.biases,
                                                    other.weights + other.biases))


def test_same_seed_gives_the_same_weights_whatever_the_process_did_before():
    x, y = tasks(100)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        torch.manual_seed(1)
        first = fit_head(x, y, QUICK, seed=5)
        torch.set_num_threads(2)
        torch.manual_seed(2)
        assert same(first, fit_head(x, y, QUICK, seed=5))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert not same(first, fit_head(x, y, QUICK, seed=6))


def test_the_callers_random_numbers_are_left_alone():
    x, y = tasks(50)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    fit_head(x, y, QUICK, seed=1)
    assert torch.equal(torch.rand(3), expected)


def test_folded_weights_take_plain_inputs():
    generator = np.random.default_rng(0)
    weight = generator.standard_normal((8, 24)).astype(np.float32)
    bias = generator.standard_normal(8).astype(np.float32)
    x, _ = tasks(40)
    mean, scale = standardisation(x)
    folded, shifted = fold_standardisation(weight, bias, mean, scale)
    np.testing.assert_allclose(x @ folded.T + shifted, (x - mean) / scale @ weight.T + bias,
                               atol=1e-4)
    assert (folded.dtype, shifted.dtype) == (np.float32, np.float32)


def test_standardisation_is_a_mean_per_feature_and_one_scale():
    x, _ = tasks(500)
    mean, scale = standardisation(x)
    scaled = (x - mean) / scale
    np.testing.assert_allclose(scaled.mean(0), 0.0, atol=1e-4)
    assert scaled.std() == pytest.approx(1.0, abs=1e-3)
    assert np.ndim(scale) == 0


def test_moved_and_stretched_embeddings_give_the_same_predictions():
    x, y = tasks(200)
    moved = x * 4.0 + 2.0
    near = fit_head(x, y, QUICK).probabilities(x)
    np.testing.assert_allclose(fit_head(moved, y, QUICK).probabilities(moved), near, atol=1e-3)
    assert near.std() > 0.01  # else anything would be close


def test_learns_separable_tasks_and_nothing_from_shuffled_ones():
    x, y = tasks(1200)
    recipe = HeadRecipe(hidden_layers=(64, 32, 16), epochs=40, dropout=0.0)
    unseen, truth = tasks(300, seed=1)
    right = ((fit_head(x, y, recipe).probabilities(unseen) >= 0.5) == truth).mean()
    shuffled = y[np.random.default_rng(2).permutation(len(y))]
    guessed = ((fit_head(x, shuffled, recipe).probabilities(unseen) >= 0.5) == truth).mean()
    assert right > 0.93
    assert guessed < 0.65


def test_shape_of_the_head_and_of_its_answer():
    x, y = tasks(30)
    head = fit_head(x, y, QUICK)
    assert head.widths == QUICK.widths(24) == (24, 16, 12, 8, 6)
    probabilities = head.probabilities(x[:5])
    assert (probabilities.shape, probabilities.dtype) == ((5, 6), np.float32)
    assert ((probabilities > 0) & (probabilities < 1)).all()


def test_probabilities_are_those_of_linear_layers_with_gelu():
    x, y = tasks(30)
    head = fit_head(x, y, QUICK)
    layers = []
    for weight, bias in zip(head.weights, head.biases):
        linear = torch.nn.Linear(*weight.shape[::-1])
        linear.load_state_dict({'weight': torch.tensor(weight), 'bias': torch.tensor(bias)})
        layers += [linear, torch.nn.GELU()]
    network = torch.nn.Sequential(*layers[:-1], torch.nn.Sigmoid())
    with torch.no_grad():
        expected = network(torch.tensor(x)).numpy()
    np.testing.assert_allclose(head.probabilities(x), expected, atol=1e-6)


def test_rare_skills_weigh_more_up_to_a_cap():
    targets = np.zeros((100, 6))
    targets[:20, 0] = targets[:50, 1] = targets[:1, 2] = targets[:99, 4] = targets[:, 5] = 1
    np.testing.assert_allclose(
        positive_weights(targets, 3.0), [2, 1, 3, 3, 1 / 3, 1 / 3], rtol=1e-6)


def test_a_skill_that_never_occurs_does_not_break_the_fit():
    x, y = tasks(60)
    y[:, 3] = 0
    assert np.isfinite(fit_head(x, y, QUICK).probabilities(x)).all()


@pytest.mark.parametrize('epochs, count', [(1, 2), (1, 64), (2, 65)])
def test_the_smallest_fits(epochs, count):
    x, y = tasks(count)
    calls = []
    head = fit_head(x, y, HeadRecipe(hidden_layers=(8, 8, 8), epochs=epochs),
                    on_epoch=lambda: calls.append(1))
    assert np.isfinite(head.probabilities(x)).all()
    assert len(calls) == epochs


@pytest.mark.parametrize('spoil, reason', [
    (lambda x, y: (x[0], y), 'embeddings have shape'),
    (lambda x, y: (x[:1], y[:1]), 'embeddings have shape'),
    (lambda x, y: (x, y[:-1]), 'targets have shape'),
    (lambda x, y: (x, y[:, :5]), 'targets have shape'),
    (lambda x, y: (np.where(x == x[0, 0], np.nan, x), y), 'not finite'),
    (lambda x, y: (x, y * 2), 'must be 0 or 1'),
    (lambda x, y: (np.ones_like(x), y), 'all embeddings are equal'),
])
def test_arrays_that_cannot_be_fitted_are_refused(spoil, reason):
    with pytest.raises(ValueError, match=reason):
        fit_head(*spoil(*tasks(20)), QUICK)
