"""Temperature scaling."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('torch')

from skill_predictor.training.calibration import cooled, fit_temperature, scaled  # noqa: E402
from skill_predictor.training.heads import Head  # noqa: E402

RNG = np.random.default_rng(0)


@pytest.mark.parametrize('true', [0.5, 1.0, 2.5])
def test_the_temperature_that_was_put_in_is_found(true):
    logits = RNG.normal(0, 2, (20000, 6))
    targets = RNG.random(logits.shape) < 1 / (1 + np.exp(-logits))
    too_hot = (1 / (1 + np.exp(-logits * true))).astype(np.float32)
    assert fit_temperature(too_hot, targets) == pytest.approx(true, rel=0.05)


def test_scaling_keeps_decisions_and_certainties():
    probabilities = np.array([[0.0, 0.2, 0.5, 0.6, 1.0, 0.499]], dtype=np.float32)
    found = scaled(probabilities, 3.0)
    assert ((found >= 0.5) == (probabilities >= 0.5)).all()
    assert (np.abs(found - 0.5) <= np.abs(probabilities - 0.5) + 1e-6).all()
    np.testing.assert_allclose(scaled(probabilities, 1.0), probabilities, atol=1e-6)


def test_a_cooled_head_gives_scaled_probabilities():
    head = Head((RNG.normal(size=(4, 8)).astype(np.float32),
                 RNG.normal(size=(6, 4)).astype(np.float32)),
                (RNG.normal(size=4).astype(np.float32), RNG.normal(size=6).astype(np.float32)))
    x = RNG.normal(size=(10, 8)).astype(np.float32)
    np.testing.assert_allclose(cooled(head, 1.7).probabilities(x),
                               scaled(head.probabilities(x), 1.7), atol=1e-4)
