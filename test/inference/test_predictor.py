"""From text to skills with a tiny model."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest

from skill_predictor.inference.backends import BackendOptions
from skill_predictor.inference.errors import BackendError, ModelError, TextError
from skill_predictor.inference.predictor import Prediction, SkillPredictor
from tiny_model import TEXTS, write_tiny_model

FP32 = BackendOptions(precision='fp32', threads=1)


@pytest.fixture
def predictor(shared_tiny):
    predictor = SkillPredictor.load(options=FP32)
    yield predictor
    predictor.close()


def _matrix(predictions):
    return np.array([prediction.probabilities for prediction in predictions])


def test_one_prediction_per_text(predictor):
    predictions = predictor.predict(TEXTS)
    assert len(predictions) == len(TEXTS)
    probabilities = _matrix(predictions)
    assert probabilities.shape == (len(TEXTS), 6) and probabilities.dtype == np.float32
    assert (probabilities > 0).all() and (probabilities < 1).all()
    assert not any(prediction.error for prediction in predictions)
    # A constant answer would pass most of the tests below.
    assert np.ptp(probabilities, axis=0).max() > 0.1


def test_a_batch_equals_single_texts(predictor):
    many = [text for text in TEXTS for _ in range(20)] + ['anchor ' * 40]
    singles = [predictor.predict([text])[0] for text in many]
    np.testing.assert_allclose(_matrix(predictor.predict(many)), _matrix(singles), atol=1e-5)


def test_padding_changes_nothing(predictor):
    rows = [predictor.tokenize(text) for text in ('x', 'anchor ' * 40)]
    together = predictor.probabilities(rows)
    apart = np.concatenate([predictor.probabilities([row]) for row in rows])
    np.testing.assert_allclose(together, apart, atol=1e-5)


def test_the_ensemble_is_the_mean_of_its_encoders(predictor):
    from skill_predictor.inference.tokenizer import batch_ids
    rows = [predictor.tokenize(TEXTS[0])]
    first, second = predictor.backend.run(
        [batch_ids(rows, encoder.token_ids) for encoder in predictor.model.encoders])
    assert not np.allclose(first, second, atol=0.01)
    np.testing.assert_allclose(
        predictor.probabilities(rows), (first + second) / 2, atol=1e-6)


def test_the_mean_is_weighted_as_the_model_says(tiny):
    tiny.edit_config(lambda config: [entry.update(weight=weight) for entry, weight
                                     in zip(config['encoders'], (0.9, 0.3))])
    with closing(SkillPredictor.load(tiny.folder, options=FP32)) as predictor:
        rows = [predictor.tokenize(TEXTS[0])]
        first, second = predictor.probabilities_by_encoder(rows)
        np.testing.assert_allclose(
            predictor.probabilities(rows), 0.75 * first + 0.25 * second, atol=1e-6)


def test_a_bad_text_costs_only_its_own_answer(predictor):
    good = predictor.predict(TEXTS)
    mixed = predictor.predict(
        [TEXTS[0], '', None, *TEXTS[1:3], '\u7528\u65e0\u4eba', 'a' * 1001, *TEXTS[3:], '\ud800'])
    errors = [prediction.error for prediction in mixed]
    assert [bool(error) for error in errors] == [
        False, True, True, False, False, True, True, False, False, True]
    assert errors[1] == 'the text is empty' and 'NoneType' in errors[2]
    readable = [prediction for prediction in mixed if not prediction.error]
    np.testing.assert_allclose(_matrix(readable), _matrix(good), atol=1e-5)
    for prediction in mixed:
        if prediction.error:
            assert np.isnan(prediction.probabilities).all() and prediction.skills == ()


def test_no_text(predictor):
    assert predictor.predict([]) == []


def test_only_bad_texts(predictor):
    assert all(prediction.error for prediction in predictor.predict(['', '?']))


def test_progress_counts_every_text(predictor):
    counts = []
    predictor.predict([*TEXTS, '', 'x'] * 10, counts.append)
    assert sum(counts) == 10 * (len(TEXTS) + 2)


def test_spelling_of_the_same_task(predictor):
    plain, odd = predictor.predict(['Sweep the deck', ' SWEEP\tthe \u200bde\u200bck\n'])
    np.testing.assert_array_equal(plain.probabilities, odd.probabilities)


def test_thresholds_decide(predictor):
    probabilities = predictor.predict(TEXTS[:1])[0].probabilities
    for threshold in (float(probabilities.min()), 0.5, float(probabilities.max())):
        predictor.thresholds = (threshold,) * 6
        prediction, = predictor.predict(TEXTS[:1])
        assert prediction.required == tuple((probabilities >= np.float32(threshold)).tolist())
    assert sum(prediction.required) == 1, 'a probability that is the threshold is enough'


def test_required_is_in_vector_order():
    prediction = Prediction(np.array([0.9, 0.1, 0.4, 0.5, 0.49, 0.8], np.float32),
                            (0.5, 0.5, 0.3, 0.5, 0.5, 0.9))
    assert prediction.required == (True, False, True, True, False, False)
    assert prediction.skills == ('fly', 'legs', 'surface_water')


def test_the_length_limit_can_be_raised(predictor):
    text = 'red ' * 300
    assert 'max_text_length' in predictor.predict([text])[0].error
    predictor.max_length = 2000
    with pytest.raises(TextError, match='302 tokens, the model reads at most 192'):
        predictor.tokenize(text)


def test_a_constant_model_says_what_it_was_made_to_say(tmp_path, monkeypatch):
    wanted = (0.1, 0.9, 0.2, 0.3, 0.05, 0.8)
    tiny = write_tiny_model(tmp_path, constant=wanted)
    monkeypatch.setenv('SKILL_PREDICTOR_CACHE', str(tmp_path / 'cache'))
    predictor = SkillPredictor.load(
        tiny.folder, options=BackendOptions('fp32', encoders_folder=tiny.encoders))
    prediction, = predictor.predict(['whatever'])
    np.testing.assert_allclose(prediction.probabilities, wanted, atol=1e-6)
    assert prediction.skills == ('wheels', 'hands')


def test_load_reports_what_it_does(tiny):
    lines = []
    SkillPredictor.load(options=FP32, progress=lines.append).close()
    assert sum(line.startswith('building') for line in lines) == 2
    assert lines[-1].startswith('backend onnxruntime')


def test_load_without_a_model(monkeypatch):
    with pytest.raises(ModelError, match='no-such-model'):
        SkillPredictor.load('no-such-model')


def test_unknown_precision(shared_tiny):
    with pytest.raises(Exception, match="unknown precision 'int4'"):
        SkillPredictor.load(options=BackendOptions(precision='int4'))


def test_probabilities_that_are_not_finite_are_never_given_out(predictor, monkeypatch):
    monkeypatch.setattr(predictor.backend, 'run', lambda inputs: [
        np.full((len(ids), 6), np.nan, np.float32) for ids, _ in inputs])
    with pytest.raises(BackendError, match='not finite'):
        predictor.predict(['Sweep the deck'])
