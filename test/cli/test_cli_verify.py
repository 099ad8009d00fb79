"""``verify``: forms that agree, and one that does not."""

from __future__ import annotations

import json

import numpy as np
import pytest

from skill_predictor.dataset.records import TaskRecord, write_tasks
from skill_predictor.evaluation.agreement import agreement
from skill_predictor.inference.store import read_model
from tiny_model import TEXTS


@pytest.fixture
def verify(cli, tiny, tmp_path):
    write_tasks([TaskRecord(f't-{index}', text, ('wheels',)) for index, text in enumerate(TEXTS)],
                tmp_path / 'tasks.jsonl')
    return lambda *argv: cli('verify', tmp_path / 'tasks.jsonl', '--model', tiny.folder,
                             '--encoders', tiny.encoders, *argv)


def test_all_forms_agree_with_pytorch(verify, tmp_path):
    pytest.importorskip('torch')
    done = verify('--json', tmp_path / 'out.json', '--max-drop', 1)
    assert done.code == 0, done.err
    found = json.loads((tmp_path / 'out.json').read_text())
    assert found['reference'] == 'torch' and list(found['forms']) == ['fp32', 'fp16', 'int8']
    forms = found['forms']
    assert forms['fp32']['largest'] < 1e-5 < forms['fp16']['largest'] < 0.01
    assert forms['fp32']['changed'] == forms['fp16']['changed'] == 0
    assert 'decided otherwise' in done.out and 'compared with torch' in done.out


def test_without_pytorch_the_graph_in_float32_is_the_reference(verify, monkeypatch):
    import importlib.util
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, 'find_spec',
                        lambda name, *rest: None if name == 'torch' else find(name, *rest))
    done = verify('--json', '-')
    assert json.loads(done.out)['reference'] == 'fp32'
    assert list(json.loads(done.out)['forms']) == ['fp16', 'int8']


def test_a_graph_that_differs_is_noticed(verify, tiny, monkeypatch):
    """As a wrong graph would: the head's last bias is another one in PyTorch."""
    torch = pytest.importorskip('torch')
    from skill_predictor.training import reference
    original = reference.SkillClassifier.forward
    monkeypatch.setattr(reference.SkillClassifier, 'forward',
                        lambda self, *inputs: original(self, *inputs) + torch.ones(6) * 0.2)
    done = verify('--forms', 'fp32')
    assert done.code == 1 and 'does not agree: fp32' in done.err


def test_nothing_to_verify_is_said_before_anything_is_built(cli, tmp_path, tiny):
    (tmp_path / 'empty.jsonl').write_text('\n')
    done = cli('verify', tmp_path / 'empty.jsonl', '--model', tiny.folder)
    assert done.code == 2 and 'there is no task in' in done.err and 'running' not in done.err


def test_no_engine_is_built_where_no_gpu_is_to_run_it(verify, monkeypatch):
    from skill_predictor.inference.tensorrt import cuda, engines
    monkeypatch.setattr(cuda, 'missing', lambda *_: 'there is no GPU')
    monkeypatch.setattr(engines, 'engine_file', lambda *_, **__: pytest.fail('an engine was built'))
    done = verify('--forms', 'fp32', 'tensorrt')
    assert done.code == 1 and 'verify: there is no GPU' in done.err


def test_attention_pooling_agrees_too(cli, tmp_path, monkeypatch):
    pytest.importorskip('torch')
    from skill_predictor.inference.predictor import SkillPredictor
    from skill_predictor.training.reference import TorchBackend
    from skill_predictor.inference.backends import BackendOptions, open_backend
    from tiny_model import write_tiny_model
    monkeypatch.setenv('SKILL_PREDICTOR_CACHE', str(tmp_path / 'cache'))
    made = write_tiny_model(tmp_path, pooling='attention')
    model = read_model(made.folder)
    assert model.encoders[0].pooling == 'attention'
    options = BackendOptions('fp32', 1, made.encoders)
    answers = [SkillPredictor(model, backend).predict(TEXTS) for backend in (
        open_backend('onnxruntime', model, options),
        TorchBackend.load(model, options, lambda line: None))]
    for one, other in zip(*answers):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)


def test_agreement_by_hand():
    reference = np.array([[0.9, 0.1], [0.6, 0.2]], np.float32)
    other = np.array([[0.8, 0.1], [0.4, 0.2]], np.float32)
    labels = np.array([[True, False], [True, False]])
    found = agreement(reference, other, labels, np.array([0.5, 0.5]))
    assert found.largest == pytest.approx(0.2) and found.mean == pytest.approx(0.075)
    assert (found.changed, found.exact_match, found.drop) == (1, 0.5, 0.5)
    assert found.clearly_changed == 1
    near = agreement(reference, other, labels, np.array([0.5, 0.5]), margin=0.5)
    assert (near.changed, near.clearly_changed) == (1, 0)
