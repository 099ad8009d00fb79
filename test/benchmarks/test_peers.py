"""Our engines beside other ways to run the same model, with a tiny one."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tiny_model import many_texts, TEXTS

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'benchmarks'))

import peers  # noqa: E402

from skill_predictor.inference.backends import BackendOptions  # noqa: E402
from skill_predictor.inference.predictor import SkillPredictor  # noqa: E402

INT8, FP32, OPENVINO = 'skill_predictor, int8', 'skill_predictor, fp32 (ONNX Runtime)', 'OpenVINO, fp32'


def lacking(path, threads):
    """A peer whose library is not there."""
    raise ImportError('no such runtime')


def another_model(path, threads):
    return lambda text: np.full(6, 2.0, dtype=np.float32)


@pytest.fixture
def measure(shared_tiny, tmp_path, monkeypatch):
    """Measure some of the systems for a moment; the exit code and the figures."""
    tasks, figures = tmp_path / 'tasks.jsonl', tmp_path / 'peers.json'
    tasks.write_text(''.join(json.dumps({'text': text}) + '\n' for text in many_texts(20)))

    def run(systems: dict) -> tuple[int, dict]:
        monkeypatch.setattr(peers, 'SYSTEMS', systems)
        code = peers.main(['--model', str(shared_tiny.folder), '--tasks', str(tasks), '--seconds', '0.2',
                           '--threads', '1', '--json', str(figures)])
        return code, json.loads(figures.read_text())
    return run


def test_they_are_measured_side_by_side(measure, capsys):
    names = [INT8, FP32, *([OPENVINO] if importlib.util.find_spec('openvino') else [])]
    code, found = measure({**{name: peers.SYSTEMS[name] for name in names}, 'absent': lacking})
    assert code == 0 and list(found['systems']) == names
    for name, one in found['systems'].items():
        assert 0.0 < one['p50'] <= one['p90'] <= one['p99'] and one['calls'] >= 9, name
        assert 10.0 < one['memory_mb'] < 5000.0, name
    assert found['threads'] == 1 and found['model'].startswith('tiny+')
    told = capsys.readouterr()
    assert 'left out: absent (ImportError: no such runtime)' in told.err
    assert all(name in told.out for name in names)


def test_a_peer_that_runs_another_model_is_no_peer(measure):
    with pytest.raises(AssertionError, match='stranger runs another model'):
        measure({FP32: peers.SYSTEMS[FP32], 'stranger': another_model})


@pytest.mark.parametrize('name', [peers.REFERENCE, 'PyTorch, eager'])
def test_the_peers_of_pytorch_run_the_same_model(shared_tiny, name):
    """What the ratio is taken of."""
    for library in ('torch', 'transformers', 'sentence_transformers'):
        pytest.importorskip(library)
    predictor = SkillPredictor.load(shared_tiny.folder, 'onnxruntime', BackendOptions('fp32', 1))
    answer = peers.SYSTEMS[name](str(shared_tiny.folder), 1)
    for text, ours in zip(TEXTS, predictor.predict(TEXTS)):
        np.testing.assert_allclose(answer(text), ours.probabilities, atol=1e-4, err_msg=text)
    predictor.close()


def test_the_table_says_how_many_times_quicker(capsys):
    from skill_predictor.evaluation.speed.timing import summary
    peers.report({'ours': summary([0.01] * 5), peers.REFERENCE: summary([0.06] * 5)},
                 {'ours': 300.0, peers.REFERENCE: 900.0})
    ours, reference = capsys.readouterr().out.splitlines()[1:]
    assert ours.split()[-2:] == ['6.0', '300'] and reference.split()[-2:] == ['1.0', '900']
