"""The GPU's backend on a GPU in numpy: right answers, buffers made once, everything given back."""

from __future__ import annotations

import importlib
import json
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from fake_tensorrt import answer, ExecutionContext
from skill_predictor.inference.backends import BackendOptions, open_backend, tensorrt
from skill_predictor.inference.backends.tensorrt import TensorRtBackend
from skill_predictor.inference.errors import BackendError
from skill_predictor.inference.predictor import SkillPredictor
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
    """Counted from the first task on: loading has run every profile."""
    before = gpu.allocations, gpu.contexts
    for seed in range(10):
        for tasks, tokens in ((1, 10), (1, 100), (4, 30), (40, 20), (64, 32)):
            check(backend, model, tasks, tokens, seed)
    assert (gpu.allocations, gpu.contexts) == before


def test_what_fails_in_large_batches_only_is_found_while_loading(gpu, model, built, monkeypatch):
    run = ExecutionContext.execute_async_v3
    monkeypatch.setattr(ExecutionContext, 'execute_async_v3', lambda self, stream: (
        run(self, stream) and self._shapes['input_ids'][0] < 64))
    with pytest.raises(BackendError, match='could not run the engine'):
        TensorRtBackend.load(model, BackendOptions(), lambda line: None)
    assert gpu.living == 0


def test_streams_do_not_wait_for_the_default_one(backend, gpu):
    assert gpu.streams and all(stream.flags == 1 for stream in gpu.streams)


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
    with pytest.raises(BackendError, match='half precision was lost.*its layers is in ') as refused:
        TensorRtBackend.load(model, BackendOptions(), lambda line: None)
    told = json.loads(Path(str(refused.value).rpartition(' is in ')[2]).read_text())
    assert told['Layers'][0]['Outputs'][0]['Format/Datatype'] == 'Float', 'kept, so that one can see why'
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


def test_an_engine_that_another_version_made_is_named(gpu, model, built):
    lines = []
    for version in ('10.7.0', '10.9.0'):
        lines.clear()
        sys.modules['tensorrt'].__version__ = version
        TensorRtBackend.load(model, BackendOptions(), lines.append).close()
    told = [line for line in lines if 'is of no use here' in line]
    assert len(told) == 2 and len(built) == 4
    assert told[0].endswith('mpnet.fp16.engine is of no use here (version 10.7.0 instead of 10.9.0)')
    lines.clear()
    gpu.total = 30 << 30
    TensorRtBackend.load(model, BackendOptions(), lines.append).close()
    assert any('(memory_gib 64 instead of 32)' in line for line in lines)
    paths = TensorRtBackend.prepare(model, BackendOptions(), lines.append, rebuild=True)
    assert not any(line.startswith(f'{path} is of no use') for path in paths for line in lines)


@pytest.mark.parametrize('left, installed', [(61.3, 64), (62.6, 64), (29.9, 32), (30.6, 32), (15.3, 16),
                                             (7.44, 8), (7.62, 8), (8.0, 8), (64.0, 64)])
def test_memory_that_the_system_takes_makes_no_other_device(gpu, left, installed):
    gpu.total = int(left * (1 << 30))
    assert cuda.device().memory_gib == installed


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


def test_a_start_up_that_fails_leaves_no_context(gpu, tiny, built, monkeypatch):
    """pycuda would say so when the process ends, in the place of the reason."""
    from skill_predictor.evaluation.speed.start_up import _start
    for name in ('load', 'predict'):
        with monkeypatch.context() as patch:
            patch.setattr(SkillPredictor, name, fail)
            with pytest.raises(BackendError, match='the reason'):
                _start(tiny.folder, 'tensorrt', {'threads': 1, 'fallback': False})
        assert gpu.living == 0 and gpu.pushed == 0


def fail(*_):
    raise BackendError('the reason')


def test_start_up_counts_the_memory_of_the_gpu(gpu, tiny, built):
    from skill_predictor.evaluation.speed.start_up import _start
    found = _start(tiny.folder, 'tensorrt', {'threads': 1, 'fallback': False})
    assert found.gpu_memory_mb > 0 and found.seconds > 0
    assert gpu.living == 0 and gpu.pushed == 0
