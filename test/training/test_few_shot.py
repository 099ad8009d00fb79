"""SetFit learns what the words say, from pairs."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('torch')
pytest.importorskip('setfit')

from skill_predictor.training.few_shot import setfit  # noqa: E402

WORDS = ('fly', 'drive', 'walk', 'swim', 'dive', 'take')


def tasks(count, seed):
    rng = np.random.default_rng(seed)
    targets = np.eye(6, dtype=bool)[rng.integers(0, 6, count)]
    rest = ('red box', 'blue deck', 'dock and lake', 'roof', 'stairs', 'the red roof')
    return [f'{WORDS[row.argmax()]} to the {rng.choice(rest)}' for row in targets], targets


@pytest.mark.parametrize('encoder', ['mpnet', 'bert'])
def test_it_learns_what_the_words_say(tiny_ensemble, encoder):
    texts, targets = tasks(600, 0)
    others, expected = tasks(100, 1)

    def right(given):
        found = setfit(texts, given, encoder, 64, folder=tiny_ensemble, offline=True)(others)
        assert found.dtype == bool and found.shape == expected.shape
        return (found == expected).all(axis=1).mean()
    assert right(targets) > 0.25 > 0.1 > right(targets[::-1])


def test_pairs_change_the_encoder(tiny_ensemble, monkeypatch):
    """Not only the logistic regression is fitted."""
    import skill_predictor.training.few_shot as few_shot
    made = []
    original = few_shot.SentenceModule

    def remembered(*arguments):
        made.append(original(*arguments))
        made.append({name: value.clone() for name, value in made[0].state_dict().items()})
        return made[0]
    monkeypatch.setattr(few_shot, 'SentenceModule', remembered)
    texts, targets = tasks(60, 0)
    setfit(texts, targets, 'bert', 64, folder=tiny_ensemble, offline=True)
    module, before = made
    assert any((value != before[name]).any() for name, value in module.state_dict().items())
