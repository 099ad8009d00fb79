"""``skill-predictor data curve --fine-tune``: an encoder is trained on a part of the tasks."""

from __future__ import annotations

import json

import pytest

pytest.importorskip('torch')
pytest.importorskip('peft')
pytest.importorskip('sklearn')

from small_dataset import SETTINGS, write_dataset  # noqa: E402

from skill_predictor.cli import main  # noqa: E402
from skill_predictor.training import recipe  # noqa: E402


def test_fine_tuning_learns_from_more_tasks(tiny_ensemble, tmp_path, capsys, monkeypatch):
    write_dataset(tmp_path)
    monkeypatch.setattr(recipe, 'RECIPES', tmp_path)
    (tmp_path / 'mpnet.yaml').write_text(
        'encoder: mpnet\nadapter_rank: 4\ndropout: 0\nhead_dropout: 0\n'
        + SETTINGS.replace('epochs: 12', 'epochs: 1'))
    assert main(['data', 'curve', str(tmp_path), '--sizes', '16', '--encoder', 'mpnet',
                 '--fine-tune', 'mpnet', '--epochs', '12', '--encoders', str(tiny_ensemble),
                 '--json', '-']) == 0
    points = json.loads(capsys.readouterr().out)
    assert [(point['model'], point['tasks']) for point in points] == [
        (model, size) for model in ('linear probe on mpnet', 'fine-tuned mpnet')
        for size in (16, 80)]
    tuned = [point['macro_f1'] for point in points if point['model'] == 'fine-tuned mpnet']
    assert tuned[1] > 0.9 > tuned[0]  # with the encoder as it was, 0.86 at most
