"""A head as plain arrays: folded correctly, and the same network as PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from skill_predictor.training.heads import (  # noqa: E402
    fold_standardisation, Head, positive_weights, standardisation)


def embeddings(count, hidden=24):
    """Around a mean of their own."""
    plain = np.random.default_rng(0).standard_normal((count, hidden)).astype(np.float32)
    return plain * 0.1 + np.linspace(-1, 1, hidden, dtype=np.float32)


def test_folded_weights_take_plain_inputs():
    generator = np.random.default_rng(0)
    weight = generator.standard_normal((8, 24)).astype(np.float32)
    bias = generator.standard_normal(8).astype(np.float32)
    x = embeddings(40)
    mean, scale = standardisation(x)
    folded, shifted = fold_standardisation(weight, bias, mean, scale)
    np.testing.assert_allclose(x @ folded.T + shifted, (x - mean) / scale @ weight.T + bias,
                               atol=1e-4)
    assert (folded.dtype, shifted.dtype) == (np.float32, np.float32)


def test_standardisation_is_a_mean_per_feature_and_one_scale():
    x = embeddings(500)
    mean, scale = standardisation(x)
    scaled = (x - mean) / scale
    np.testing.assert_allclose(scaled.mean(0), 0.0, atol=1e-4)
    assert scaled.std() == pytest.approx(1.0, abs=1e-3)
    assert np.ndim(scale) == 0


def test_probabilities_are_those_of_linear_layers_with_gelu():
    x, generator = embeddings(30), np.random.default_rng(1)
    sizes = ((16, 24), (12, 16), (6, 12))
    head = Head(tuple(generator.standard_normal(size).astype(np.float32) for size in sizes),
                tuple(generator.standard_normal(size[0]).astype(np.float32) for size in sizes))
    assert head.widths == (24, 16, 12, 6)
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


def test_equal_embeddings_are_refused():
    with pytest.raises(ValueError, match='all embeddings are equal'):
        standardisation(np.ones((4, 8), np.float32))
