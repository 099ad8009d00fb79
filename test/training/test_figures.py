"""The figures of a card: held-out predictions, and the tables that show them."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('torch')
pytest.importorskip('sklearn')

from skill_predictor.training import figures  # noqa: E402
from skill_predictor.training.card import (  # noqa: E402
    CardFacts, DataFile, Measurement, model_card, scores_table)
from skill_predictor.training.heads import HeadRecipe  # noqa: E402
from skill_predictor.inference.known_encoders import KNOWN_ENCODERS  # noqa: E402


def test_no_task_is_predicted_by_a_head_that_saw_its_fold(monkeypatch):
    seen = []

    class Remembers:
        def __init__(self, x):
            self.x = x

        def probabilities(self, x):
            seen.append((set(self.x[:, 0].tolist()), set(x[:, 0].tolist())))
            return np.repeat(x[:, :1], 6, axis=1)

    monkeypatch.setattr(figures, 'fit_head', lambda x, y, *rest: Remembers(x))
    x = np.arange(12, dtype=np.float32)[:, None]
    held_out = figures.cross_validate({'one': x, 'two': x}, np.zeros((12, 6), np.float32),
                                      np.arange(12) % 3, HeadRecipe())
    assert len(seen) == 6
    for trained, tested in seen:
        assert not trained & tested
        assert len(trained | tested) == 12
    for name in ('one', 'two'):
        np.testing.assert_array_equal(held_out[name], np.repeat(x, 6, axis=1))


def test_the_ensemble_is_the_mean():
    one = np.full((2, 6), 0.9, np.float32)
    other = np.full((2, 6), 0.2, np.float32)
    targets = np.ones((2, 6))
    scores = figures.measure_all({'one': one, 'other': other}, targets)
    assert list(scores) == ['one', 'other', figures.ENSEMBLE]
    assert [row.exact_match for row in scores.values()] == [1.0, 0.0, 1.0]
    np.testing.assert_allclose(figures.ensemble({'one': one, 'other': other}), 0.55)


def scores():
    """Of a prediction in which the last of six skills is missed once."""
    targets = np.eye(6)
    probabilities = targets.copy()
    probabilities[5] = 0
    return figures.measure_all({'mpnet': probabilities.astype(np.float32)}, targets)


def test_tables_show_the_scores():
    table = scores_table(scores())
    assert '| mpnet | 0.833 | 0.0278 | 0.833 |' in table
    assert '| **ensemble** | 1.000 | 1.000 | 1.000 | 1.000 | 1.000 | 0.000 |' in table
    assert '| F1 | fly | wheels | legs | surface_water | under_water | hands |' in table


def test_a_card_states_its_facts():
    facts = CardFacts(
        name='my-model', encoders=KNOWN_ENCODERS, data=[DataFile('here/tasks.jsonl', 41, 3, 0)],
        recipe=HeadRecipe(epochs=17), seed=23, command='skill-predictor train-heads ...',
        measurements=[Measurement('Held out:', scores())])
    card = model_card(facts)
    for fact in ('# my-model', 'on 41 tasks', '| tasks.jsonl | 41 | 3 | - |', '17 epochs',
                 'seed 23', 'skill-predictor train-heads ...', 'Held out:', scores_table(scores()),
                 KNOWN_ENCODERS[0].base.revision[:12]):
        assert fact in card
    unmeasured = model_card(CardFacts('m', KNOWN_ENCODERS, [], HeadRecipe(), 0, ''))
    assert '--cross-validate' in unmeasured
