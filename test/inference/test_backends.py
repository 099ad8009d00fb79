"""Which engine is taken, and what is said about the others."""

from __future__ import annotations

import json

import numpy as np
import pytest

from skill_predictor.inference import artefacts, backends
from skill_predictor.inference.backends import BackendOptions, base, open_backend, unavailable
from skill_predictor.inference.choices import ENGINES
from skill_predictor.inference.errors import BackendError, ModelError
from skill_predictor.inference.processors import usable_processors
from skill_predictor.inference.store import read_model

FP32 = BackendOptions(precision='fp32', threads=1)


@pytest.fixture
def model(shared_tiny):
    return read_model(shared_tiny.folder)


def _ids(*rows):
    ids = np.array(rows, dtype=np.int64)
    return ids, np.ones_like(ids)


class _Engine(base.Backend):
    """An engine that answers nothing; ``problem`` is why it does not even load."""

    name = 'tensorrt'
    problem: Exception | None = None
    device = 'test'

    @classmethod
    def missing(cls):
        return None

    @classmethod
    def prepare(cls, model, options, progress, *, rebuild=False):
        return []

    @classmethod
    def load(cls, model, options, progress):
        if cls.problem is not None:
            raise cls.problem
        return cls()

    def run(self, inputs):
        return []

    def close(self):
        pass


def test_unknown_name(model):
    with pytest.raises(ValueError, match="unknown backend 'torch'; choose from auto, tensorrt"):
        open_backend('torch', model)


def test_every_engine_has_its_name():
    assert all(name == engine.name for name, engine in backends.BACKENDS.items())
    assert set(backends.BACKENDS) == set(ENGINES)


def test_auto_falls_to_onnxruntime_and_says_why(model, monkeypatch):
    monkeypatch.setattr(backends.TensorRtBackend, 'missing', classmethod(lambda cls: 'no GPU'))
    lines = []
    backend = open_backend('auto', model, FP32, lines.append)
    assert backend.name == 'onnxruntime' and backend.trouble == ''
    assert lines[-1] == 'backend onnxruntime: CPU, fp32, 1 thread (tensorrt: no GPU)'
    with pytest.raises(BackendError, match='tensorrt: no GPU'):
        open_backend('tensorrt', model)


def test_auto_takes_the_best_that_loads(model, monkeypatch):
    monkeypatch.setitem(backends.BACKENDS, 'tensorrt', _Engine)
    assert open_backend('auto', model).name == 'tensorrt'


def test_auto_goes_on_when_an_engine_does_not_load(model, monkeypatch):
    monkeypatch.setitem(backends.BACKENDS, 'tensorrt', _Engine)
    monkeypatch.setattr(_Engine, 'problem', RuntimeError('cudaError 35'))
    lines = []
    opened = open_backend('auto', model, FP32, lines.append)
    assert opened.name == 'onnxruntime'
    assert opened.trouble == 'tensorrt could not be loaded: RuntimeError: cudaError 35'
    assert 'tensorrt: RuntimeError: cudaError 35' in lines[-1]
    with pytest.raises(BackendError, match='cudaError 35'):
        open_backend('tensorrt', model, FP32)


@pytest.mark.parametrize('problem', [ModelError('no weights'), OSError(28, 'disk full')])
def test_auto_does_not_hide_what_no_engine_can_mend(model, monkeypatch, problem):
    monkeypatch.setitem(backends.BACKENDS, 'tensorrt', _Engine)
    monkeypatch.setattr(_Engine, 'problem', problem)
    # A robot without weights or room for an engine may still have what the CPU needs.
    assert open_backend('auto', model, FP32).name == 'onnxruntime'
    monkeypatch.setitem(backends.BACKENDS, 'onnxruntime', _Engine)
    with pytest.raises(type(problem), match='no weights|disk full'):
        open_backend('auto', model, FP32)


@pytest.mark.parametrize('module', ['onnxruntime', 'onnx'])
def test_a_missing_package_is_named(model, monkeypatch, module):
    from skill_predictor.inference.backends import onnxruntime
    monkeypatch.setattr(backends.TensorRtBackend, 'missing', classmethod(lambda cls: 'no GPU'))
    monkeypatch.setattr(onnxruntime.importlib.util, 'find_spec',
                        lambda name: None if name == module else object())
    assert unavailable('onnxruntime') == (
        f'the Python package {module} is not installed (pip install {module})')
    with pytest.raises(BackendError, match=rf'no engine can run .*pip install {module}\)'):
        open_backend('auto', model, FP32)


def test_one_thread_per_usable_core(model):
    cores = usable_processors()
    device = open_backend('onnxruntime', model).device
    assert device == f'CPU, int8, {cores} thread{"s" if cores != 1 else ""}'


def test_the_options_that_were_chosen_by_measurement_reach_onnxruntime(model, monkeypatch):
    """Without them one encoder's threads wait on the cores of the other's."""
    import onnxruntime
    made, session = [], onnxruntime.InferenceSession

    def watched(path, options, **others):
        made.append((options, others))
        return session(path, options, **others)
    monkeypatch.setattr(onnxruntime, 'InferenceSession', watched)
    open_backend('onnxruntime', model, BackendOptions('fp32', threads=3)).close()
    assert len(made) == 2
    for options, others in made:
        assert options.get_session_config_entry('session.force_spinning_stop') == '1'
        assert options.intra_op_num_threads == 3 and options.inter_op_num_threads == 1
        assert others['disabled_optimizers'] == ['SkipLayerNormFusion']


def test_probabilities_per_encoder_in_the_models_order(model):
    backend = open_backend('onnxruntime', model, FP32)
    short, long = _ids([2, 30, 3]), _ids([2, 30, 31, 32, 3])
    first, second = backend.run([short, long])
    assert first.shape == second.shape == (1, 6)
    assert first.dtype == second.dtype == np.float32
    assert not np.array_equal(first, second)
    swapped = backend.run([long, short])
    assert not np.allclose(swapped[0], second), 'the encoders are not interchangeable'
    np.testing.assert_array_equal(backend.run([short, short])[0], first)


def test_a_closed_backend_says_so(model):
    backend = open_backend('onnxruntime', model, FP32)
    backend.close()
    backend.close()
    with pytest.raises(BackendError, match='closed'):
        backend.run([_ids([2, 30, 3])] * 2)


def test_a_whole_file_that_does_not_load_is_built_again(tiny):
    model = read_model(tiny.folder)
    path = artefacts.onnx_file(model, model.encoders[0], 'fp32')
    path.write_bytes(b'no graph')
    manifest = path.with_suffix('.json')
    from tiny_model import sha256
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), 'sha256': sha256(path)}))
    lines = []
    backend = open_backend('onnxruntime', model, FP32, lines.append)
    assert len(backend.run([_ids([2, 30, 3])] * 2)) == 2
    assert any('does not load' in line and 'built again' in line for line in lines)


def test_an_engine_knows_its_precisions(model):
    with pytest.raises(BackendError, match='onnxruntime computes in int8 or fp32, not in fp16'):
        open_backend('onnxruntime', model, BackendOptions('fp16'))
    with pytest.raises(ValueError, match="unknown precision 'fp8'; choose from auto, int8"):
        open_backend('onnxruntime', model, BackendOptions('fp8'))
