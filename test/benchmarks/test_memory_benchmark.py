"""Memory before, during and after many tasks."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tiny_model import TEXTS

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'benchmarks'))

import memory  # noqa: E402


def test_tasks_go_through_the_predictor(tiny, tmp_path, capsys):
    tasks, figures = tmp_path / 'tasks.jsonl', tmp_path / 'memory.json'
    tasks.write_text(''.join(json.dumps({'text': text}) + '\n' for text in TEXTS))
    assert memory.main(['--model', str(tiny.folder), '--backend', 'onnxruntime', '--tasks', str(tasks),
                        '--count', '100', '--json', str(figures)]) == 0
    found = json.loads(figures.read_text())
    assert [note['tasks'] for note in found['notes']] == list(range(0, 101, 10))
    assert all(note['available_mb'] > 0 and note['process_mb'] > 0 for note in found['notes'])
    assert found['engine'] == 'onnxruntime' and found['trouble'] == ''
    assert 'from first to last: available' in capsys.readouterr().out


@pytest.mark.parametrize('count', [1, 37, 1000])
def test_so_many_tasks_are_run_as_were_asked_for(count):
    ran = []
    notes = memory.watch(ran.append, ['a', 'b', 'c'], count)
    assert sum(map(len, ran)) == memory.WARM_UP + count
    assert notes[0]['tasks'] == 0 and notes[-1]['tasks'] == count and len(notes) == 11
    if count == 1000:
        assert {len(texts) for texts in ran} >= set(memory.TOGETHER)


def test_a_leak_shows():
    kept = []
    leaking = memory.watch(lambda texts: kept.append(b'\1' * 100_000 * len(texts)), ['a'], 1000)
    assert leaking[-1]['process_mb'] - leaking[0]['process_mb'] > 80.0
    kept.clear()
    sound = memory.watch(lambda texts: b'\1' * 100_000 * len(texts), ['a'], 1000)
    assert sound[-1]['process_mb'] - sound[0]['process_mb'] < 20.0


def test_an_engine_that_gave_way_is_told(tiny, tmp_path, monkeypatch, capsys):
    from skill_predictor.inference.predictor import SkillPredictor
    load = SkillPredictor.load

    def failed(*arguments):
        predictor = load(tiny.folder, 'onnxruntime')
        predictor.backend.trouble = 'tensorrt failed: no answer'
        return predictor
    monkeypatch.setattr(memory.SkillPredictor, 'load', failed)
    tasks = tmp_path / 'tasks.jsonl'
    tasks.write_text('{"text": "x"}\n')
    assert memory.main(['--tasks', str(tasks), '--count', '10']) == 1
    assert 'tensorrt failed: no answer' in capsys.readouterr().err
