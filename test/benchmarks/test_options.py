"""The options that are compared: each runs the same model, and the table says what it costs."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'benchmarks'))

import options  # noqa: E402

from skill_predictor.evaluation.speed.timing import summary  # noqa: E402
from skill_predictor.inference import artefacts  # noqa: E402
from skill_predictor.inference.predictor import SkillPredictor  # noqa: E402
from skill_predictor.inference.backends import BackendOptions  # noqa: E402
from skill_predictor.inference.store import read_model  # noqa: E402


@pytest.mark.parametrize('name', options.VARIANTS)
def test_every_variant_runs_the_same_model(tiny, name):
    model = read_model(tiny.folder)
    for encoder in model.encoders:
        artefacts.onnx_file(model, encoder, 'int8', encoders_folder=tiny.encoders)
    predictor = SkillPredictor.load(tiny.folder, 'onnxruntime', BackendOptions('int8', 2))
    expected = predictor.predict(['bring the box'])[0].probabilities
    predictor.close()
    found = options.make(str(tiny.folder), 2, options.VARIANTS[name])('bring the box')
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_another_model_is_noticed():
    class Fixed:
        def __init__(self, value):
            self._value = value

        def answer(self, text):
            return np.full(6, self._value)
    options.check({options.AS_IT_IS: Fixed(0.5), 'near': Fixed(0.52)}, ['a'])
    with pytest.raises(AssertionError, match='far runs another model'):
        options.check({options.AS_IT_IS: Fixed(0.5), 'far': Fixed(0.7)}, ['a'])


def test_the_table_has_ratios():
    text = options.report({options.AS_IT_IS: summary([0.01] * 5), 'slow': summary([0.025] * 5)})
    assert '| as it is | 10.0 | 10.0 | 1.00 |' in text and '| slow | 25.0 | 25.0 | 2.50 |' in text
