"""The encoders in PyTorch: built as published, and equal to the graph that serves."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('transformers')

from skill_predictor.inference import base_weights, known_encoders  # noqa: E402
from skill_predictor.inference.embedding import SentenceEmbedder  # noqa: E402
from skill_predictor.inference.errors import ModelError, TextError  # noqa: E402
from skill_predictor.inference.graph import build_graph  # noqa: E402
from skill_predictor.inference.store import EncoderConfig  # noqa: E402
from skill_predictor.inference.tokenizer import batch_ids, TaskTokenizer  # noqa: E402
from skill_predictor.training.encoders import (build_encoder, embed, load_encoder,  # noqa: E402
                                               mean_pooled)
from skill_predictor.training.heads import Head  # noqa: E402
from skill_predictor.inference.known_encoders import (  # noqa: E402
    find_vocabulary, KNOWN_ENCODERS, MAX_TOKENS)

TEXTS = ['go to the red box', 'fly', 'dive under the dock and take the blue box from the lake']


def random_head(hidden, spread, seed=1):
    """A head whose six answers differ from task to task."""
    generator = np.random.default_rng(seed)
    widths = (hidden, 16, 6)
    return Head(tuple(generator.normal(0, spread, (outer, inner)).astype(np.float32)
                      for inner, outer in zip(widths, widths[1:])),
                tuple(generator.normal(0, 0.1, outer).astype(np.float32) for outer in widths[1:]))


def tensors(head):
    """A head under the names that a graph asks for."""
    found = {}
    for index, (weight, bias) in enumerate(zip(head.weights, head.biases)):
        found[f'head.{index}.weight'], found[f'head.{index}.bias'] = weight, bias
    return found


def run_graph(config, weights, max_tokens, ids, mask):
    """Probabilities of the graph, by ONNX Runtime in float32."""
    pytest.importorskip('onnx')
    onnxruntime = pytest.importorskip('onnxruntime')
    proto = build_graph(config, weights, max_tokens)
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=['CPUExecutionProvider'])
    return session.run(None, {'input_ids': ids, 'attention_mask': mask})[0]


def test_the_graph_agrees_with_transformers(tiny_encoder):
    generator = np.random.default_rng(0)
    # MPNet tells distances to 8 apart, then groups them, and from 128 on sees one; all but the
    # first text are padded.
    rows = [generator.integers(0, 190, length).tolist() for length in (148, 1, 20, 58)]
    ids, mask = batch_ids(rows, tiny_encoder.token_ids)
    assert ids.shape == (4, 150)
    head = random_head(32, 0.4)
    with torch.no_grad():
        hidden = tiny_encoder.module(
            input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)
        ).last_hidden_state.numpy()
    pooled = np.stack([states[:len(row) + 2].mean(0) for states, row in zip(hidden, rows)])
    expected = head.probabilities(pooled)
    found = run_graph(tiny_encoder.config(head.widths),
                      {**tiny_encoder.weights, **tensors(head)}, 160, ids, mask)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 0.05  # else anything would be close


def test_every_tensor_matters_to_the_graph(tiny_encoder):
    """Else a tensor in the wrong place would not be seen by the test above."""
    ids, mask = batch_ids([list(range(2, 60)), [7, 8]], tiny_encoder.token_ids)
    head = random_head(32, 0.4)
    weights = {**tiny_encoder.weights, **tensors(head)}
    config = tiny_encoder.config(head.widths)
    plain = run_graph(config, weights, 64, ids, mask)
    noise = np.random.default_rng(0)
    unseen = [name for name, tensor in weights.items() if np.abs(plain - run_graph(config, {
        **weights, name: tensor + noise.normal(0, 0.3, tensor.shape).astype(np.float32)},
        64, ids, mask)).max() < 1e-4]
    # Attention is blind to the keys' bias: it adds the same to all scores of a query.
    assert all(name.endswith(('key.bias', 'attn.k.bias')) for name in unseen), unseen


def test_built_from_weights_it_is_the_module_they_came_from(tiny_encoder):
    # As published: with a pooler, and with positions that are merely counted.
    weights = {**tiny_encoder.weights, 'pooler.dense.weight': np.zeros((32, 32), np.float32),
               'embeddings.position_ids': np.arange(170)[None]}
    module = build_encoder(tiny_encoder.architecture, tiny_encoder.token_ids, weights)
    ids, mask = batch_ids([[3, 4, 5], [6] * 30], tiny_encoder.token_ids)
    np.testing.assert_array_equal(mean_pooled(module, ids, mask),
                                  mean_pooled(tiny_encoder.module, ids, mask))
    assert not module.training
    assert getattr(module, 'pooler', None) is None


def test_building_leaves_the_callers_random_numbers_alone(tiny_encoder):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    build_encoder(tiny_encoder.architecture, tiny_encoder.token_ids, tiny_encoder.weights)
    assert torch.equal(torch.rand(3), expected)


def test_half_precision_weights_are_computed_in_float32(tiny_encoder):
    weights = {name: tensor.astype(np.float16) if tensor.dtype == np.float32 else tensor
               for name, tensor in tiny_encoder.weights.items()}
    module = build_encoder(tiny_encoder.architecture, tiny_encoder.token_ids, weights)
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}


@pytest.mark.parametrize('spoil', ['missing', 'left over', 'shape', 'table', 'family'])
def test_weights_that_do_not_fit_are_refused(tiny_encoder, spoil):
    from dataclasses import replace
    weights, architecture = dict(tiny_encoder.weights), tiny_encoder.architecture
    name = 'encoder.layer.1.output.dense.bias'
    if spoil == 'missing':
        del weights[name]
    elif spoil == 'left over':
        weights['encoder.layer.2.output.dense.bias'] = weights[name]
    elif spoil == 'shape':
        weights[name] = weights[name][:-1]
    elif spoil == 'table':
        del weights['embeddings.word_embeddings.weight']
    else:
        architecture = replace(architecture, family='gpt')
    with pytest.raises(ModelError):
        build_encoder(architecture, tiny_encoder.token_ids, weights)


def test_embeddings_do_not_depend_on_order_or_batches(tiny_encoder, vocabulary):
    tokenizer = TaskTokenizer(vocabulary, 60)
    done = []
    found = embed(TEXTS, tiny_encoder.module, tokenizer, tiny_encoder.token_ids, batch_size=2,
                  on_done=done.append)
    assert (found.shape, found.dtype) == ((3, 32), np.float32)
    assert sum(done) == 3
    for text, embedding in zip(TEXTS, found):
        alone = embed([text], tiny_encoder.module, tokenizer, tiny_encoder.token_ids)
        np.testing.assert_allclose(embedding, alone[0], atol=1e-5)
    assert np.abs(found[0] - found[1]).max() > 0.1


def test_texts_are_cleaned_as_in_serving(tiny_encoder, vocabulary):
    tokenizer = TaskTokenizer(vocabulary, 60)
    clean, raw = embed(['go to the dock', ' Go\tto\u200b the\n\nDOCK '], tiny_encoder.module,
                       tokenizer, tiny_encoder.token_ids)
    np.testing.assert_allclose(raw, clean, atol=1e-6)
    with pytest.raises(TextError, match='empty'):
        embed(['go', ' '], tiny_encoder.module, tokenizer, tiny_encoder.token_ids)


@pytest.mark.model
@pytest.mark.parametrize('known', KNOWN_ENCODERS, ids=lambda known: known.name)
def test_the_published_encoders_agree_with_their_graph(known):
    from safetensors.numpy import load_file
    weights = load_file(str(base_weights.resolve(known.base, offline=True)))
    tokenizer = TaskTokenizer(find_vocabulary(offline=True), MAX_TOKENS)
    texts = ['Inspect the underside of the bridge for cracks', 'Dive!',
             'Bring me the fire extinguisher from the hallway, ' * 8]
    module = build_encoder(known.architecture, known.token_ids, weights)
    head = random_head(known.architecture.hidden, 2.0)
    expected = head.probabilities(embed(texts, module, tokenizer, known.token_ids))
    config = EncoderConfig(known.name, known.base, known.architecture, known.token_ids, 'mean',
                           head.widths, (), '', '')
    ids, mask = batch_ids([tokenizer.tokenize(text) for text in texts], known.token_ids)
    found = run_graph(config, {**weights, **tensors(head)}, MAX_TOKENS, ids, mask)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.ptp(expected, axis=0).max() > 0.05


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
