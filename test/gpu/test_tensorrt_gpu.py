"""TensorRT on a real GPU; skipped where there is none."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from skill_predictor.dataset.records import read_tasks
from skill_predictor.inference.backends import BackendOptions, open_backend
from skill_predictor.inference.backends.tensorrt import TensorRtBackend
from skill_predictor.inference.locations import find_model
from skill_predictor.inference.predictor import SkillPredictor
from skill_predictor.inference.store import read_model

_REASON = TensorRtBackend.missing()
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(_REASON is not None, reason=str(_REASON))]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def model(tiny):
    return read_model(tiny.folder)


def batch(tasks, tokens, seed=0):
    rng = np.random.default_rng(seed)
    ids = rng.integers(4, 60, size=(tasks, tokens))
    mask = (np.arange(tokens) < rng.integers(1, tokens + 1, size=(tasks, 1))).astype(np.int64)
    return [(ids, mask)] * 2


@pytest.mark.parametrize('precision, tolerance', [('fp32', 2e-3), ('fp16', 1e-2)])
def test_it_answers_like_the_cpu(model, precision, tolerance):
    on_cpu = open_backend('onnxruntime', model, BackendOptions('fp32', 1))
    on_gpu = open_backend('tensorrt', model, BackendOptions(precision, fallback=False))
    try:
        for seed, (tasks, tokens) in enumerate([(1, 3), (1, 20), (1, 20), (1, 20), (5, 40), (1, 90),
                                                (64, 30), (100, 12), (1, 20)]):
            inputs = batch(tasks, tokens, seed)
            for expected, found in zip(on_cpu.run(inputs), on_gpu.run(inputs)):
                np.testing.assert_allclose(found, expected, atol=tolerance)
    finally:
        on_gpu.close()


def test_loaded_used_and_closed_over_and_over_from_any_thread(model):
    for _ in range(3):
        backend = open_backend('tensorrt', model, BackendOptions(fallback=False))
        found = []
        for _ in range(2):
            thread = threading.Thread(target=lambda: found.append(backend.run(batch(1, 10))))
            thread.start()
            thread.join()
        np.testing.assert_array_equal(found[0][0], found[1][0])
        backend.close()


def test_memory_does_not_grow(model):
    import pycuda.driver as cuda
    backend = open_backend('tensorrt', model, BackendOptions(fallback=False))
    if backend._gpu.shares_memory:
        backend.close()
        pytest.skip('the GPU shares the memory of all processes')
    for tokens in range(3, 60):
        backend.run(batch(1, tokens))
    with backend._gpu.current():
        before = cuda.mem_get_info()[0]
    for tokens in range(3, 60):
        backend.run(batch(1, tokens))
    with backend._gpu.current():
        assert cuda.mem_get_info()[0] >= before - (1 << 20)
    backend.close()


@pytest.mark.model
def test_the_released_model_decides_as_in_float32():
    model = read_model(find_model(None))
    texts = [task.text for task in read_tasks(ROOT / 'data' / 'test.jsonl')]
    answers = []
    for name, precision in (('onnxruntime', 'fp32'), ('tensorrt', 'fp16')):
        predictor = SkillPredictor(model, open_backend(
            name, model, BackendOptions(precision, fallback=False)))
        answers.append(np.array([one.probabilities for one in predictor.predict(texts)]))
        predictor.close()
    thresholds = np.asarray(model.thresholds, dtype=np.float32)
    assert np.abs(answers[0] - answers[1]).max() < 0.01
    np.testing.assert_array_equal(answers[0] >= thresholds, answers[1] >= thresholds)
