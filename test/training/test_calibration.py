"""Temperature scaling."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('torch')

from skill_predictor.inference.averaging import weighted_mean  # noqa: E402
from skill_predictor.training.calibration import Calibration, cooled, fit_calibration, scaled  # noqa: E402
from skill_predictor.training.heads import Head  # noqa: E402

RNG = np.random.default_rng(0)


@pytest.mark.parametrize('true', [0.5, 1.0, 2.5])
def test_the_temperature_that_was_put_in_is_found(true):
    logits = RNG.normal(0, 2, (20000, 6))
    targets = RNG.random(logits.shape) < 1 / (1 + np.exp(-logits))
    too_hot = (1 / (1 + np.exp(-logits * true))).astype(np.float32)
    found = fit_calibration([too_hot], targets)
    assert found.temperatures == pytest.approx((true,), rel=0.05) and found.weights == (1.0,)


def test_who_knows_more_counts_more():
    logits = RNG.normal(0, 3, (5000, 6))
    targets = RNG.random(logits.shape) < 1 / (1 + np.exp(-logits))
    good, bad = ((1 / (1 + np.exp(-(logits + RNG.normal(0, noise, logits.shape))))).astype(np.float32)
                 for noise in (0.5, 4.0))
    for order in (1, -1):
        found = fit_calibration([good, bad][::order], targets)
        assert sum(found.weights) == pytest.approx(1)
        assert found.weights[::order][0] > 0.8
    assert fit_calibration([good, good], targets).weights == pytest.approx((0.5, 0.5), abs=0.01)


def test_of_weights_that_are_equally_good_the_plain_mean_is_taken():
    logits = RNG.normal(0, 3, (300, 6))
    targets = RNG.random(logits.shape) < 1 / (1 + np.exp(-logits))
    one, other = ((1 / (1 + np.exp(-(logits + RNG.normal(0, 1, logits.shape))))).astype(np.float32)
                  for _ in range(2))
    assert fit_calibration([one, other], targets).weights == (0.5, 0.5)


def test_the_mean_is_calibrated_and_not_its_parts():
    """Two encoders that err apart: the mean of calibrated ones would be too unsure."""
    logits = RNG.normal(0, 2, (20000, 6))
    targets = RNG.random(logits.shape) < 1 / (1 + np.exp(-logits))
    noisy = [(1 / (1 + np.exp(-(logits + RNG.normal(0, 2, logits.shape))))).astype(np.float32)
             for _ in range(2)]

    def mean_under(temperatures):
        return weighted_mean([scaled(values, value) for values, value in zip(noisy, temperatures)],
                             (0.5, 0.5))
    together = mean_under(fit_calibration(noisy, targets).temperatures)
    apart = mean_under([fit_calibration([values], targets).temperatures[0] for values in noisy])
    assert _cross_entropy(together, targets) < _cross_entropy(apart, targets) - 1e-3
    assert fit_calibration([together], targets).temperatures[0] == pytest.approx(1.0, abs=0.03)


def _cross_entropy(probabilities, targets):
    return -np.log(np.where(targets, probabilities, 1 - probabilities)).mean()


def test_no_calibration_is_the_plain_mean():
    assert Calibration.none(2) == Calibration((1.0, 1.0), (0.5, 0.5))


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
