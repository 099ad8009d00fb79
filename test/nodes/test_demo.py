"""`make demo`'s main part, with the released model and real encoders."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from skill_predictor.nodes import demo

import ros_domains

pytestmark = [pytest.mark.ros, pytest.mark.model]


def run_demo(*arguments: str) -> subprocess.CompletedProcess:
    environment = {key: value for key, value in os.environ.items()
                   if key != 'SKILL_PREDICTOR_CACHE'}
    environment['ROS_DOMAIN_ID'] = str(ros_domains.reserve())
    return subprocess.run([sys.executable, '-m', 'skill_predictor.nodes.demo', *arguments],
                          capture_output=True, text=True, timeout=180, env=environment)


def test_demo_shows_every_kind_of_decision_and_ends_cleanly():
    done = run_demo()
    assert done.returncode == 0, done.stdout + done.stderr
    counts = re.search(r'(\d+) tasks in .*?(\d+) done by one robot, (\d+) by a team, '
                       r'(\d+) impossible .*?(\d+) not physical', done.stdout.replace('\n', ' '))
    assert counts, done.stdout
    tasks, robot, team, impossible, not_physical = map(int, counts.groups())
    assert tasks >= 20 and robot + team + impossible + not_physical == tasks
    assert min(robot, team, impossible, not_physical) >= 1


def test_nodes_that_have_started_end_when_another_cannot(tmp_path, monkeypatch):
    started = []

    class Recorded(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            started.append(self)
    monkeypatch.setattr(demo.subprocess, 'Popen', Recorded)
    monkeypatch.setattr(demo.tempfile, 'tempdir', str(tmp_path))
    first = tmp_path / demo.NODES[0][0]
    first.write_text('#!/bin/sh\nexec sleep 60\n')
    first.chmod(0o755)
    with pytest.raises(FileNotFoundError):
        demo.Processes(tmp_path, tmp_path, tmp_path / 'fleet.yaml')
    assert [process.returncode is not None for process in started] == [True]
    assert list(tmp_path.iterdir()) == [first], 'the logs are gone'


def test_demo_says_what_is_wrong_when_a_node_does_not_come_up(tmp_path):
    fleet = tmp_path / 'fleet.yaml'
    fleet.write_text('/**:\n  ros__parameters:\n    fleet: {r: {skills: [wheel]}}\n')
    tasks = tmp_path / 'tasks.jsonl'
    tasks.write_text(json.dumps({'id': 'a', 'text': 'Sweep the deck'}) + '\n')
    done = run_demo('--fleet', str(fleet), '--tasks', str(tasks), '--start-timeout', '8')
    assert done.returncode == 1
    assert 'demo failed' in done.stdout and 'wheels' in done.stdout
    assert 'Traceback' not in done.stdout + done.stderr
