"""``skill-predictor train``: from a dataset's folder to a model that serves what was trained."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('torch')
pytest.importorskip('peft')

from safetensors.numpy import load_file, save_file  # noqa: E402

from small_dataset import SETTINGS, tasks, write_dataset  # noqa: E402

from skill_predictor.cli import main  # noqa: E402
from skill_predictor.commands import train  # noqa: E402
from skill_predictor.dataset.records import TaskRecord, write_tasks  # noqa: E402
from skill_predictor.inference.store import read_model  # noqa: E402
from skill_predictor.training.calibration import fit_calibration, scaled  # noqa: E402
from skill_predictor.training.runs import read_run, RunError  # noqa: E402


@pytest.fixture
def ready(tiny_ensemble, tmp_path, monkeypatch):
    """The command but for its output, with a small dataset and a recipe for each small encoder."""
    monkeypatch.chdir(tmp_path)  # where runs are kept
    write_dataset(tmp_path)
    (tmp_path / 'mpnet.yaml').write_text('encoder: mpnet\nadapter_rank: 4\n' + SETTINGS)
    (tmp_path / 'bert.yaml').write_text('encoder: bert\n' + SETTINGS)
    return ['train', str(tmp_path), '--recipes', str(tmp_path / 'mpnet.yaml'),
            str(tmp_path / 'bert.yaml'), '--encoders', str(tiny_ensemble), '--output']


@pytest.mark.parametrize('pooling', ['mean', 'attention'])
def test_the_written_model_serves_what_was_trained(ready, tiny_ensemble, tmp_path, capsys, pooling):
    from skill_predictor.inference.backends import BackendOptions
    from skill_predictor.inference.predictor import SkillPredictor
    assert main([*ready, str(tmp_path / 'my-model'), '--set', f'pooling={pooling}']) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].startswith('wrote my-model+')
    assert 'bert: after epoch 12 of 12, validation: exact match' in err

    runs = [read_run(tmp_path / 'runs' / 'my-model' / name) for name in ('mpnet', 'bert')]
    labelled = list(tasks('validation', 30, 1))
    targets = np.array([[skill in task.label for skill in read_model(tmp_path / 'my-model').skills]
                        for task in labelled])
    chosen = fit_calibration([run.predictions['validation'] for run in runs], targets)
    expected = sum(weight * scaled(run.predictions['validation'], temperature)
                   for run, temperature, weight in zip(runs, chosen.temperatures, chosen.weights))
    predictor = SkillPredictor.load(
        tmp_path / 'my-model', options=BackendOptions('fp32', 1, tiny_ensemble))
    served = np.stack([prediction.probabilities for prediction
                       in predictor.predict([task.text for task in labelled])])
    # What lies between is the rounding to half precision.
    np.testing.assert_allclose(served, expected, atol=5e-3)
    assert np.ptp(served, axis=0).max() > 0.05

    examples = read_model(tmp_path / 'my-model').examples  # by which the predictor's engine was checked
    assert len(examples) >= 5 and np.ptp([example.probabilities for example in examples], axis=0).max() > 0.01
    assert read_model(tmp_path / 'my-model').data_sha256 == runs[0].data_sha256 and 'train' in runs[0].data_sha256
    card = (tmp_path / 'my-model' / 'README.md').read_text()
    assert all(line in card for line in out.splitlines() if line.startswith('|'))
    assert 'top 2 layers, by adapters of rank 4' in card and str(tiny_ensemble) not in card
    for said in ('## Intended use', '## Limits', 'processor threads', 'on 80 tasks', '| **ensemble**'):
        assert said in card


def test_a_mistyped_task_is_predicted_as_the_model_reads_it(ready, tmp_path, capsys):
    """From the words of the training tasks; a recipe may go without."""
    meant = list(tasks('test', 20, 2))
    mistyped = [replace(task, text=task.text.replace('stairs', 'sairs').replace('swim', 'swiim')) for task in meant]
    assert mistyped != meant
    predictions = {}
    for name, settings in (('reads', []), ('plain', ['--set', 'correct_spelling=false'])):
        for part in (meant, mistyped):
            write_tasks(part, tmp_path / 'test.jsonl')
            assert main([*ready, str(tmp_path / name), '--overwrite', *settings]) == 0
            predictions.setdefault(name, []).append(
                read_run(tmp_path / 'runs' / name / 'bert').predictions['test'])
    words, = (tmp_path / 'reads').glob('words.txt')
    assert read_model(tmp_path / 'reads').words == words and 'stairs ' in words.read_text()
    assert read_model(tmp_path / 'plain').words is None
    assert main([*ready, str(tmp_path / 'reads'), '--overwrite', '--set', 'correct_spelling=false']) == 0
    assert read_model(tmp_path / 'reads').words is None, 'the same run, read otherwise'
    assert not read_run(tmp_path / 'runs' / 'reads' / 'bert').recipe.correct_spelling
    np.testing.assert_array_equal(*predictions['reads'])
    np.testing.assert_array_equal(predictions['reads'][0], predictions['plain'][0])
    assert (predictions['plain'][0] != predictions['plain'][1]).any()
    assert main([*ready, str(tmp_path / 'reads'), '--overwrite']) == 0
    cards = {name: (tmp_path / name / 'README.md').read_text() for name in predictions}
    assert 'one typing error away' in cards['reads'] and 'one typing error away' not in cards['plain']


def test_what_mending_needs_is_missed_before_training(ready, tmp_path, capsys, monkeypatch):
    find_spec = train.importlib.util.find_spec
    monkeypatch.setattr(train.importlib.util, 'find_spec',
                        lambda name: None if name == 'spellchecker' else find_spec(name))
    assert main([*ready, str(tmp_path / 'model')]) == 2
    assert 'training needs spellchecker: ' in capsys.readouterr().err
    assert not (tmp_path / 'runs').exists()


def test_what_is_trained_already_is_not_trained_again(ready, tmp_path, capsys):
    assert main([*ready, str(tmp_path / 'first')]) == 0
    (tmp_path / 'runs' / 'first' / 'bert' / 'trained.safetensors').unlink()
    capsys.readouterr()
    again = [*ready, str(tmp_path / 'first'), '--overwrite']
    before = read_model(tmp_path / 'first').sha256
    assert main(again) == 0
    assert 'mpnet: after' not in capsys.readouterr().err
    assert read_model(tmp_path / 'first').sha256 == before, 'the same seed, the same model'
    assert main([*again, '--seed', '1']) == 2
    assert 'holds a run with another seed' in capsys.readouterr().err


def test_other_test_tasks_are_predicted_without_training(ready, tmp_path, capsys):
    assert main([*ready, str(tmp_path / 'first')]) == 0
    before = read_run(tmp_path / 'runs' / 'first' / 'bert').predictions['test']
    write_tasks(tasks('test', 25, 9), tmp_path / 'test.jsonl')
    (tmp_path / 'runs' / 'first' / 'mpnet' / 'predictions.npz').unlink()  # stopped before them
    capsys.readouterr()
    assert main([*ready, str(tmp_path / 'first'), '--overwrite']) == 0
    assert 'after epoch' not in capsys.readouterr().err
    for name in ('mpnet', 'bert'):
        assert len(read_run(tmp_path / 'runs' / 'first' / name).predictions['test']) == 25
    assert len(before) == 20
    write_tasks(tasks('train', 81, 0), tmp_path / 'train.jsonl')
    assert main([*ready, str(tmp_path / 'first'), '--overwrite']) == 2
    assert 'another data_sha256' in capsys.readouterr().err


def test_predictions_are_those_of_the_weights(ready, tmp_path, capsys):
    assert main([*ready, str(tmp_path / 'first')]) == 0
    folder = tmp_path / 'runs' / 'first' / 'bert'
    before = read_run(folder).predictions['test']
    weights = load_file(folder / 'trained.safetensors')
    weights['head.1.bias'] = weights['head.1.bias'] + 5  # as another machine may have trained it
    save_file(weights, folder / 'trained.safetensors')
    assert main([*ready, str(tmp_path / 'first'), '--overwrite']) == 0
    assert (read_run(folder).predictions['test'] - before).min() > 0


def test_a_test_set_that_training_has_seen_is_refused(ready, tmp_path, capsys):
    (tmp_path / 'test_mine.jsonl').write_text(
        (tmp_path / 'train.jsonl').read_text().splitlines()[0].replace('train-', 'mine-') + '\n')
    assert main([*ready, str(tmp_path / 'm')]) == 1
    err = capsys.readouterr().err
    assert 'mine-0 (test_mine) has the text of train-0' in err and 'after epoch' not in err


def test_distractors_that_are_no_text_are_named(ready, tmp_path, capsys):
    (tmp_path / 'distractors.txt').write_bytes('Café.'.encode('latin-1'))
    assert main([*ready, str(tmp_path / 'm')]) == 1
    assert 'distractors.txt, line 1: is not UTF-8' in capsys.readouterr().err


def test_a_large_model_is_pointed_out(ready, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr('skill_predictor.commands.train.MOST_MEGABYTES', 0.001)
    assert main([*ready, str(tmp_path / 'm'), '--set', 'epochs=1']) == 0
    assert 'MB; git is for models of up to 0.001 MB' in capsys.readouterr().out


def test_a_text_that_cannot_be_read_is_found_before_the_training(ready, tmp_path, capsys):
    write_tasks([*tasks('test', 4, 9), TaskRecord('odd', 'подмети палубу', ())],
                tmp_path / 'test.jsonl')
    assert main([*ready, str(tmp_path / 'm')]) == 2
    err = capsys.readouterr().err
    assert 'test, task 5: ' in err and 'not Latin' in err and 'after epoch' not in err


def test_distractors_belong_to_a_run(ready, tmp_path, capsys):
    few = [*ready, str(tmp_path / 'm'), '--set', 'epochs=1', 'distractor=0.5']
    (tmp_path / 'distractors.txt').write_text('It is sunny.\n')
    assert main(few) == 0
    (tmp_path / 'distractors.txt').write_text('It is raining.\n')
    assert main([*few, '--overwrite']) == 2
    assert 'another data_sha256' in capsys.readouterr().err
    (tmp_path / 'distractors.txt').unlink()
    with pytest.warns(UserWarning, match='has no distractors.txt'):
        assert main([*few, '--name', 'without', '--overwrite']) == 0
    assert '| distractor |' not in (tmp_path / 'm' / 'README.md').read_text()


DRIVER = """\
import importlib.util
import sys
from pathlib import Path
sys.path[:0] = {path!r}
spec = importlib.util.spec_from_file_location('tiny_encoders', {conftest!r})
conftest = sys.modules['tiny_encoders'] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(conftest)
folder = Path({encoders!r})
from skill_predictor.inference import known_encoders
from skill_predictor.inference.store import BaseWeights, sha256_file
known = []
for family in ('mpnet', 'bert'):
    tiny = conftest._tiny(family)
    path = folder / family / 'model.safetensors'
    known.append(known_encoders.KnownEncoder(
        family, BaseWeights(f'tiny/{{family}}', 'r', path.name, sha256_file(path)),
        tiny.architecture, tiny.token_ids))
