"""The shipped dataset, with real embeddings: it passes its own check, and its card states its counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from skill_predictor.cli import main

pytestmark = pytest.mark.model

DATA = Path(__file__).resolve().parents[2] / 'data'


def test_the_dataset_passes_its_check(capsys):
    # MiniLM, the quicker of the encoders; the figures in the card are mpnet's.
    assert main(['data', 'check', str(DATA), '--encoder', 'minilm']) == 0, capsys.readouterr().out


def test_the_card_states_the_counts(capsys):
    assert main(['data', 'stats', str(DATA), '--markdown']) == 0
    card = (DATA / 'README.md').read_text(encoding='utf-8').splitlines()
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith('|') for line in lines) > 10
    for line in lines:
        assert line in card


def test_pictures_are_there():
    card = (DATA / 'README.md').read_text(encoding='utf-8')
    pictures = sorted((DATA / 'figures').glob('*.png'))
    assert len(pictures) >= 5
    for picture in pictures:
        assert f'figures/{picture.name}' in card
