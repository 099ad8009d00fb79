"""The benchmark of the node: a real node with a tiny model, every task accounted for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tiny_model import many_texts

pytest.importorskip('rclpy', reason='the nodes need ROS 2 (source scripts/env.sh)')
pytest.importorskip('skill_predictor.msg', reason='the interfaces are not built (make setup)')

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'benchmarks'))

import node  # noqa: E402

pytestmark = pytest.mark.ros


def test_every_task_is_answered_or_refused(tiny, tmp_path):
    tasks, figures = tmp_path / 'tasks.jsonl', tmp_path / 'node.json'
    tasks.write_text(''.join(json.dumps({'text': text}) + '\n' for text in many_texts(50)))
    done = subprocess.run(
        [sys.executable, str(ROOT / 'benchmarks' / 'node.py'), '--calls', '5', '--seconds', '1',
         '--model', str(tiny.folder), '--tasks', str(tasks), '--json', str(figures)],
        capture_output=True, text=True, timeout=200, env=dict(os.environ))
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(figures.read_text())
    assert [load['share'] for load in found['loads']] == [0.5, 0.8, 1.2]
    for load in found['loads']:
        assert load['sent'] == load['answered'] + load['refused'] and load['lost'] == 0, load
        assert load['answered'] > 0 <= load['refused'], load
    assert found['calls']['round_trip']['calls'] == 5
    assert found['calls']['round_trip']['p50'] > found['calls']['overhead']['p50'] > 0.0
    assert found['start_up_s']['cold'] > 0.0 and found['capacity_tasks_per_s'] > 0.0
    assert 'LOST' not in done.stderr and '120%' in done.stdout


class Nobody:
    """Stands for the node and for its client."""

    log = 'it said this'

    def __init__(self, *_, **__):
        pass

    def stop(self):
        pass

    close = stop

    def wait_for_state(self, *_):
        raise AssertionError('no service')


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Run the script with figures as if measured: what of each load was answered and refused."""
    timing = {'p50': 1.0, 'p99': 2.0}
    monkeypatch.setattr(node.ros_domains, 'reserve', lambda: 1)
    for name in ('Client', 'NodeProcess', 'Refusals'):
        monkeypatch.setattr(node, name, Nobody)
    for name, value in (
            ('isolation', {}), ('start_ups', {'cold': 2.0, 'warm': 1.0}), ('until_active', None),
            ('single_calls', dict.fromkeys(('round_trip', 'overhead', 'empty_service'), timing)),
            ('burst', 100.0)):
        monkeypatch.setattr(node, name, lambda *_, value=value: value)

    def run(answered: dict[float, int], refused: int) -> tuple[int, dict]:
        monkeypatch.setattr(node, 'open_loop', lambda client, texts, share, *_: {
            'share': share, 'rate_per_s': 100.0, 'sent': 100, 'answered': answered[share],
            'refused': refused, 'lost': 100 - answered[share] - refused, 'latency': timing,
            'sent_late': timing})
        code = node.main(['--json', str(tmp_path / 'node.json')])
        return code, json.loads((tmp_path / 'node.json').read_text())
    return run


def test_a_lost_task_is_a_failure_that_is_told(measured, capsys):
    code, found = measured({0.5: 98, 0.8: 98, 1.2: 95}, refused=2)
    assert code == 1
    told = capsys.readouterr().err
    assert told.count('LOST') == 1
    assert 'LOST at 120%: 100 sent, 95 answered, 2 refused: 3 lost' in told
    assert [load['lost'] for load in found['loads']] == [0, 0, 3], 'the figures are kept all the same'


def test_nothing_lost_is_no_failure(measured, capsys):
    code, _ = measured({0.5: 98, 0.8: 98, 1.2: 98}, refused=2)
    assert code == 0 and 'LOST' not in capsys.readouterr().err


def test_a_node_that_does_not_start_is_shown():
    with pytest.raises(SystemExit, match=r'not become active \(no service\); it said:\nit said this'):
        node.until_active(Nobody(), Nobody())
