"""The graphs against a plain numpy forward pass, written from the papers."""

from __future__ import annotations

import math

import numpy as np
import onnx
import onnxruntime
import pytest

from skill_predictor.inference.backends import BackendOptions, open_backend
from skill_predictor.inference.errors import ModelError
from skill_predictor.inference.graph import build_graph, relative_buckets
from skill_predictor.inference.store import read_model
from tiny_model import EPS, HEADS, HIDDEN, LAYERS, MAX_TOKENS

_erf = np.vectorize(math.erf)


def _norm(x, weights, name, eps):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return ((x - mean) / np.sqrt(variance + eps) * weights[f'{name}.weight']
            + weights[f'{name}.bias'])


def _linear(x, weights, name):
    return x @ weights[f'{name}.weight'].T + weights[f'{name}.bias']


def _gelu(x):
    return 0.5 * x * (1 + _erf(x / math.sqrt(2)))


def _bucket(distance):
    """T5's bucket (32, at most 128 apart) of how far the key lies before the query."""
    side, distance = (16, -distance) if distance < 0 else (0, distance)
    if distance < 8:
        return side + distance
    return side + min(15, 8 + int(math.log(distance / 8) / math.log(128 / 8) * 8))


def _forward(name, weights, ids):
    """Probabilities of one text, float64."""
    weights = {key: tensor.astype(np.float64) for key, tensor in weights.items()}
    count = len(ids)
    first = 2 if name == 'mpnet' else 0
    x = (weights['embeddings.word_embeddings.weight'][ids]
         + weights['embeddings.position_embeddings.weight'][first:first + count])
    bias = np.zeros((HEADS, count, count))
    if name == 'mpnet':
        table = weights['encoder.relative_attention_bias.weight']
        for query in range(count):
            for key in range(count):
                bias[:, query, key] = table[_bucket(query - key)]
        parts, out, norm = 'attention.attn.', 'attention.attn.o', 'attention.LayerNorm'
        names = [f'{parts}{part}' for part in 'qkv']
    else:
        x = x + weights['embeddings.token_type_embeddings.weight'][0]
        out, norm = 'attention.output.dense', 'attention.output.LayerNorm'
        names = [f'attention.self.{part}' for part in ('query', 'key', 'value')]
    x = _norm(x, weights, 'embeddings.LayerNorm', EPS[name])
    for layer in range(LAYERS):
        source = f'encoder.layer.{layer}'
        query, key, value = (
            _linear(x, weights, f'{source}.{part}').reshape(count, HEADS, -1).transpose(1, 0, 2)
            for part in names)
        scores = query @ key.transpose(0, 2, 1) / math.sqrt(HIDDEN / HEADS) + bias
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (scores / scores.sum(-1, keepdims=True) @ value).transpose(1, 0, 2)
        mixed = _linear(mixed.reshape(count, HIDDEN), weights, f'{source}.{out}')
        x = _norm(x + mixed, weights, f'{source}.{norm}', EPS[name])
        wide = _gelu(_linear(x, weights, f'{source}.intermediate.dense'))
        x = _norm(x + _linear(wide, weights, f'{source}.output.dense'), weights,
                  f'{source}.output.LayerNorm', EPS[name])
    x = _gelu(_linear(x.mean(0), weights, 'head.0'))
    return 1 / (1 + np.exp(-_linear(x, weights, 'head.1')))


@pytest.mark.parametrize('count', [3, 17, MAX_TOKENS])
def test_both_encoders_are_what_the_papers_say(shared_tiny, count):
    model = read_model(shared_tiny.folder)
    backend = open_backend('onnxruntime', model, BackendOptions('fp32', threads=1))
    ids = np.random.default_rng(count).integers(4, 60, size=(1, count))
    answers = backend.run([(ids, np.ones_like(ids))] * 2)
    for encoder, answer in zip(model.encoders, answers):
        expected = _forward(encoder.name, shared_tiny.weights[encoder.name], ids[0])
        np.testing.assert_allclose(answer[0], expected, atol=1e-5, err_msg=encoder.name)


