"""``benchmark``: every engine that was asked for, in one table."""

from __future__ import annotations

import json

import pytest

from fake_gpu import FakeGpu
from skill_predictor.inference.errors import ModelError


@pytest.fixture
def benchmark(cli, shared_tiny):
    return lambda *argv: cli('benchmark', '--model', shared_tiny.folder, '--encoders',
                             shared_tiny.encoders, '--seconds', 0.05, '--threads', 1, *argv)


def test_engines_side_by_side(benchmark, tmp_path):
    done = benchmark('--engines', 'onnxruntime:int8', 'onnxruntime:fp32', '--batches', 1, 4,
                     '--tokens', 5, 20, '--json', tmp_path / 'speed.json')
    assert done.code == 0, done.err
    found = json.loads((tmp_path / 'speed.json').read_text())
    assert list(found['one_task']) == ['onnxruntime int8', 'onnxruntime fp32']
    assert [(row['batch'], row['tokens']) for row in found['batches'][::2]] == [
        (1, 5), (1, 20), (4, 5), (4, 20)]
    for row in found['batches']:
        assert 0 < row['p50'] <= row['p90'] <= row['p99'] and row['calls'] >= 5
        assert row['tasks_per_s'] == pytest.approx(1e3 * row['batch'] / row['p50'])
    floors = found['roofline']['floor_ms']
    assert 0 < floors['onnxruntime int8'] < floors['onnxruntime fp32']
    for engine in found['engines'].values():
        started = engine['start_up']
        assert 0 < started['seconds'] < 60 and 10 < started['memory_mb'] < 2000
        assert started['gpu_memory_mb'] is None
    assert found['model'].startswith('tiny+') and found['machine']['cores']
    for said in ('one task', 'onnxruntime int8', 'tasks/s', 'CPU, fp32, 1 thread', 'times that'):
        assert said in done.out


def test_all_that_work_here_by_default(benchmark, monkeypatch):
    from skill_predictor.inference import backends
    monkeypatch.setattr(backends.TensorRtBackend, 'missing', classmethod(lambda cls: 'no GPU'))
    done = benchmark('--batches', 1, '--tokens', 8, '--json', '-')
    assert list(json.loads(done.out)['engines']) == ['onnxruntime int8', 'onnxruntime fp32']


@pytest.mark.parametrize('error', [RuntimeError('no profile'), TypeError('pybind11'), ModelError('no disk')])
def test_an_engine_that_raises_what_it_likes_is_left_out(benchmark, monkeypatch, error):
    from skill_predictor.inference import backends

    def prepare(*_, **__):
        raise error
    monkeypatch.setattr(backends.TensorRtBackend, 'missing', classmethod(lambda cls: None))
    monkeypatch.setattr(backends.TensorRtBackend, 'prepare', prepare)
    done = benchmark('--batches', 1, '--tokens', 8, '--json', '-')
    if isinstance(error, ModelError):
        assert done.code == 1 and 'no disk' in done.err
    else:
        assert list(json.loads(done.out)['engines']) == ['onnxruntime int8', 'onnxruntime fp32']
        assert f'left out: tensorrt fp16: {type(error).__name__}: {error}' in done.err


@pytest.mark.parametrize('options, said', [
    (['--engines', 'torch'], "'torch' is no engine"), (['--batches', '0'], 'below 1'),
    (['--tokens', '2'], 'a word between two special tokens'), (['--tokens', 'x'], "'x' is no whole"),
    (['--engines', 'onnxruntime:int4'], 'precisions: auto')])
def test_wrong_options(benchmark, options, said):
    done = benchmark(*options)
    assert done.code == 2 and said in done.err


def test_floor_of_a_gpu(benchmark, monkeypatch):
    from skill_predictor.evaluation.speed import start_up
    from skill_predictor.inference.tensorrt import engines
    from skill_predictor.inference.tensorrt.build import Plan
    FakeGpu().install(monkeypatch)
    monkeypatch.setattr(engines, 'build_plan', lambda library, graph, *_, **__: Plan(
        graph.stem.encode(), '', 0.0))
    # The start-up is measured in a process of its own, where there is no GPU in numpy.
    monkeypatch.setattr(start_up, 'measure', lambda *_: start_up.StartUp(1.0, 100.0, 200.0))
    done = benchmark('--engines', 'tensorrt:fp16', '--batches', 1, '--tokens', 8, '--json', '-')
    assert done.code == 0, done.err
    found = json.loads(done.out)['roofline']
    assert found['gpu_bandwidth_gb_s'] > 0 and found['floor_ms']['tensorrt fp16'] > 0
