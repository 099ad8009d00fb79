"""Reliability, calibration error and review bands."""

from __future__ import annotations

import math

import numpy as np
import pytest

from skill_predictor.evaluation.calibration import (coverage_curve, expected_calibration_error,
                                                    reliability)


def test_bins_hold_every_probability():
    said = np.array([[0.0, 0.05, 0.5], [0.55, 0.95, 1.0]])
    truth = np.array([[0, 0, 1], [1, 1, 1]], dtype=bool)
    bins = reliability(truth, said, 10)
    assert [(part.low, part.count) for part in bins] == [
        (0.0, 2), (pytest.approx(0.5), 2), (pytest.approx(0.9), 2)]
    assert bins[0].mean_probability == pytest.approx(0.025) and bins[0].frequency == 0.0
    assert bins[1].frequency == bins[2].frequency == 1.0


def test_error_of_honest_and_of_boasting_probabilities():
    rng = np.random.default_rng(0)
    said = rng.random((20000, 6))
    truth = rng.random(said.shape) < said
    assert expected_calibration_error(truth, said) < 0.01
    assert expected_calibration_error(truth, np.where(said < 0.5, 0.0, 1.0)) == pytest.approx(
        0.25, abs=0.01)


def test_a_review_band_trades_coverage_for_exactness():
    labels = np.zeros((4, 6), dtype=bool)
    said = np.zeros((4, 6))
    said[0, 1], said[1, 2], said[2, 3] = 0.45, 0.55, 0.7  # right, wrong, wrong; the last is right
    points = {point.band: point for point in coverage_curve(labels, said, 0.5, (0, 0.1, 0.3, 0.5))}
    assert (points[0].coverage, points[0].exact_match) == (1.0, 0.5)
    assert (points[0.1].coverage, points[0.1].exact_match) == (0.5, 0.5)
    assert (points[0.3].coverage, points[0.3].exact_match) == (0.25, 1.0)
    labels[3, 0], said[3, 0] = True, 0.9
    assert math.isnan(coverage_curve(labels, said, 0.5, (0.45,))[0].exact_match)
