"""Smoothed products are the same products, and int8 loses less of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest

from skill_predictor.inference import artefacts
from skill_predictor.inference.errors import ModelError
from skill_predictor.inference.graph import build_graph, delicate_products, smoothable_products
from skill_predictor.inference.smoothing import EXPONENTS, factors
from skill_predictor.inference.store import read_model
from tiny_model import HIDDEN, LAYERS, MAX_TOKENS, WIDE

PRODUCTS = [f'layer.{layer}.{kind}' for layer in range(LAYERS) for kind in ('qkv', 'up', 'down')]


def test_factors_by_hand():
    ranges, weight = np.array([1.0, 4.0, 16.0]), np.array([[1.0, -2.0, 1.0], [0.5, 1.0, -4.0]])
    np.testing.assert_allclose(factors(ranges, weight, 1.0), [0.25, 1.0, 4.0])
    np.testing.assert_allclose(factors(ranges, weight, 0.0), [2.0, 1.0, 0.5])
    even = factors(ranges, weight, 0.5)
    np.testing.assert_allclose(even / even[0], np.sqrt([1.0, 4.0 / 2, 16.0 / 4]), rtol=1e-6)
    assert np.isfinite(factors(np.zeros(3), np.zeros((2, 3)), 0.6)).all()


@pytest.fixture(params=['mpnet', 'minilm'])
def uneven(request, shared_tiny):
    """An encoder with channels far above the rest, as the published ones have, and their ranges."""
    rng = np.random.default_rng(0)
    model = read_model(shared_tiny.folder)
    encoder = next(one for one in model.encoders if one.name == request.param)
    weights = dict(shared_tiny.weights[request.param])
    for layer in range(LAYERS):
        bias = weights[f'encoder.layer.{layer}.intermediate.dense.bias'].copy()
        bias[3] = 80.0
        weights[f'encoder.layer.{layer}.intermediate.dense.bias'] = bias
        weights[f'encoder.layer.{layer}.output.dense.weight'] = np.where(
            np.arange(WIDE) == 3, 0.01, weights[f'encoder.layer.{layer}.output.dense.weight']
            ).astype(np.float32)
    ids = rng.integers(10, 40, (8, 12))
    inputs = {'input_ids': ids, 'attention_mask': np.ones_like(ids)}
    plain = build_graph(encoder, weights, MAX_TOKENS)
    sources = smoothable_products(plain)
    assert sorted(sources) == sorted(PRODUCTS)
    plain.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
                              for name in set(sources.values()))
    session = onnxruntime.InferenceSession(plain.SerializeToString())
    for product, source in sources.items():
        weights[f'range.{product}'] = np.abs(session.run([source], inputs)[0]).max(axis=(0, 1))
    return encoder, weights, inputs


def run(model, inputs) -> np.ndarray:
    source = model if isinstance(model, str) else model.SerializeToString()
    return onnxruntime.InferenceSession(source).run(['probabilities'], inputs)[0]


def test_the_products_stay_the_same(uneven):
    encoder, weights, inputs = uneven
    plain = build_graph(encoder, weights, MAX_TOKENS)
    smooth = build_graph(encoder, weights, MAX_TOKENS, smooth=True)
    assert sum(node.name.endswith('.smoothed') for node in smooth.graph.node) == len(PRODUCTS)
    assert not any(node.name.endswith('.smoothed') for node in plain.graph.node)
    np.testing.assert_allclose(run(smooth, inputs), run(plain, inputs), atol=1e-5)


def test_int8_loses_less(uneven, tmp_path):
    encoder, weights, inputs = uneven
    exact = run(build_graph(encoder, weights, MAX_TOKENS), inputs)
    errors = {}
    for smooth in (False, True):
        path = tmp_path / f'{smooth}.onnx'
        onnx.save(build_graph(encoder, weights, MAX_TOKENS, smooth=smooth), path)
        kept = [name for name in delicate_products(path) if name.endswith('.down.product')]
        assert len(kept) == (0 if smooth else LAYERS)
        artefacts._quantise(path, tmp_path / f'{smooth}.int8.onnx')
        errors[smooth] = np.abs(run(str(tmp_path / f'{smooth}.int8.onnx'), inputs) - exact).mean()
    # And that with no product left in float32.
    assert 0 < errors[True] < 2 * errors[False]  # releases of ONNX Runtime round a little differently
    onnx.save(build_graph(encoder, weights, MAX_TOKENS), tmp_path / 'all.onnx')
    from onnxruntime.quantization import QuantType, quantize_dynamic
    quantize_dynamic(tmp_path / 'all.onnx', tmp_path / 'all.int8.onnx', per_channel=True,
                     weight_type=QuantType.QInt8, op_types_to_quantize=['MatMul'])
    rough = np.abs(run(str(tmp_path / 'all.int8.onnx'), inputs) - exact).mean()
    assert errors[True] < 0.5 * rough


def test_ranges_that_do_not_fit_are_refused(uneven):
    encoder, weights, _ = uneven
    weights = {**weights, 'range.layer.0.up': np.ones(HIDDEN + 1, np.float32)}
    with pytest.raises(ModelError, match='range.layer.0.up has shape'):
        build_graph(replace(encoder), weights, MAX_TOKENS, smooth=True)


def test_every_kind_has_an_exponent():
    assert {product.rpartition('.')[2] for product in PRODUCTS} == set(EXPONENTS)
    assert all(0 <= exponent <= 1 for exponent in EXPONENTS.values())
