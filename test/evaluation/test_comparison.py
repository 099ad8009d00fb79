"""Systems side by side."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip('sklearn')
pytest.importorskip('scipy')

from skill_predictor.evaluation.comparison import compare, markdown  # noqa: E402

LABELS = np.random.default_rng(0).random((60, 6)) < 0.4
GOOD, BAD = LABELS.copy(), LABELS.copy()
GOOD[:3, 0] ^= True
BAD[:30, 1] ^= True


def test_each_is_scored_and_tested_against_the_reference():
    good, bad = compare({'good': GOOD, 'bad': BAD}, LABELS, 'good')
    assert good.against is None and good.exact_match.value == pytest.approx(57 / 60)
    assert bad.exact_match.value == 0.5 and bad.hamming_loss.value == pytest.approx(30 / 360)
    # 27 tasks that only the reference has right, none the other way round
    assert (bad.against.only_first, bad.against.only_second) == (27, 0)
    assert bad.against.p_value == pytest.approx(2 * 0.5**27)
    assert bad.f1['fly'].value == 1.0 > bad.f1['wheels'].value
    json.dumps(bad.to_dict())


def test_table():
    text = markdown(compare({'good': GOOD, 'bad': BAD}, LABELS, 'good')).splitlines()
    assert len(text) == 4
    assert text[2].startswith('| **good** | 0.950 (0.') and ' |  |  | ' in text[2]
    assert text[3].startswith('| bad | 0.500 (0.') and '| < 0.001 |' in text[3]