known_encoders.KNOWN_ENCODERS = tuple(known)
known_encoders.MAX_TOKENS = 120
known_encoders.VOCABULARY = BaseWeights(
    'tiny/bert', 'r', 'vocab.txt', sha256_file(folder / 'vocab.txt'))
from skill_predictor.cli import main
sys.exit(main({command!r}))
"""


def test_two_processes_train_together(ready, tiny_ensemble, tmp_path):
    """As `accelerate launch` starts them on GPUs; R-Drop, which runs the network twice, included."""
    driver = tmp_path / 'driver.py'
    driver.write_text(DRIVER.format(
        path=[entry for entry in sys.path if entry], encoders=str(tiny_ensemble),
        conftest=str(Path(__file__).with_name('conftest.py')), command=[
            *ready, str(tmp_path / 'm'), '--set', 'epochs=2', 'consistency=1.0']))
    done = subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node', '2',
         str(driver)], capture_output=True, text=True, timeout=240, cwd=tmp_path,
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'ACCELERATE_USE_CPU': 'true'})
    assert done.returncode == 0, done.stderr[:6000]
    assert read_model(tmp_path / 'm').name == 'm'
    run = read_run(tmp_path / 'runs' / 'm' / 'bert')
    assert len(run.history) == 2 and run.predictions['test'].shape == (20, 6)
    assert json.loads((run.folder / 'run.json').read_text())['processes'] == 2
    assert done.stdout.count('wrote m+') == 1


def test_wrong_usage_is_found_before_any_work(ready, tmp_path, capsys):
    output = str(tmp_path / 'm')
    for options, said in (
            (['--recipes', 'mpnet', 'paper-mpnet'], 'one for each encoder'),
            (['--set', 'epoch=2'], 'did you mean epochs'),
            (['--recipes', 'nothing'], 'cannot read the recipe'),
            (['--recipes', 'paper-mpnet', str(tmp_path / 'bert.yaml')], 'differ in correct_spelling'),
            (['--name', '../m'], 'cannot name a model')):
        assert main([*ready, output, *options]) in (1, 2)
        assert said in capsys.readouterr().err
    (tmp_path / 'train.jsonl').unlink()
    assert main([*ready, output]) == 1
    assert 'train.jsonl' in capsys.readouterr().err
    assert not (tmp_path / 'runs').exists()


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(RunError, match='holds no finished run'):
        read_run(tmp_path)
    (tmp_path / 'run.json').write_text(json.dumps({'recipe': {'encoder': 'mpnet'}}))
    with pytest.raises(RunError, match='train it first'):
        read_run(tmp_path)


@pytest.mark.parametrize('package', ['torch', 'transformers', 'peft', 'sklearn'])
def test_a_missing_package_is_said_at_once(ready, tmp_path, capsys, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    assert main([*ready, str(tmp_path / 'm')]) in (1, 2)
    assert 'pip install -r requirements/' in capsys.readouterr().err
    assert not (tmp_path / 'runs').exists()
