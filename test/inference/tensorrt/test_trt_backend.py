"""The GPU's backend on a GPU in numpy: right answers, buffers made once, everything given back."""

from __future__ import annotations

import importlib
import threading

import numpy as np
import pytest

from fake_tensorrt import answer
from skill_predictor.inference.backends import BackendOptions, open_backend, tensorrt
from skill_predictor.inference.backends.tensorrt import TensorRtBackend
from skill_predictor.inference.errors import BackendError
from skill_predictor.inference.tensorrt import cuda
from skill_predictor.inference.tensorrt.library import Library

SALTS = {'mpnet': 1.0, 'minilm': 2.0}


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


def test_a_machine_without_a_gpu_says_so(monkeypatch, model):
    import sys
    monkeypatch.setitem(sys.modules, 'pycuda', None)
    monkeypatch.setattr(cuda, '_sign_of_gpu', lambda: False)
    with pytest.raises(BackendError, match='tensorrt: there is no NVIDIA GPU here'):
        open_backend('tensorrt', model)


@pytest.mark.parametrize('error, said', [
    (ModuleNotFoundError("No module named 'pycuda'", name='pycuda'), 'pip install pycuda'),
    (ModuleNotFoundError("No module named 'pytools'", name='pytools'), 'pip install pytools'),
    (ImportError('libcuda.so.1: cannot open shared object file'), "are NVIDIA's driver and CUDA")])
def test_what_pycuda_lacks_is_said(monkeypatch, error, said):
    def driver():
        raise error
    monkeypatch.setattr(cuda, '_driver', driver)
    monkeypatch.setattr(cuda, '_sign_of_gpu', lambda: True)
    assert f'({error}); {said}' in cuda.missing()


@pytest.mark.parametrize('step', [TensorRtBackend.prepare, TensorRtBackend.load])
def test_nothing_is_built_where_no_gpu_is_to_run_it(monkeypatch, model, built, step):
    """TensorRT for RTX would build for minutes before anybody asks for the GPU."""
    monkeypatch.setattr(cuda, '_driver', lambda: importlib.import_module('no_pycuda_here'))
    monkeypatch.setattr(cuda, '_sign_of_gpu', lambda: True)
    monkeypatch.setattr(tensorrt, 'find_library',
                        lambda: Library(None, 'tensorrt_rtx', '1.7'))
    with pytest.raises(BackendError, match='pycuda does not load .*no_pycuda_here'):
        step(model, BackendOptions(), lambda line: None)
    assert built == []


def test_memory_that_is_shared_is_not_counted_as_the_gpus(gpu, tiny, built):
    from skill_predictor.evaluation.speed.start_up import _start
    gpu.integrated = 1
    assert _start(tiny.folder, 'tensorrt', {'threads': 1, 'fallback': False}).gpu_memory_mb is None


def test_start_up_counts_the_memory_of_the_gpu(gpu, tiny, built):
    from skill_predictor.evaluation.speed.start_up import _start
    found = _start(tiny.folder, 'tensorrt', {'threads': 1, 'fallback': False})
    assert found.gpu_memory_mb > 0 and found.seconds > 0
    assert gpu.living == 0 and gpu.pushed == 0
