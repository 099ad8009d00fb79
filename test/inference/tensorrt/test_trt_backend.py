"""The GPU's backend on a GPU in numpy: right answers, buffers made once, everything given back."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from fake_gpu import answer
from skill_predictor.inference.backends import BackendOptions, open_backend
from skill_predictor.inference.backends.tensorrt import TensorRtBackend
from skill_predictor.inference.errors import BackendError
from skill_predictor.inference.tensorrt import engines

SALTS = {'mpnet': 1.0, 'minilm': 2.0}


@pytest.fixture
def built(monkeypatch):
    """Stands for the builder, which needs TensorRT itself; counts what is built."""
    from skill_predictor.inference.tensorrt.build import Plan
    names = []

    def build(library, graph, shapes, wanted, **_):
        names.append(f'{graph.stem} {wanted}')
        return Plan(f'{graph.stem} {len(names)}'.encode(), '1 MATRIX_MULTIPLY HALF', 0.0)
    monkeypatch.setattr(engines, 'build_plan', build)
    return names


@pytest.fixture
def backend(gpu, model, built):
    opened = TensorRtBackend.load(model, BackendOptions(), lambda line: None)
    yield opened
    opened.close()


def batch(tasks, tokens, seed=0):
    rng = np.random.default_rng(seed)
    ids = rng.integers(1, 60, size=(tasks, tokens))
    mask = (np.arange(tokens) < rng.integers(1, tokens + 1, size=(tasks, 1))).astype(np.int64)
    return ids, mask


def check(backend, model, tasks, tokens, seed=0):
    inputs = [batch(tasks, tokens, seed + index) for index in range(2)]
    for encoder, (ids, mask), found in zip(model.encoders, inputs, backend.run(inputs)):
        assert found.dtype == np.float32 and found.shape == (tasks, 6)
        np.testing.assert_allclose(found, answer(ids, mask, SALTS[encoder.name]), atol=1e-6)


@pytest.mark.parametrize('tasks, tokens', [(1, 3), (1, 24), (1, 100), (2, 9), (8, 40), (9, 12),
                                           (64, 192), (65, 10), (200, 10)])
def test_answers_of_every_shape(backend, model, tasks, tokens):
    for seed in range(3):
        check(backend, model, tasks, tokens, seed)


def test_shapes_in_any_order(backend, model):
    rng = np.random.default_rng(1)
    for seed in range(60):
        check(backend, model, int(rng.choice([1, 1, 3, 30])), int(rng.integers(3, 90)), seed)


def test_nothing_is_allocated_on_the_way(backend, model, gpu):
    for tokens in (10, 30):
        check(backend, model, 1, tokens)
        check(backend, model, 4, tokens)
    before = gpu.allocations, gpu.contexts
    for seed in range(10):
        check(backend, model, 1, 10, seed)
        check(backend, model, 4, 30, seed)
    assert (gpu.allocations, gpu.contexts) == before


def test_single_tasks_are_recorded(backend, model, gpu):
    for seed in range(5):
        check(backend, model, 1, 20, seed)
    # All of them: loading has prepared and recorded every short length, for two encoders.
    assert gpu.launches == (8 + 5) * 2
    launches = gpu.launches
    check(backend, model, 2, 20)
    check(backend, model, 1, 100)
    assert gpu.launches == launches


def test_without_recording_answers_are_the_same(gpu, model, built):
    gpu.records_not = True
    opened = TensorRtBackend.load(model, BackendOptions(), lambda line: None)
    for seed in range(4):
        check(opened, model, 1, 20, seed)
    assert gpu.launches == 0
    opened.close()
    assert gpu.living == 0


def test_used_and_closed_from_different_threads(backend, model, gpu):
    failures = []

    def use():
        try:
            check(backend, model, 3, 20)
        except BaseException as error:
            failures.append(error)
    for _ in range(3):
        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
    assert not failures and gpu.pushed == 0
    backend.close()
    backend.close()
    assert gpu.living == 0 and gpu.pushed == 0
    with pytest.raises(BackendError, match='closed'):
        backend.run([batch(1, 5)] * 2)


def test_it_says_what_it_is(backend):
    assert backend.device == (
        'Orin (fake), 16 multiprocessors, compute capability 8.7, TensorRT 10.7.0, fp16')
    assert backend.trouble == ''


def test_precision(gpu, model, built):
    gpu.layer_format = 'Float'
    TensorRtBackend.load(model, BackendOptions('fp32'), lambda line: None).close()
    assert built == ['mpnet.fp32 fp32', 'minilm.fp32 fp32']
    with pytest.raises(BackendError, match='half precision was lost'):
        TensorRtBackend.load(model, BackendOptions(), lambda line: None)
    assert gpu.living == 0 and gpu.pushed == 0, 'a load that fails gives everything back'
    with pytest.raises(BackendError, match='tensorrt computes in fp16 or fp32, not in int8'):
        TensorRtBackend.load(model, BackendOptions('int8'), lambda line: None)


def test_an_engine_that_does_not_load_is_built_once_more(gpu, model, built):
    TensorRtBackend.load(model, BackendOptions(), lambda line: None).close()
    gpu.spoilt = {b'mpnet.fp16 1'}
    lines = []
    TensorRtBackend.load(model, BackendOptions(), lines.append).close()
    assert len(built) == 3, 'the other engine stays'
    assert any('does not load (magic tag does not match) and is built again' in line
               for line in lines)
    gpu.spoilt = {f'{name}.fp16 {count}'.encode() for name in SALTS for count in range(9)}
    with pytest.raises(BackendError, match='its own engine of mpnet: magic tag does not match'):
        TensorRtBackend.load(model, BackendOptions(), lambda line: None)
    assert gpu.living == 0


def test_auto_takes_the_gpu(gpu, model, built):
    lines = []
    opened = open_backend('auto', model, BackendOptions(), lines.append)
    assert opened.name == 'tensorrt'
    assert any(line.startswith('backend tensorrt: Orin (fake)') for line in lines)
    assert lines[-1].startswith('built minilm in int8'), 'the CPU is ready to take over'
    opened.close()
    opened = open_backend('auto', model, BackendOptions('int8'), lines.append)
    assert opened.name == 'onnxruntime' and 'not in int8' in lines[-1]
    opened.close()


@pytest.mark.parametrize('break_it', ['broken', 'refuses'])
def test_the_cpu_takes_over(gpu, model, built, break_it):
    lines = []
    opened = open_backend('tensorrt', model, BackendOptions(threads=1), lines.append)
    inputs = [batch(3, 12), batch(3, 12, 1)]
    first = opened.run(inputs)
    setattr(gpu, break_it, True)
    second = opened.run(inputs)
    assert opened.name == 'onnxruntime' and 'tensorrt failed' in opened.trouble
    assert 'CPU, int8' in opened.device and any('the CPU takes over' in line for line in lines)
    on_cpu = open_backend('onnxruntime', model, BackendOptions(threads=1))
    for found, expected, gone in zip(second, on_cpu.run(inputs), first):
        np.testing.assert_array_equal(found, expected)
        assert np.abs(found - gone).max() > 1e-3
    opened.close()
    on_cpu.close()
    assert gpu.living == 0 and gpu.pushed == 0


def test_when_the_cpu_fails_too_both_reasons_are_told(gpu, model, built, monkeypatch):
    from skill_predictor.inference.backends import fallback, OnnxRuntimeBackend
    opened = open_backend('tensorrt', model, BackendOptions(threads=1))
    gpu.broken = True
    attempts = []
    original = OnnxRuntimeBackend.load

    def load(*arguments):
        attempts.append(1)
        if len(attempts) == 1:
            raise OSError('disk full')
        return original(*arguments)
    monkeypatch.setattr(OnnxRuntimeBackend, 'load', load)
    inputs = [batch(1, 5)] * 2
    for _ in range(3):  # without another attempt for a while
        with pytest.raises(BackendError, match='tensorrt failed: .*illegal memory.*disk full'):
            opened.run(inputs)
        assert 'disk full' in opened.trouble
    assert len(attempts) == 1
    monkeypatch.setattr(fallback.time, 'monotonic', lambda: 1e12)
    assert len(opened.run(inputs)) == 2 and opened.name == 'onnxruntime'
    assert 'illegal memory' in opened.trouble and 'disk full' not in opened.trouble
    opened.close()
    assert gpu.living == 0


@pytest.mark.parametrize('error, said', [
    (ModuleNotFoundError("No module named 'onnxruntime'"), "No module named 'onnxruntime'"),
    (MemoryError('none left'), 'MemoryError: none left')])
def test_a_gpu_that_works_needs_no_cpu(gpu, model, built, monkeypatch, error, said):
    from skill_predictor.inference.backends import OnnxRuntimeBackend

    def prepare(*_):
        raise error
    monkeypatch.setattr(OnnxRuntimeBackend, 'prepare', prepare)
    lines = []
    opened = open_backend('auto', model, BackendOptions(), lines.append)
    assert opened.name == 'tensorrt' and said in lines[-1]
    opened.close()


def test_ctrl_c_while_the_cpu_is_prepared_frees_the_gpu(gpu, model, built, monkeypatch):
    from skill_predictor.inference.backends import OnnxRuntimeBackend

    def prepare(*_):
        raise KeyboardInterrupt
    monkeypatch.setattr(OnnxRuntimeBackend, 'prepare', prepare)
    with pytest.raises(KeyboardInterrupt):
        open_backend('auto', model, BackendOptions())
    assert gpu.living == 0 and gpu.pushed == 0


def test_closed_in_another_thread(gpu, model, built):
    opened = TensorRtBackend.load(model, BackendOptions(), lambda line: None)
    thread = threading.Thread(target=opened.close)
    thread.start()
    thread.join()
    assert gpu.living == 0 and gpu.pushed == 0


def test_without_fallback_the_failure_is_the_answer(gpu, model, built):
    opened = open_backend('tensorrt', model, BackendOptions(fallback=False))
    gpu.broken = True
    with pytest.raises(BackendError, match='the GPU failed: .*illegal memory access'):
        opened.run([batch(1, 5)] * 2)
    assert gpu.pushed == 0
    gpu.broken = False
    opened.close()


def test_a_machine_without_a_gpu_says_so(monkeypatch, model):
    import sys
    monkeypatch.setitem(sys.modules, 'pycuda', None)
    with pytest.raises(BackendError, match='tensorrt: pycuda does not load'):
        open_backend('tensorrt', model)


def test_memory_that_is_shared_is_not_counted_as_the_gpus(gpu, tiny, built):
    from skill_predictor.evaluation.speed.start_up import _start
    gpu.integrated = 1
    assert _start(tiny.folder, 'tensorrt', {'threads': 1, 'fallback': False}).gpu_memory_mb is None


def test_start_up_counts_the_memory_of_the_gpu(gpu, tiny, built):
    from skill_predictor.evaluation.speed.start_up import _start
    found = _start(tiny.folder, 'tensorrt', {'threads': 1, 'fallback': False})
    assert found.gpu_memory_mb > 0 and found.seconds > 0
    assert gpu.living == 0 and gpu.pushed == 0
