"""Ways of averaging: each is judged by tasks that chose nothing of it."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('torch')
pytest.importorskip('scipy')

from skill_predictor.training import averaging_trial  # noqa: E402
from skill_predictor.training.averaging_trial import PLAIN, RELEASED, try_ways  # noqa: E402


def encoders(count=600, seed=0):
    """A good encoder, and one that is hardly better than chance and far too sure."""
    rng = np.random.default_rng(seed)
    truth = rng.random((count, 6)) < 0.3
    signs = np.where(truth, 1.0, -1.0)

    def sigmoid(logits):
        return (1 / (1 + np.exp(-logits))).astype(np.float32)
    return [sigmoid(3 * signs + rng.normal(0, 1.5, truth.shape)),
            sigmoid(8 * (0.3 * signs + rng.normal(0, 1, truth.shape)))], truth.astype(np.float32)


def test_a_bad_encoder_gets_little_weight():
    found = {score.name: score for score in try_ways(*encoders())}
    assert list(found)[0] == PLAIN and found[PLAIN].p_value == 1.0
    assert found[RELEASED].exact_match > found[PLAIN].exact_match + 0.1
    assert found[RELEASED].cross_entropy < found[PLAIN].cross_entropy / 2
    assert found[RELEASED].p_value < 1e-6
    assert 0 < found[RELEASED].calibration_error < found[PLAIN].calibration_error / 2
    assert found['the surer encoder for each flag'].exact_match < found[RELEASED].exact_match


def test_thresholds_help_where_a_skill_is_underrated():
    by_encoder, truth = encoders()
    shifted = [by_encoder[0].copy(), by_encoder[0].copy()]
    for values in shifted:  # of the first skill every probability is too low, in a way no logit tells
        values[:, 0] = np.where(values[:, 0] > 0.2, 0.2 + 0.29 * values[:, 0], values[:, 0])
    found = {score.name: score for score in try_ways(shifted, truth)}
    assert found['the same, and a threshold for each skill'].exact_match > (
        found[PLAIN].exact_match + 0.1)


def test_what_is_judged_chose_nothing(monkeypatch):
    """A way that learns its tasks by heart knows nothing of those that judge it."""
    by_encoder, truth = encoders(200)

    def by_heart(values, labels):
        known = {row.tobytes(): label for row, label in zip(values[0], labels)}

        def way(others):
            decided = np.array([known.get(row.tobytes(), [False] * 6) for row in others[0]])
            assert not decided.any(), 'none of these tasks was seen'
            return decided.astype(float), decided
        return way
    monkeypatch.setitem(averaging_trial._WAYS, 'by heart', by_heart)
    assert try_ways(by_encoder, truth)[-1].exact_match == pytest.approx(
        (~(truth > 0.5)).all(axis=1).mean())


def test_a_pair_is_in_one_fold():
    groups = [f'pair {index // 2}' if index < 100 else '' for index in range(150)]
    fold = averaging_trial._folds(groups, 0)
    assert (fold[:100:2] == fold[1:100:2]).all()
    assert np.bincount(fold, minlength=10).min() >= 8
