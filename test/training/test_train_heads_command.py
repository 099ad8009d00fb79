"""The command, from files of tasks to a model that serves."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest

from skill_predictor.cli import main

SKILL_WORDS = {'fly': 'fly', 'drive': 'wheels', 'walk': 'legs', 'swim': 'surface_water',
               'dive': 'under_water', 'take': 'hands'}


def write_tasks(path, seed=0, count=60):
    """Tasks whose label is in their words, by three writers."""
    generator = np.random.default_rng(seed)
    with open(path, 'w', encoding='utf-8') as stream:
        for number in range(count):
            words = generator.choice(list(SKILL_WORDS), 2, replace=False)
            place = generator.choice(['deck', 'dock', 'roof', 'lake', 'stairs'])
            stream.write(json.dumps({
                'text': f'{words[0]} to the {place} and {words[1]}', 'writer': f'w{number % 3}',
                'label': [SKILL_WORDS[word] for word in words]}) + '\n')
    return str(path)


@pytest.fixture
def ready(tiny_ensemble, tmp_path):
    """Small encoders in the place of the published ones, and a file of tasks."""
    for module in ('torch', 'transformers', 'sklearn', 'tqdm'):
        pytest.importorskip(module)
    return ['train-heads', '--data', write_tasks(tmp_path / 'tasks.jsonl'), '--encoders',
            str(tiny_ensemble), '--epochs', '3', '--debug', '--output']


def test_the_written_model_serves_what_was_trained(ready, tiny_ensemble, tmp_path):
    pytest.importorskip('onnx')
    pytest.importorskip('onnxruntime')
    from skill_predictor.dataset.records import read_tasks
    from skill_predictor.inference.backends import BackendOptions
    from skill_predictor.inference.predictor import SkillPredictor
    from skill_predictor.inference.tokenizer import TaskTokenizer
    from skill_predictor.inference import known_encoders
    from skill_predictor.training.corpus import read_corpus
    from skill_predictor.training.encoders import embed, load_encoder
    from skill_predictor.training.heads import fit_head, HeadRecipe
    assert main([*ready, str(tmp_path / 'my-model'), '--seed', '4']) == 0

    texts = [record.text for record in read_tasks(tmp_path / 'tasks.jsonl')]
    tokenizer = TaskTokenizer(tiny_ensemble / 'vocab.txt', 120)
    targets = read_corpus(tmp_path / 'tasks.jsonl', tokenizer).targets
    expected = []
    for known in known_encoders.KNOWN_ENCODERS:
        x = embed(texts, load_encoder(known, tiny_ensemble), tokenizer, known.token_ids)
        expected.append(fit_head(x, targets, HeadRecipe(epochs=3), 4).probabilities(x))
    predictor = SkillPredictor.load(
        tmp_path / 'my-model', options=BackendOptions('fp32', 1, tiny_ensemble))
    served = np.stack([prediction.probabilities for prediction in predictor.predict(texts)])
    # What lies between is the heads' rounding to half precision.
    np.testing.assert_allclose(served, np.mean(expected, axis=0), atol=2e-3)
    assert np.ptp(served, axis=0).max() > 0.05


def test_the_same_command_writes_the_same_model(ready, tmp_path):
    from skill_predictor.inference.store import read_model
    for folder in ('a', 'b'):
        assert main([*ready, str(tmp_path / folder), '--name', 'm']) == 0
    assert read_model(tmp_path / 'a').sha256 == read_model(tmp_path / 'b').sha256


def test_measured_figures_are_printed_and_in_the_card(ready, tmp_path, capsys):
    test = write_tasks(tmp_path / 'test.jsonl', seed=1, count=20)
    assert main([*ready, str(tmp_path / 'm'), '--cross-validate', 'writer', '--test', test]) == 0
    out = capsys.readouterr().out
    card = (tmp_path / 'm' / 'README.md').read_text(encoding='utf-8')
    for text in (out, card):
        assert 'Cross-validated over 60 tasks by 3 writers' in text
        assert 'tested on the 20 of test.jsonl' in text
        assert text.count('| **ensemble** |') == 4
    figures = [line for line in out.splitlines() if line.startswith('|')]
    assert all(line in card for line in figures)
    assert '--cross-validate writer' in card
    assert str(tmp_path / 'encoders') not in card  # of no use to others


def test_progress_and_warnings_go_to_stderr(ready, tmp_path, capsys):
    data = tmp_path / 'flying.jsonl'
    data.write_text('{"text": "fly to the roof", "label": ["fly"]}\n'
                    '{"text": "go to the lake", "label": []}\n')
    ready[2] = str(data)
    assert main([*ready, str(tmp_path / 'm'), '--test', str(data)]) == 0
    err = capsys.readouterr().err
    assert 'no task requires wheels, legs, surface_water, under_water, hands' in err
    assert '2 of the 2 test tasks are also among the training tasks' in err
    assert 'bert embeddings: 4 of 4 tasks' in err
    assert 'heads: 3 of 6 epochs' in err
    assert 'heads: 6 of 6 epochs' in err


@pytest.mark.parametrize('options, code, reason', [
    (['--cross-validate', 'author'], 2, 'choose writer, domain, or a number'),
    (['--cross-validate', 'domain'], 2, '60 tasks do not state their domain'),
    (['--test', 'absent.jsonl'], 1, 'absent.jsonl: cannot be read'),
    (['--name', 'a/b'], 1, 'cannot name a model'),
    (['--epochs', '0'], 2, 'no whole number from 1'),
    (['--seed', '-1'], 2, 'no whole number from 0'),
    (['--data', 'absent.jsonl'], 1, 'absent.jsonl: cannot be read'),
    (['--encoders', 'nowhere'], 1, 'were not found'),
])
def test_what_cannot_be_done_is_said(ready, tmp_path, capsys, options, code, reason):
    arguments = [word for word in ready if word != '--debug']
    assert main([*arguments, str(tmp_path / 'm'), *options]) == code
    assert reason in capsys.readouterr().err
    assert not (tmp_path / 'm').exists()


def test_one_task_is_too_few(ready, tmp_path, capsys):
    ready[2] = write_tasks(tmp_path / 'one.jsonl', count=1)
    ready.remove('--debug')
    assert main([*ready, str(tmp_path / 'm')]) == 2
    assert 'one task is too few' in capsys.readouterr().err


def test_an_existing_model_is_refused_before_any_work(ready, tmp_path, capsys):
    arguments = [word for word in ready if word != '--debug']
    assert main([*arguments, str(tmp_path / 'm')]) == 0
    arguments[2] = 'absent.jsonl'
    assert main([*arguments, str(tmp_path / 'm')]) == 1
    assert '--overwrite' in capsys.readouterr().err
    assert main([*ready, str(tmp_path / 'm'), '--overwrite']) == 0


@pytest.mark.parametrize('absent', ['torch', 'transformers'])
def test_without_pytorch_it_says_what_to_install(monkeypatch, capsys, absent):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, 'find_spec',
                        lambda name, *rest: None if name == absent else find(name, *rest))
    assert main(['train-heads', '--data', 'x', '--output', 'y']) == 2
    err = capsys.readouterr().err
    assert f'needs {absent}' in err or f'and {absent}' in err
    assert "pip install 'skill-predictor[train]'" in err


def test_help_comes_without_pytorch():
    code = ("import sys; from skill_predictor.cli import main; main(['train-heads', '--help']); "
            "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'numpy')))")
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert '--cross-validate' in done.stdout
