"""The shipped dataset, with real embeddings: it passes its own check, and its card states its counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from skill_predictor.cli import main
from skill_predictor.dataset.manifest import read_splits
from skill_predictor.dataset.records import write_tasks

pytestmark = pytest.mark.model

DATA = Path(__file__).resolve().parents[2] / 'data'


def test_the_dataset_passes_its_check(capsys):
    # MiniLM, the quicker of the encoders; the figures in the card are mpnet's.
    assert main(['data', 'check', str(DATA), '--encoder', 'minilm']) == 0, capsys.readouterr().out


def test_the_card_states_the_counts(capsys):
    assert main(['data', 'stats', str(DATA), '--markdown']) == 0
    card = (DATA / 'README.md').read_text(encoding='utf-8').splitlines()
    for line in capsys.readouterr().out.splitlines():
        assert line in card


def test_pictures_are_there():
    card = (DATA / 'README.md').read_text(encoding='utf-8')
    pictures = sorted((DATA / 'figures').glob('*.png'))
    assert len(pictures) >= 5
    for picture in pictures:
        assert f'figures/{picture.name}' in card


def test_fine_tuning_learns_from_a_small_part(tmp_path, capsys):
    splits = read_splits(DATA)
    for name, size in (('train', 480), ('validation', 60), ('test', 0), ('test_domains', 0)):
        write_tasks(splits[name][:size], tmp_path / f'{name}.jsonl')
    assert main(['data', 'curve', str(tmp_path), '--sizes', '32', '--encoder', 'minilm',
                 '--fine-tune', 'minilm', '--epochs', '8', '--json', '-']) == 0
    points = json.loads(capsys.readouterr().out)
    assert [(point['model'], point['tasks']) for point in points] == [
        (model, tasks) for model in ('linear probe on minilm', 'fine-tuned minilm')
        for tasks in (32, 480)]
    tuned = [point['macro_f1'] for point in points if point['model'] == 'fine-tuned minilm']
    assert tuned[1] > max(0.5, tuned[0])
