"""Metrics against values that were worked out by hand."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from skill_predictor.evaluation.metrics import score
from skill_predictor.taxonomy import SKILLS, to_flags


def _vectors(*labels):
    return np.array([to_flags(label) for label in labels], dtype=bool).reshape(-1, 6)


LABELS = _vectors(['fly', 'hands'], ['wheels'], [], ['wheels', 'hands'])
# Missed: hands of the first. Claimed wrongly: legs of the third.
PREDICTED = _vectors(['fly'], ['wheels'], ['legs'], ['wheels', 'hands'])


def test_by_hand():
    scores = score(LABELS, PREDICTED)
    assert scores.tasks == 4
    assert scores.exact_match == 2 / 4
    assert scores.hamming_loss == pytest.approx(2 / 24)
    assert scores.micro_f1 == pytest.approx(2 * 4 / (2 * 4 + 1 + 1))
    assert scores.macro_f1 == pytest.approx((1 + 1 + 0 + 0 + 0 + 2 / 3) / 6)
    assert list(scores.skills) == list(SKILLS)
    by_skill = {skill: (s.precision, s.recall, s.f1, s.support)
                for skill, s in scores.skills.items()}
    assert by_skill == {
        'fly': (1, 1, 1, 1), 'wheels': (1, 1, 1, 2), 'legs': (0, 0, 0, 0),
        'surface_water': (0, 0, 0, 0), 'under_water': (0, 0, 0, 0),
        'hands': (1, 1 / 2, pytest.approx(2 / 3), 2)}


def test_labels_and_predictions_are_not_interchangeable():
    hands = score(PREDICTED, LABELS).skills['hands']
    assert (hands.precision, hands.recall, hands.support) == (1 / 2, 1, 1)


def test_perfect_and_opposite():
    every = np.array([[True] * 6, [False] * 6])
    assert score(every, every).macro_f1 == score(every, every).exact_match == 1
    assert score(every, ~every).hamming_loss == 1
    assert score(every, ~every).micro_f1 == score(every, ~every).exact_match == 0


def test_a_single_task():
    scores = score(_vectors(['legs']), _vectors(['legs', 'hands']))
    assert (scores.tasks, scores.exact_match, scores.hamming_loss) == (1, 0, pytest.approx(1 / 6))
    assert scores.skills['legs'].f1 == 1


@pytest.mark.filterwarnings('error')
def test_nothing_to_divide_by_is_zero_and_no_warning():
    scores = score(_vectors([]), _vectors([]))
    assert scores.exact_match == 1 and scores.hamming_loss == 0
    assert scores.macro_f1 == scores.micro_f1 == 0


def test_fit_for_json():
    entry = json.loads(json.dumps(score(LABELS, PREDICTED).to_dict()))
    assert list(entry) == ['tasks', 'exact_match', 'hamming_loss', 'macro_f1', 'micro_f1',
                           'skills']
    assert entry['skills']['hands'] == {
        'precision': 1.0, 'recall': 0.5, 'f1': pytest.approx(2 / 3), 'support': 2}


@pytest.mark.parametrize('labels, predicted, message', [
    (_vectors(), _vectors(), 'nothing to score'),
    (LABELS, PREDICTED[:3], '4 labels for 3 predicted'),
    (LABELS[:, :5], PREDICTED, r'labels must have shape \(n, 6\), not \(4, 5\)'),
    (LABELS[0], PREDICTED[0], r'not \(6,\)'),
    (LABELS, PREDICTED * 0.7, 'predicted must be boolean, not float64; compare'),
    (LABELS.astype(int), PREDICTED, 'labels must be boolean'),
])
def test_what_cannot_be_scored(labels, predicted, message):
    with pytest.raises(ValueError, match=message):
        score(labels, predicted)


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, 'sklearn', None)
    with pytest.raises(ImportError, match='pip install -r requirements/evaluation.txt') as caught:
        score(LABELS, PREDICTED)
    path = re.search(r'-r (\S+)', str(caught.value)).group(1)
    assert (Path(__file__).parents[2] / path).is_file(), 'what it says to install does not exist'
