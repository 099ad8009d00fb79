"""Half precision that is lost is noticed, in the network and in the built engine."""

from __future__ import annotations

import json
from collections import Counter
from types import SimpleNamespace

import pytest

from skill_predictor.inference.errors import BackendError
from skill_predictor.inference.tensorrt import precision


def network(*layers):
    def one(name, kind, dtype):
        return SimpleNamespace(name=name, type=SimpleNamespace(name=kind),
                               get_output_type=lambda index: SimpleNamespace(name=dtype))
    made = [one(*layer) for layer in layers]
    return SimpleNamespace(num_layers=len(made), get_layer=made.__getitem__)


MIXED = (('layer.0.qkv.product', 'MATRIX_MULTIPLY', 'HALF'),
         ('layer.0.attention', 'SOFTMAX', 'FLOAT'), ('layer.0.norm', 'NORMALIZATION', 'FLOAT'),
         ('head.0.product', 'MATRIX_MULTIPLY', 'FLOAT'))


def test_mixed_precision_passes():
    precision.check_network(network(*MIXED), 'fp16')
    assert precision.of_network(network(*MIXED)) == Counter({
        ('MATRIX_MULTIPLY', 'HALF'): 1, ('SOFTMAX', 'FLOAT'): 1, ('NORMALIZATION', 'FLOAT'): 1,
        ('MATRIX_MULTIPLY', 'FLOAT'): 1})


@pytest.mark.parametrize('layer, said', [
    (('layer.0.up.product', 'MATRIX_MULTIPLY', 'FLOAT'), "half precision was lost: 'layer.0.up"),
    (('layer.0.attention', 'SOFTMAX', 'HALF'), 'where single precision is needed'),
    (('embeddings.norm', 'NORMALIZATION', 'HALF'), 'where single precision is needed'),
    (('probabilities', 'ACTIVATION', 'HALF'), "'probabilities' is in HALF, where single"),
    (('pool.sum', 'MATRIX_MULTIPLY', 'HALF'), "'pool.sum' is in HALF, where single"),
    (('head.1.product', 'MATRIX_MULTIPLY', 'HALF'), "'head.1.product' is in HALF"),
    (('head.1', 'ELEMENTWISE', 'HALF'), "'head.1' is in HALF"),
    (('node_of/layer.0.mixed.sum', 'ELEMENTWISE', 'HALF'), 'mixed.sum. is in HALF')])
def test_what_is_lost_is_named(layer, said):
    with pytest.raises(BackendError, match=said):
        precision.check_network(network(*MIXED, layer), 'fp16')


def test_a_network_without_any_product_in_half_precision():
    with pytest.raises(BackendError, match='no matrix product is in it'):
        precision.check_network(network(*MIXED[1:]), 'fp16')


def test_single_precision_has_no_half():
    precision.check_network(network(MIXED[1]), 'fp32')
    with pytest.raises(BackendError, match='1 layers are in half precision'):
        precision.check_network(network(*MIXED), 'fp32')


def inspected(*formats):
    return json.dumps({'Layers': [{'Name': f'l{index}', 'Outputs': [{'Format/Datatype': name}]}
                                  for index, name in enumerate(formats)]})


def test_an_engine_tells_its_types():
    found = precision.of_engine(inspected('Half', 'Row major linear FP16 format', 'Float'))
    assert found == Counter({'Half': 1, 'FP16': 1, 'Float': 1})
    precision.check_engine(found, 'fp16')
    with pytest.raises(BackendError, match='though fp32 was asked for'):
        precision.check_engine(found, 'fp32')


def test_an_engine_that_lost_half_precision_is_refused():
    found = precision.of_engine(inspected('Float', 'Row major linear FP32 format'))
    with pytest.raises(BackendError, match='half precision was lost: the engine computes in'):
        precision.check_engine(found, 'fp16')


def test_each_transformer_layer_must_have_a_product_in_half_precision():
    few = precision.of_engine(inspected('Half', *['Float'] * 20))
    precision.check_engine(few, 'fp16', 1)
    with pytest.raises(BackendError, match='half precision was lost'):
        precision.check_engine(few, 'fp16', 12)
    fused = precision.of_engine(inspected('Float'))
    precision.check_engine(fused, 'fp16', 12)  # all in one: it does not tell


def test_what_moves_shapes_and_masks_says_nothing_of_precision():
    few = precision.of_engine(inspected('Int64', 'Bool', 'Int32', 'Float', 'Int64', 'Int32'))
    assert precision.floating(few) == 1
    precision.check_engine(few, 'fp16', 6)
    with pytest.raises(BackendError, match='half precision was lost'):
        precision.check_engine(precision.of_engine(inspected(*['Float'] * 6, 'Int64')), 'fp16', 6)


def test_an_engine_whose_layers_became_one_node_tells_nothing():
    layers = [{'Name': '{ForeignNode[layer.0...head.3]}', 'Outputs': [{'Datatype': 'Float'}]},
              {'Name': 'copy', 'Outputs': [{'Datatype': 'Float'}]}]
    found = precision.of_engine(json.dumps({'Layers': layers}))
    precision.check_engine(found, 'fp16', 2)
    assert found == Counter()


@pytest.mark.parametrize('told, name', [
    ('Half(64,1:8,...)', 'Half'), ('HALF', 'HALF'), ('Channel major FP16 format where channel % 8 == 0', 'FP16'),
    ('Row major Int8 format', 'Int8'), ('Float(1,24)', 'Float'), ('E5M2 (new)', 'E5M2')])
def test_a_type_with_its_layout(told, name):
    found = precision.of_engine(inspected(told))
    assert found == Counter({name: 1})
    assert precision.floating(found) == (name in ('Half', 'HALF', 'FP16', 'Float'))
    if precision.floating(found) and name != 'Float':
        precision.check_engine(found, 'fp16')


@pytest.mark.parametrize('layer, name', [
    ({'Outputs': [{'Datatype': 'Float'}, {'Datatype': 'Half'}]}, 'Half'),
    ({'Outputs': [{'Datatype': 'Int64'}, {'Datatype': 'Float'}]}, 'Float'),
    ({'LayerType': 'gemm', 'Inputs': [{'Datatype': 'Half'}], 'Outputs': [{'Datatype': 'Float'}]}, 'Half'),
    ({'LayerType': 'CaskGemmMatrixMultiply', 'Weights': {'Type': 'Half', 'Count': 9},
      'Outputs': [{'Datatype': 'N/A due to dynamic shapes'}]}, 'Half'),
    ({'LayerType': 'kgen', 'Inputs': [{'Datatype': 'Half'}], 'Outputs': [{'Datatype': 'Float'}]}, 'Float')])
def test_what_a_layer_computes_in(layer, name):
    """A product may have its sum with the residual stream, in single precision, fused to it."""
    assert precision.of_engine(json.dumps({'Layers': [layer]})) == Counter({name: 1})


def test_names_are_spelt_in_several_ways():
    for name in ('Datatype', 'DataType', 'Format/Datatype', 'Format/DataType'):
        told = json.dumps({'Layers': [{'Outputs': [{name: 'Half'}]}]})
        assert precision.of_engine(told) == Counter({'Half': 1})


@pytest.mark.parametrize('text', [
    '', '[]', '{"Layers": []}', '{"Layers": ["only a name"]}', '{"Layers": [{"Outputs": [{}]}]}',
    inspected('N/A due to dynamic shapes')])
def test_an_engine_that_tells_nothing_passes(text):
    """Some versions of TensorRT tell no types; the network was strongly typed."""
    assert precision.of_engine(text) == Counter()
    precision.check_engine(Counter(), 'fp16')
