"""Ranges of the states, against what passes through PyTorch's modules."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from skill_predictor.inference import known_encoders  # noqa: E402
from skill_predictor.inference.tokenizer import TaskTokenizer  # noqa: E402
from skill_predictor.training.encoders import embed, load_encoder  # noqa: E402
from skill_predictor.training.heads import Head  # noqa: E402
from skill_predictor.training.ranges import activation_ranges  # noqa: E402
from skill_predictor.training.release import TrainedEncoder  # noqa: E402

TEXTS = ['bring the box', 'sweep', 'a b c d e f g h', 'x y']
MODULES = {'bert': {'qkv': 'attention.self.query', 'up': 'intermediate.dense',
                    'down': 'output.dense'},
           'mpnet': {'qkv': 'attention.attn.q', 'up': 'intermediate.dense',
                     'down': 'output.dense'}}


@pytest.mark.parametrize('family', ['bert', 'mpnet'])
def test_they_are_the_largest_inputs_of_the_products(tiny_ensemble, family):
    known = known_encoders.known_encoder(family)
    tokenizer = TaskTokenizer(tiny_ensemble / 'vocab.txt', 120)
    module = load_encoder(known, tiny_ensemble)
    # A change to the first layer, which the ranges of the second must show.
    name = 'encoder.layer.0.output.dense.weight'
    change = {name: np.full_like(module.state_dict()[name].numpy(), 0.3)}
    with torch.no_grad():
        module.state_dict()[name].add_(0.3)
    seen = {}

    def watch(product):
        def hook(_, inputs):
            largest = inputs[0].detach().abs().amax(dim=(0, 1)).numpy()
            seen[product] = np.maximum(seen.get(product, 0.0), largest)
        return hook

    for layer in range(2):
        for kind, path in MODULES[family].items():
            module.get_submodule(f'encoder.layer.{layer}.{path}').register_forward_pre_hook(
                watch(f'layer.{layer}.{kind}'))
    for text in TEXTS:
        embed([text], module, tokenizer, known.token_ids)
    found = activation_ranges(
        TrainedEncoder(known, Head((), ()), change), TEXTS, tokenizer,
        encoders_folder=tiny_ensemble, offline=True)
    assert sorted(found) == sorted(seen)
    for product, values in found.items():
        np.testing.assert_allclose(values, seen[product], rtol=1e-4, atol=1e-5)
