"""What training minimises, beside the same computed flag by flag."""

from __future__ import annotations

import math
from itertools import chain

import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('transformers')

from skill_predictor.training.recipe import Recipe  # noqa: E402
from skill_predictor.training.trainer import _divergence, SkillTrainer  # noqa: E402

LOGITS = torch.tensor([[-2.0, -0.5, 0.0, 0.7, 1.5, 3.0], [1.0, -1.2, 2.2, -3.0, 0.3, -0.1]])
OTHERS = torch.tensor([[-1.0, 0.5, 0.4, 0.6, 2.5, -1.0], [1.3, 1.2, 2.1, -2.0, 0.3, 0.2]])
LABELS = torch.tensor([[0.0, 1.0, 1.0, 0.0, 1.0, 1.0], [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]])
ONES = (1.0,) * 6
WEIGHTS = (1.0, 2.0, 3.0, 0.5, 1.5, 0.25)


def sigmoid(logit):
    return 1 / (1 + math.exp(-logit))


def flags(*tables):
    """The values of each flag, row by row."""
    return zip(*(chain.from_iterable(table.tolist()) for table in tables))


def cross_entropy(logits, smoothing, weights):
    terms = []
    for (logit, label), weight in zip(flags(logits, LABELS), weights * 2):
        target = 1 - smoothing / 2 if label else smoothing / 2
        p = sigmoid(logit)
        terms.append(-weight * target * math.log(p) - (1 - target) * math.log(1 - p))
    return sum(terms) / len(terms)


def divergence(first, second):
    def relative_entropy(p, q):
        return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    pairs = [(sigmoid(one), sigmoid(other)) for one, other in flags(first, second)]
    return sum(relative_entropy(p, q) + relative_entropy(q, p) for p, q in pairs) / 2 / len(pairs)


def trainer(weights=ONES, **changes):
    """One that knows what its loss depends on, and nothing else."""
    made = SkillTrainer.__new__(SkillTrainer)
    made.recipe, made.positive = Recipe('minilm', **changes), torch.tensor(weights)
    return made


class Network:
    """Gives the next of some logits at every pass, and must not be shown the labels."""

    def __init__(self, *logits, training=True):
        self.passes, self.training = list(logits), training

    def __call__(self, input_ids):
        assert input_ids == 'texts'
        return self.passes.pop(0)


@pytest.mark.parametrize('weights', [ONES, WEIGHTS], ids=['plain', 'weighted'])
@pytest.mark.parametrize('smoothing', [0.0, 0.2])
def test_cross_entropy_is_that_of_each_flag(smoothing, weights):
    found = trainer(weights, label_smoothing=smoothing)._cross_entropy(LOGITS, LABELS)
    assert found.item() == pytest.approx(cross_entropy(LOGITS, smoothing, weights), rel=1e-5)


def test_smoothed_targets_are_missed_least_by_an_answer_that_is_not_quite_sure():
    smoothed = trainer(label_smoothing=0.2)

    def loss(certainty):
        logit = math.log(certainty / (1 - certainty))
        return smoothed._cross_entropy(logit * (2 * LABELS - 1), LABELS)
    assert loss(0.9) < min(loss(0.88), loss(0.92))


def test_divergence_is_the_mean_of_both_directions():
    assert _divergence(LOGITS, LOGITS).item() == 0.0
    expected = divergence(LOGITS, OTHERS)
    assert _divergence(LOGITS, OTHERS).item() == pytest.approx(expected, rel=1e-5)
    assert _divergence(OTHERS, LOGITS).item() == pytest.approx(expected, rel=1e-5)


def test_the_loss_of_mixed_precision_is_computed_in_float32():
    first, second = LOGITS.bfloat16(), OTHERS.bfloat16()
    loss = trainer(WEIGHTS, label_smoothing=0.1)._cross_entropy(first, LABELS)
    apart = _divergence(first, second)
    assert loss.dtype == apart.dtype == torch.float32
    assert loss.item() == pytest.approx(cross_entropy(first, 0.1, WEIGHTS), rel=1e-5)
    assert apart.item() == pytest.approx(divergence(first, second), rel=1e-5)


def test_two_passes_are_held_together():
    made, inputs = trainer(WEIGHTS, consistency=0.7), {'input_ids': 'texts', 'labels': LABELS}
    network = Network(LOGITS, OTHERS)
    loss, found = made.compute_loss(network, inputs, return_outputs=True)
    mean = (cross_entropy(LOGITS, 0, WEIGHTS) + cross_entropy(OTHERS, 0, WEIGHTS)) / 2
    assert loss.item() == pytest.approx(mean + 0.7 * divergence(LOGITS, OTHERS), rel=1e-5)
    assert not network.passes and found['logits'] is LOGITS and 'labels' in inputs


@pytest.mark.parametrize('consistency, training', [(0.0, True), (0.7, False)])
def test_one_pass_does_where_nothing_is_to_be_held_together(consistency, training):
    network = Network(LOGITS, OTHERS, training=training)
    loss = trainer(WEIGHTS, consistency=consistency).compute_loss(
        network, {'input_ids': 'texts', 'labels': LABELS})
    assert loss.item() == pytest.approx(cross_entropy(LOGITS, 0, WEIGHTS), rel=1e-5)
    assert len(network.passes) == 1
