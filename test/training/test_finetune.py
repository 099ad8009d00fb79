"""Fine-tuning: it learns what a frozen encoder does not show, and repeats itself."""

from __future__ import annotations

import copy

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from skill_predictor.inference import known_encoders  # noqa: E402
from skill_predictor.inference.embedding import SentenceEmbedder  # noqa: E402
from skill_predictor.inference.tokenizer import TaskTokenizer  # noqa: E402
from skill_predictor.training.encoders import embed, load_encoder  # noqa: E402
from skill_predictor.training.finetune import (_batches, _rate, fine_tune,  # noqa: E402
                                               FineTuneRecipe, predict)

RECIPE = FineTuneRecipe(epochs=30, batch_size=8, encoder_rate=3e-3, head_rate=1e-2)


@pytest.fixture(scope='module')
def task():
    """Texts of letters; the third skill is required when an a is there, the others never."""
    rng = np.random.default_rng(0)
    texts = [' '.join(rng.choice(list('abcdefgh'), size=rng.integers(2, 6))) for _ in range(96)]
    targets = np.zeros((96, 6))
    targets[:, 2] = ['a' in text.split() for text in texts]
    return texts, targets


def test_it_learns_and_repeats_itself(tiny_encoder, vocabulary, task):
    texts, targets = task
    tokenizer = TaskTokenizer(vocabulary, 120)
    found = []
    for _ in range(2):
        done = []
        module = copy.deepcopy(tiny_encoder.module)
        model = fine_tune(module, tiny_encoder.token_ids, tokenizer, texts, targets, RECIPE, 3,
                          done.append)
        assert sum(done) == RECIPE.epochs * len(texts)
        found.append(predict(model, tokenizer, texts))
    assert ((found[0] >= 0.5) == targets).mean() > 0.98
    np.testing.assert_array_equal(found[0], found[1])
    with pytest.raises(AssertionError):
        np.testing.assert_array_equal(
            module.state_dict()['embeddings.word_embeddings.weight'],
            tiny_encoder.module.state_dict()['embeddings.word_embeddings.weight'])


def test_prediction_does_not_depend_on_the_batch(tiny_encoder, vocabulary, task):
    texts, targets = task
    tokenizer = TaskTokenizer(vocabulary, 120)
    model = fine_tune(copy.deepcopy(tiny_encoder.module), tiny_encoder.token_ids, tokenizer,
                      texts[:16], targets[:16], FineTuneRecipe(epochs=1))
    np.testing.assert_allclose(predict(model, tokenizer, texts, 1),
                               predict(model, tokenizer, texts, 64), atol=1e-6)


def test_callers_random_numbers_stay_as_they_are(tiny_encoder, vocabulary, task):
    texts, targets = task
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    fine_tune(copy.deepcopy(tiny_encoder.module), tiny_encoder.token_ids,
              TaskTokenizer(vocabulary, 120), texts[:8], targets[:8], FineTuneRecipe(epochs=1))
    assert torch.rand(1) == expected


def test_rate_rises_and_falls():
    rates = [_rate(step, 100, 0.1) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == 1.0 and rates[-1] < 0.02
    assert rates.index(1.0) == 9 and rates[50:] == sorted(rates[50:], reverse=True)
    assert _rate(0, 1, 0.06) == 1.0


def test_batches_hold_every_text_once_with_its_like():
    rows = [[0] * length for length in np.random.default_rng(0).integers(1, 60, 500)]
    batches = list(_batches(rows, 10))
    assert sorted(index for batch in batches for index in batch) == list(range(500))
    spreads = [np.ptp([len(rows[index]) for index in batch]) for batch in batches]
    assert np.mean(spreads) < 10 < 25 < np.mean(
        [np.ptp([len(row) for row in rows[start:start + 10]]) for start in range(0, 500, 10)])


@pytest.mark.parametrize('name', ['mpnet', 'bert'])
def test_embedder_without_pytorch_agrees_with_pytorch(tiny_ensemble, name):
    texts = ['a b c', 'd', 'a b c d e f g h a b']
    embedder = SentenceEmbedder.load(name, tiny_ensemble)
    known = {encoder.name: encoder for encoder in known_encoders.KNOWN_ENCODERS}[name]
    tokenizer = TaskTokenizer(tiny_ensemble / 'vocab.txt', 120)
    expected = embed(texts, load_encoder(known, tiny_ensemble), tokenizer, known.token_ids)
    done = []
    np.testing.assert_allclose(embedder.embed(texts, batch_size=2, on_done=done.append), expected,
                               atol=1e-5)
    assert done == [2, 1]
