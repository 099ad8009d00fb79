"""``build-engines``: what would be built, and building it."""

from __future__ import annotations

import json

import pytest

from fake_gpu import FakeGpu
from skill_predictor.inference.tensorrt import cuda, engines


@pytest.fixture
def build(cli, tiny, monkeypatch):
    monkeypatch.setattr(cuda, 'missing', lambda *_: 'there is no GPU')
    return lambda *argv: cli('build-engines', '--model', tiny.folder, '--encoders', tiny.encoders,
                             *argv)


def test_nothing_is_built_on_a_dry_run(build, tiny):
    pytest.importorskip('tensorrt_rtx')
    done = build('--dry-run', '--library', 'tensorrt_rtx')
    assert done.code == 0
    for said in ('TensorRT for RTX', 'compute capability 8.0 and later', 'precision  fp16', '1 x 3 to 1 x',
                 'mpnet      to be built:', 'minilm     to be built:'):
        assert said in done.out
    assert not (tiny.folder.parent / 'cache').exists()


def test_built_once(build):
    pytest.importorskip('tensorrt_rtx')
    options = ('--library', 'tensorrt_rtx', '--workspace', 512)
    first, second = build(*options), build(*options)
    assert first.code == second.code == 0
    assert 'built the fp16 engine of mpnet' in first.err and 'built' not in second.err
    assert 'engines for GPUs of compute capability 8.0 and later are ready' in first.out
    assert 'not loaded to be inspected: there is no GPU' in first.err
    assert 'mpnet      there:' in build('--dry-run', '--library', 'tensorrt_rtx').out
    assert 'built the fp16 engine of mpnet' in build(*options, '--rebuild').err
    without = build(*options, '--layers', 'layers')
    assert without.code == 1 and '--layers asks the engines on a GPU' in without.err


@pytest.mark.parametrize('options, code, said', [
    (['--workspace', '0'], 2, 'below 1'),
    (['--workspace', 'abc'], 2, "'abc' is no whole number"), (['--precision', 'int8'], 2, 'invalid choice'),
    (['--library', 'tensorrt'], 1, 'no TensorRT here'), (['--model', 'none'], 1, 'none')])
def test_what_cannot_be_built(build, monkeypatch, options, code, said):
    import sys
    monkeypatch.setitem(sys.modules, 'tensorrt', None)
    done = build(*options)
    assert done.code == code and said in done.err


@pytest.fixture
def on_gpu(cli, tiny, monkeypatch):
    """``build-engines`` on a machine with a GPU in numpy, and a builder that is none."""
    from skill_predictor.inference.tensorrt.build import Plan
    fake = FakeGpu()
    fake.install(monkeypatch)
    monkeypatch.setattr(engines, 'build_plan', lambda library, graph, *_, **__: Plan(
        graph.stem.encode(), '1 MATRIX_MULTIPLY HALF', 0.0))
    return fake, lambda *argv: cli('build-engines', '--model', tiny.folder, '--encoders',
                                   tiny.encoders, '--library', 'tensorrt', *argv)


def test_engines_are_inspected_where_there_is_a_gpu(on_gpu):
    fake, build = on_gpu
    done = build()
    assert done.code == 0 and 'fp16 engines for Orin (fake)' in done.out
    assert 'mpnet on the GPU: 2 Half' in done.err and 'minilm on the GPU: 2 Half' in done.err
    assert fake.living == 0 and fake.pushed == 0


def test_layers_are_written_for_each_engine(on_gpu, tmp_path):
    _, build = on_gpu
    assert build('--layers', tmp_path / 'new' / 'layers').code == 0
    told = {path.name: json.loads(path.read_text()) for path in (tmp_path / 'new/layers').iterdir()}
    assert sorted(told) == ['minilm.fp16.layers.json', 'mpnet.fp16.layers.json']
    assert all(layers['Layers'][0]['Outputs'][0]['Format/Datatype'] == 'Half'
               for layers in told.values())


def test_an_engine_that_is_built_once_more_keeps_to_the_workspace(on_gpu, monkeypatch):
    from skill_predictor.inference.tensorrt.build import Plan
    fake, build = on_gpu
    wanted = []

    def build_plan(library, graph, *_, workspace_bytes=None, **__):
        wanted.append((graph.stem, workspace_bytes))
        return Plan(f'{graph.stem} {len(wanted)}'.encode(), '1 MATRIX_MULTIPLY HALF', 0.0)
    monkeypatch.setattr(engines, 'build_plan', build_plan)
    fake.spoilt = {b'mpnet.fp16 1'}
    assert build('--workspace', 512).code == 0
    assert wanted == [('mpnet.fp16', 512 << 20), ('minilm.fp16', 512 << 20),
                      ('mpnet.fp16', 512 << 20)]


def test_a_gpu_that_does_not_start_is_said_in_plain_words(on_gpu, monkeypatch):
    import sys
    _, build = on_gpu
    driver = sys.modules['pycuda.driver']

    def retain(self):
        raise driver.Error('cuDevicePrimaryCtxRetain failed: out of memory')
    monkeypatch.setattr(driver.Device, 'retain_primary_context', retain)
    done = build()
    assert done.code == 1 and 'the GPU gives no context: cuDevicePrimaryCtxRetain' in done.err
    assert 'unexpected' not in done.err


def test_lost_half_precision_is_an_error_of_the_builder(on_gpu):
    fake, build = on_gpu
    fake.layer_format = 'Row major linear FP32'
    done = build()
    assert done.code == 1 and 'half precision was lost' in done.err and 'are ready' not in done.out
    assert fake.living == 0
