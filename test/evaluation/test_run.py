"""Outcomes of labelled tasks become scores; unreadable ones count as wrong."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from skill_predictor.dataset.records import TaskRecord
from skill_predictor.evaluation.run import evaluate, Outcome, predict_each
from skill_predictor.inference.backends import BackendOptions
from skill_predictor.inference.predictor import no_probabilities, Prediction, SkillPredictor
from skill_predictor.taxonomy import to_flags

HALF = (0.5,) * 6


def _outcome(label, skills, milliseconds=1.0):
    """What became of a task; ``skills`` ``None``: it could not be read."""
    if skills is None:
        prediction = Prediction(no_probabilities(), HALF, 'the text is empty')
    else:
        prediction = Prediction(np.array(to_flags(skills), np.float32), HALF)
    return Outcome(TaskRecord('t', 'text', label), prediction, milliseconds)


def test_readable_tasks():
    evaluation = evaluate([_outcome(('fly',), ('fly',)), _outcome((), ('hands',))])
    assert evaluation.unreadable == 0
    assert evaluation.scores.exact_match == 0.5
    assert evaluation.scores.skills['hands'].precision == 0


@pytest.mark.parametrize('label', [(), ('fly',), ('wheels', 'hands')])
def test_an_unreadable_task_is_wrong_in_every_flag(label):
    evaluation = evaluate([_outcome(label, None)])
    assert evaluation.unreadable == 1
    assert evaluation.scores.tasks == 1
    assert evaluation.scores.exact_match == 0, 'even where no skill is required'
    assert evaluation.scores.hamming_loss == 1


def test_latency_is_that_of_readable_tasks():
    outcomes = [_outcome((), (), float(number)) for number in range(1, 102)]
    latency = evaluate([*outcomes, _outcome((), None, 1e6)]).latency_ms
    assert (latency.mean, latency.p50, latency.p95, latency.p99) == pytest.approx(
        (51, 51, 96, 100))


def test_fit_for_json():
    entry = evaluate([_outcome((), None)]).to_dict()
    assert entry['unreadable'] == 1 and entry['tasks'] == 1 and entry['latency_ms'] is None


def test_a_task_without_label_is_refused():
    with pytest.raises(ValueError, match="task 't' has no label"):
        evaluate([_outcome((), ()), _outcome(None, ())])


def test_nothing_to_evaluate():
    with pytest.raises(ValueError, match='nothing to score'):
        evaluate([])


def test_tasks_are_predicted_one_at_a_time_and_timed():
    class Slow:
        def predict(self, texts, on_done=None):
            assert len(texts) == 1
            time.sleep(0.02)
            on_done(1)
            return [Prediction(np.zeros(6, np.float32), HALF)]
    counts = []
    records = [TaskRecord(str(number), 'text', ()) for number in range(3)]
    outcomes = predict_each(Slow(), records, counts.append)
    assert [outcome.record for outcome in outcomes] == records
    assert counts == [1, 1, 1]
    assert all(20 <= outcome.milliseconds < 2000 for outcome in outcomes)


def test_with_a_predictor(shared_tiny):
    predictor = SkillPredictor.load(options=BackendOptions('fp32', threads=1))
    outcomes = predict_each(predictor, [TaskRecord('a', 'Sweep', ()), TaskRecord('b', '', ())])
    assert [bool(outcome.prediction.error) for outcome in outcomes] == [False, True]
    assert math.isfinite(evaluate(outcomes).latency_ms.p50)
