"""Simple systems: they find what is in the words, and in nothing else."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('sklearn')

from skill_predictor.evaluation.baselines import (best_on, frozen_logistic,  # noqa: E402
                                                  majority, nearest_neighbours, tfidf_logistic)

WORDS = ('fly', 'drive', 'walk', 'swim', 'dive', 'take')


def tasks(count, seed):
    rng = np.random.default_rng(seed)
    targets = rng.random((count, 6)) < 0.4
    return [' and '.join(['go', *np.array(WORDS)[row]]) for row in targets], targets


def embed(texts):
    """A column per word, and one that says nothing."""
    return np.array([[*(float(word in text) for word in WORDS), 1.0] for text in texts],
                    dtype=np.float32)


TEXTS, TARGETS = tasks(300, 0)
OTHERS, EXPECTED = tasks(50, 1)


@pytest.mark.parametrize('fit', [
    tfidf_logistic, lambda *data: frozen_logistic(*data, embed),
    lambda *data: nearest_neighbours(*data, embed, 1)], ids=['tfidf', 'frozen', 'neighbours'])
def test_they_learn_what_the_words_say(fit):
    found = fit(TEXTS, TARGETS)(OTHERS)
    assert found.dtype == bool and found.shape == EXPECTED.shape
    assert (found == EXPECTED).all(axis=1).mean() > 0.9
    wrong = fit(TEXTS, np.roll(TARGETS, 1, axis=1))(OTHERS)
    assert (wrong == EXPECTED).all(axis=1).mean() < 0.2


def test_majority_is_the_most_frequent_set():
    targets = np.array([[1, 0, 0, 0, 0, 0]] * 2 + [[0, 1, 0, 0, 0, 1]] * 3, dtype=bool)
    found = majority(['x'] * 5, targets)(['a', 'b'])
    np.testing.assert_array_equal(found, [[0, 1, 0, 0, 0, 1]] * 2)


def test_the_best_on_validation_is_taken():
    labels = np.array([[1, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]], dtype=bool)

    def make(value):
        flags = labels.copy()
        flags[:value] = True
        return lambda texts: flags[:len(texts)]
    value, fitted = best_on(['a', 'b', 'c'], labels, make, (2, 0, 1, 0))
    assert value == 0 and (fitted(['a', 'b', 'c']) == labels).all()
