"""The GPU's backend when something fails: others take over, everything is given back, and it is said."""

from __future__ import annotations

import sys
import threading
import weakref

import numpy as np
import pytest

from skill_predictor.inference.backends import BackendOptions, open_backend
from skill_predictor.inference.backends.tensorrt import TensorRtBackend
from skill_predictor.inference.errors import BackendError
from skill_predictor.inference.predictor import SkillPredictor
from skill_predictor.inference.tensorrt.runner import EngineRunner


def batch(tasks, tokens, seed=0):
    ids = np.random.default_rng(seed).integers(1, 60, size=(tasks, tokens))
    return ids, np.ones_like(ids)


def overflow(backend, monkeypatch):
    """One of the answers is no number from now on, as after an overflow in half precision."""
    run = backend.run

    def spoilt(inputs):
        answers = run(inputs)
        answers[-1][1, 4] = np.nan
        return answers
    monkeypatch.setattr(backend, 'run', spoilt)


@pytest.mark.parametrize('break_it', ['broken', 'refuses', 'overflows'])
def test_the_cpu_takes_over(gpu, model, built, monkeypatch, break_it):
    lines = []
    opened = open_backend('tensorrt', model, BackendOptions(threads=1), lines.append)
    inputs = [batch(3, 12), batch(3, 12, 1)]
    first = opened.run(inputs)
    if break_it == 'overflows':
        overflow(opened._backend, monkeypatch)
    else:
        setattr(gpu, break_it, True)
    second = opened.run(inputs)
    assert opened.name == 'onnxruntime' and 'tensorrt failed' in opened.trouble
    assert 'CPU, int8' in opened.device and any(
        line.startswith('WARNING: tensorrt failed') and 'the CPU takes over' in line for line in lines)
    on_cpu = open_backend('onnxruntime', model, BackendOptions(threads=1))
    for found, expected, gone in zip(second, on_cpu.run(inputs), first):
        np.testing.assert_array_equal(found, expected)
        assert np.abs(found - gone).max() > 1e-3
    opened.close()
    on_cpu.close()
    assert gpu.living == 0 and gpu.pushed == 0


def test_the_cpu_takes_over_in_the_precision_that_was_asked_for(gpu, model, built):
    gpu.layer_format = 'Float'
    opened = open_backend('tensorrt', model, BackendOptions('fp32', threads=1))
    assert len(list(built_graphs('fp32'))) == 2 and not list(built_graphs('int8'))
    gpu.broken = True
    opened.run([batch(2, 8)] * 2)
    assert opened.device == 'CPU, fp32, 1 thread'
    opened.close()


def built_graphs(precision):
    from skill_predictor.inference.locations import artefacts_dir
    return artefacts_dir().rglob(f'*.{precision}.onnx')


def test_a_lost_gpu_is_let_go_of_before_what_lies_on_it(gpu, model, built):
    """Freed in a context that is valid and cannot be made current, it would end the process."""
    opened = open_backend('tensorrt', model, BackendOptions(threads=1))
    valid = []
    for runner in opened._backend._runners:
        weakref.finalize(runner, lambda: valid.append(gpu.valid))
    del runner
    gpu.lost = True
    assert len(opened.run([batch(2, 8)] * 2)) == 2
    assert opened.name == 'onnxruntime' and 'cuCtxPushCurrent failed' in opened.trouble
    assert valid == [0, 0] and gpu.pushed == 0
    opened.close()


def test_a_lost_gpu_is_closed_in_another_thread(gpu, model, built):
    opened = TensorRtBackend.load(model, BackendOptions(), lambda line: None)
    gpu.lost = True
    failures = []

    def close():
        try:
            opened.close()
        except BackendError as error:
            failures.append(str(error))
    thread = threading.Thread(target=close)
    thread.start()
    thread.join()
    assert failures == ['the GPU failed: cuCtxPushCurrent failed: unspecified launch failure']
    assert gpu.valid == 0 and gpu.pushed == 0
    opened.close()


def test_a_gpu_that_is_lost_while_loading(gpu, model, built, monkeypatch):
    """What failed first is told, not what closing fails with."""
    def lose(self):
        gpu.lost = True
        raise BackendError('an illegal memory access')
    monkeypatch.setattr(EngineRunner, 'warm_up', lose)
    with pytest.raises(BackendError, match='an illegal memory access'):
        TensorRtBackend.load(model, BackendOptions(), lambda line: None)
    assert gpu.valid == 0 and gpu.pushed == 0


def test_memory_that_runs_out_while_loading(gpu, model, built):
    opened = TensorRtBackend.load(model, BackendOptions(), lambda line: None)
    gpu.memory = gpu.used - 1
    opened.close()
    with pytest.raises(BackendError, match='the GPU failed: cuMemAlloc failed: out of memory'):
        TensorRtBackend.load(model, BackendOptions(), lambda line: None)
    assert gpu.living == 0 and gpu.pushed == 0 and not gpu.engines


def test_the_first_run_fails_and_there_is_no_cpu(gpu, tiny, built, monkeypatch):
    """What the error still holds goes before the context, as the fake GPU sees to."""
    monkeypatch.setattr(SkillPredictor, 'warm_up', lambda self: self.backend.run([batch(3, 8)] * 2))
    load = TensorRtBackend.load

    def breaking(*arguments):
        loaded = load(*arguments)
        gpu.refuses = True
        return loaded
    monkeypatch.setattr(TensorRtBackend, 'load', breaking)
    with pytest.raises(BackendError, match='could not run the engine'):
        SkillPredictor.load(tiny.folder, 'tensorrt', BackendOptions(fallback=False))
    assert gpu.living == 0 and gpu.pushed == 0


def test_a_gpu_that_gives_no_context(gpu, model, built, monkeypatch):
    driver = sys.modules['pycuda.driver']

    def retain(self):
        raise driver.Error('cuDevicePrimaryCtxRetain failed: out of memory')
    monkeypatch.setattr(driver.Device, 'retain_primary_context', retain)
    with pytest.raises(BackendError, match='the GPU gives no context: .*out of memory'):
        TensorRtBackend.load(model, BackendOptions(), lambda line: None)


def test_a_library_that_does_not_suit_the_driver(gpu, model, built, monkeypatch):
    def runtime(messages):
        raise TypeError('pybind11::init(): factory function returned nullptr')
    monkeypatch.setattr(sys.modules['tensorrt'], 'Runtime', runtime)
    with pytest.raises(BackendError, match='driver and library may not suit each other'):
        TensorRtBackend.load(model, BackendOptions(), lambda line: None)
    assert gpu.living == 0 and gpu.pushed == 0


def test_a_recording_that_fails_gives_back_those_before_it(gpu, model, built):
    gpu.recordings = 4
    lines = []
    opened = TensorRtBackend.load(model, BackendOptions(), lines.append)
    told = [line for line in lines if 'without CUDA graphs' in line]
    assert [line.split()[:2] for line in told] == [['WARNING:', 'mpnet'], ['WARNING:', 'minilm']]
    assert 'cuGraphInstantiateWithFlags failed with CUDA error 2' in told[0]
    opened.close()
    assert gpu.living == 0


def test_the_threads_contexts_stay_as_they_were(gpu, model, built):
    gpu.pushed = 1  # the primary context, as CUDA's runtime leaves it where TensorRT has built
    for _ in range(3):
        TensorRtBackend.load(model, BackendOptions(), lambda line: None).close()
        assert gpu.pushed == 1


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
    assert opened.name == 'tensorrt' and said in lines[-1] and said in opened.trouble
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
