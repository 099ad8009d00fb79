"""``verify``: forms that agree, and one that does not."""

from __future__ import annotations

import json

import numpy as np
import pytest

from skill_predictor.commands import verify as commands_verify
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


@pytest.fixture
def verify_known(cli, tiny, tmp_path, monkeypatch):
    """On files of 3, 2 and no tasks that need wheels; int8 decides one of them otherwise."""
    for name, count in (('first', 3), ('second', 2), ('empty', 0)):
        write_tasks([TaskRecord(f'{name}-{index}', TEXTS[index], ('wheels',))
                     for index in range(count)], tmp_path / f'{name}.jsonl')
    wheels = {'torch': [0.9] * 5, 'fp32': [0.9] * 5, 'int8': [0.9, 0.9, 0.9, 0.9, 0.2]}
    monkeypatch.setattr(commands_verify, '_probabilities', lambda args, model, form, texts: np.array(
        [[0.1, value, 0.1, 0.1, 0.1, 0.1] for value in wheels[form]])[:len(texts)])
    monkeypatch.setattr(commands_verify.importlib.util, 'find_spec', lambda name: True)
    return lambda files, *argv: cli(
        'verify', *(tmp_path / f'{name}.jsonl' for name in files), '--model', tiny.folder,
        '--forms', 'fp32', 'int8', '--max-drop', 1, *argv)


def test_figures_of_each_file(verify_known, tmp_path):
    done = verify_known(('first', 'empty', 'second'), '--json', tmp_path / 'out.json', '--max-changed', 1)
    assert done.code == 0, done.err
    found = json.loads((tmp_path / 'out.json').read_text())
    assert (found['tasks'], found['forms']['int8']['changed']) == (5, 1)
    assert [(part['file'], part['tasks'], part['forms']['int8']['clearly_changed'])
            for part in found['by_file']] == [('first.jsonl', 3, 0), ('second.jsonl', 2, 1)]
    assert found['by_file'][1]['forms']['int8']['exact_match'] == 0.5
    header, *rows = [line.split() for line in done.out.splitlines()[2:]]
    assert 'clearly' in header
    # Form, file, tasks, largest, mean, decided otherwise, clearly, exact match.
    assert [row[:3] + row[5:] for row in rows if row[0] == 'int8'] == [
        ['int8', 'all', '5', '1', '1', '0.8000'],
        ['int8', 'first.jsonl', '3', '0', '0', '1.0000'],
        ['int8', 'second.jsonl', '2', '1', '1', '0.5000']]


def test_of_one_file_there_are_the_figures_alone(verify_known):
    done = verify_known(('first',), '--json', '-')
    assert done.code == 0 and json.loads(done.out)['by_file'] == []


def test_int8_may_not_decide_too_many_tasks_otherwise(verify_known):
    files = ('first', 'second')
    assert verify_known(files, '--max-changed', 0.2).code == 0
    done = verify_known(files, '--max-changed', 0.19)
    assert done.code == 1
    assert 'int8: 1 of 5 tasks are decided otherwise (0.2000, at most 0.19)' in done.err
    assert verify_known(files).code == 1, 'one in a hundred unless told otherwise'


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