def test_relative_buckets_by_hand():
    buckets = relative_buckets(200)
    assert buckets.shape == (200, 200) and buckets.dtype == np.int64
    # Column 0: the key lies before the query, by 0, 1, 7, 8, 9, 16, 127, 199.
    assert buckets[[0, 1, 7, 8, 9, 16, 127, 199], 0].tolist() == [0, 1, 7, 8, 8, 10, 15, 15]
    # Row 0: it lies behind, which is the other half.
    assert buckets[0, [1, 7, 8, 16, 127, 199]].tolist() == [17, 23, 24, 26, 31, 31]


def _config(shared_tiny, name):
    model = read_model(shared_tiny.folder)
    return next(encoder for encoder in model.encoders if encoder.name == name)


def test_a_missing_weight_is_named(shared_tiny):
    weights = dict(shared_tiny.weights['minilm'])
    del weights['encoder.layer.1.output.dense.bias']
    with pytest.raises(ModelError, match="minilm: no weight 'encoder.layer.1.output.dense.bias'"):
        build_graph(_config(shared_tiny, 'minilm'), weights, MAX_TOKENS)


def test_a_weight_of_another_shape_is_named(shared_tiny):
    weights = {**shared_tiny.weights['minilm'], 'head.0.bias': np.zeros(7, np.float32)}
    with pytest.raises(ModelError, match=r'head.0.bias has shape \(7,\), expected \(16,\)'):
        build_graph(_config(shared_tiny, 'minilm'), weights, MAX_TOKENS)


@pytest.mark.parametrize('name', ['minilm', 'mpnet'])
def test_more_tokens_than_positions(shared_tiny, name):
    with pytest.raises(ModelError, match=f'{name} reads at most {MAX_TOKENS} tokens'):
        build_graph(_config(shared_tiny, name), shared_tiny.weights[name], MAX_TOKENS + 1)


def _half(shared_tiny, name):
    return build_graph(_config(shared_tiny, name), shared_tiny.weights[name], MAX_TOKENS, half=True)


@pytest.mark.parametrize('name', ['minilm', 'mpnet'])
def test_mixed_precision_is_where_it_belongs(shared_tiny, name):
    graph = onnx.shape_inference.infer_shapes(_half(shared_tiny, name), check_type=True,
                                              strict_mode=True).graph
    kind = {value.name: value.type.tensor_type.elem_type
            for value in [*graph.value_info, *graph.output]}
    products = {node.name: kind[node.output[0]] for node in graph.node if node.op_type == 'MatMul'}
    assert len(products) == LAYERS * 6 + 3
    for product, found in products.items():
        wanted = onnx.TensorProto.FLOAT16 if product.startswith('layer.') else onnx.TensorProto.FLOAT
        assert found == wanted, product
    for node in graph.node:
        if node.op_type in ('LayerNormalization', 'Softmax', 'Sigmoid', 'ReduceSum') or (
                node.name.endswith('.sum')):
            assert kind[node.output[0]] == onnx.TensorProto.FLOAT, node.name


@pytest.mark.parametrize('name', ['minilm', 'mpnet'])
def test_mixed_precision_answers_nearly_the_same(shared_tiny, name):
    plain = build_graph(_config(shared_tiny, name), shared_tiny.weights[name], MAX_TOKENS)
    ids = np.random.default_rng(0).integers(4, 60, size=(3, 20))
    mask = np.ones_like(ids)
    mask[1, 9:] = 0
    answers = [onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=['CPUExecutionProvider']).run(
            None, {'input_ids': ids, 'attention_mask': mask})[0]
        for graph in (plain, _half(shared_tiny, name))]
    difference = np.abs(answers[0] - answers[1])
    assert 0 < difference.max() < 5e-3
    assert answers[1].dtype == np.float32


def test_a_weight_too_large_for_float16_is_named(shared_tiny):
    weights = dict(shared_tiny.weights['minilm'])
    weights['encoder.layer.0.intermediate.dense.bias'] = np.full(64, 1e5, np.float32)
    with pytest.raises(ModelError, match='layer.0.up.bias holds a value of 100000, too large'):
        build_graph(_config(shared_tiny, 'minilm'), weights, MAX_TOKENS, half=True)
