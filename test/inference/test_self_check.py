"""An engine serves only when it answers as the model did when it was released."""

from __future__ import annotations

import numpy as np
import pytest

from skill_predictor.inference import backends
from skill_predictor.inference.backends import base, BackendOptions, open_backend
from skill_predictor.inference.backends.onnxruntime import OnnxRuntimeBackend
from skill_predictor.inference.errors import BackendError, ModelError
from skill_predictor.inference.self_check import TOLERANCES
from skill_predictor.inference.store import read_model
from skill_predictor.inference.tokenizer import batch_ids, TaskTokenizer

FP32 = BackendOptions('fp32', 1)
TEXTS = ('Bring me the red box.', 'Sweep the deck', 'x', 'Dive to the anchor, to the bridge - 2 times', 'To me')


def quiet(line):
    pass


def answers(model):
    """What the CPU says in float32, per text and encoder."""
    tokenizer = TaskTokenizer.of(model)
    backend = OnnxRuntimeBackend.load(model, FP32, quiet)
    return [[backend.run([batch_ids([tokenizer.tokenize(text)], encoder.token_ids)
                          for encoder in model.encoders])[place][0].tolist()
             for place in range(len(model.encoders))] for text in TEXTS]


@pytest.fixture
def released(tiny):
    """A model that brings examples; ``shift`` makes them those of another."""
    rows = answers(read_model(tiny.folder))

    def make(shift=0.0, encoder=1):
        changed = [[[value + shift * (place == encoder) for value in row] for place, row in enumerate(one)]
                   for one in rows]
        tiny.edit_config(lambda config: config.update(examples=[
            {'text': text, 'probabilities': one} for text, one in zip(TEXTS, changed)]))
        return read_model(tiny.folder)
    return make


def test_the_same_answers_serve(released):
    model = released()
    assert len(model.examples) == len(TEXTS)
    for precision in ('fp32', 'int8'):
        open_backend('onnxruntime', model, BackendOptions(precision, 1)).close()


@pytest.mark.parametrize('precision, shift', [('fp32', 0.02), ('int8', 0.6)])
def test_other_answers_do_not(released, precision, shift):
    with pytest.raises(BackendError, match=f'minilm in {precision} does not answer as it did'):
        open_backend('onnxruntime', released(shift), BackendOptions(precision, 1))
    with pytest.raises(BackendError, match='mpnet in'):
        open_backend('onnxruntime', released(shift, encoder=0), BackendOptions(precision, 1))


class OnGpu(base.Backend):
    """Answers as the CPU does, but for batches of ``wrong`` tasks."""

    name, device, precisions, checked_batches = 'tensorrt', 'test', ('fp16',), (1, 4, 12)
    wrong, value = 0, 0.5
    closed, sizes = [], []

    @classmethod
    def missing(cls):
        return None

    @classmethod
    def prepare(cls, model, options, progress, *, rebuild=False):
        return []

    @classmethod
    def load(cls, model, options, progress):
        backend = cls()
        backend.cpu = OnnxRuntimeBackend.load(model, FP32, progress)
        cls.closed, cls.sizes = [], []
        return backend

    def run(self, inputs):
        tasks = len(inputs[0][0])
        self.sizes.append(tasks)
        found = self.cpu.run(inputs)
        return [np.full_like(found[0], self.value), *found[1:]] if tasks == self.wrong else found

    def close(self):
        self.closed.append(True)


@pytest.mark.parametrize('wrong', [1, 4, 5])
@pytest.mark.parametrize('value', [0.5, np.nan])
def test_a_gpu_with_wrong_answers_is_left_for_the_cpu(released, monkeypatch, wrong, value):
    """Whatever the batch: engines have a program for each size."""
    model = released()
    monkeypatch.setitem(backends.BACKENDS, 'tensorrt', OnGpu)
    backend = open_backend('auto', model)
    assert backend.name == 'tensorrt' and not backend.trouble and set(OnGpu.sizes) == {1, 4, 5}
    monkeypatch.setattr(OnGpu, 'wrong', wrong)
    monkeypatch.setattr(OnGpu, 'value', value)
    backend = open_backend('auto', model)
    assert backend.name == 'onnxruntime' and OnGpu.closed == [True]
    assert 'mpnet in fp16 does not answer as it did' in backend.trouble and f'(batch of {wrong})' in backend.trouble
    with pytest.raises(BackendError, match='does not answer'):
        open_backend('tensorrt', model)


def test_a_model_without_examples_is_not_checked(tiny, monkeypatch):
    def check(*args):
        raise AssertionError('nothing to ask')
    monkeypatch.setattr(backends, 'check_answers', check)
    open_backend('onnxruntime', read_model(tiny.folder), FP32).close()


@pytest.mark.parametrize('rows', [[[0.5] * 6], [[0.5] * 6, [0.5] * 5], 'x', [[0.5] * 6] * 3])
def test_damaged_examples(tiny, rows):
    tiny.edit_config(lambda config: config.update(examples=[{'text': 'x', 'probabilities': rows}]))
    with pytest.raises(ModelError, match='is damaged'):
        read_model(tiny.folder)


def test_a_tolerance_for_every_precision():
    known = {precision for backend in backends.BACKENDS.values() for precision in backend.precisions}
    assert known == set(TOLERANCES)
