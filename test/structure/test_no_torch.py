"""What runs on a robot runs where PyTorch and transformers cannot be imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tiny_model import TEXTS

ROOT = Path(__file__).resolve().parents[2]
REFUSED = ('torch', 'transformers', 'sentence_transformers', 'accelerate', 'peft', 'setfit')

# Read by every Python process that starts with this folder on its path.
_SITE = f"""
import importlib.util
import sys
from importlib.abc import MetaPathFinder

def refused(name):
    return name.partition('.')[0] in {REFUSED!r}

class Refuse(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if refused(name):
            raise ModuleNotFoundError(f'{{name}} is not for robots', name=name)

sys.meta_path.insert(0, Refuse())
# Who only asks is told as where they are not installed.
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if refused(name) else find_spec(name, package)
"""


@pytest.fixture
def without_torch(tmp_path, monkeypatch):
    """Environment in which those packages do not exist."""
    (tmp_path / 'sitecustomize.py').write_text(_SITE)
    path = os.pathsep.join([str(tmp_path), str(ROOT), os.environ.get('PYTHONPATH', '')])
    monkeypatch.setenv('PYTHONPATH', path)
    return tmp_path


def run(*arguments):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True,
                          timeout=120)


def test_they_are_really_out_of_reach(without_torch):
    for name in REFUSED:
        assert 'is not for robots' in run('-c', f'import {name}').stderr


def test_the_command_builds_and_predicts(without_torch, tiny):
    where = ['--model', str(tiny.folder), '--encoders', str(tiny.encoders)]
    assert run('-m', 'skill_predictor', 'prepare', *where).returncode == 0
    done = run('-m', 'skill_predictor', 'predict', *where, TEXTS[0])
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.ros
def test_the_node_serves(without_torch, tiny, monkeypatch):
    pytest.importorskip('rclpy')
    pytest.importorskip('skill_predictor.msg')
    monkeypatch.syspath_prepend(str(ROOT / 'test' / 'nodes'))
    import ros_domains
    from harness import Client, isolation, NodeProcess
    from skill_predictor.msg import TaskDescription
    from skill_predictor.srv import PredictSkills
    domain = ros_domains.reserve()
    for name, value in isolation(domain).items():
        monkeypatch.setenv(name, value)
    node = NodeProcess('skill_predictor_node', without_torch / 'node.log', model=str(tiny.folder),
                       encoders_folder=str(tiny.encoders))
    client = Client(domain)
    try:
        client.wait_for_state('skill_predictor', 'active')
        answer = client.call(PredictSkills, 'predict_skills', PredictSkills.Request(
            tasks=[TaskDescription(text=TEXTS[0])]))
        assert answer.success and len(answer.vectors) == 1
    finally:
        client.close()
        node.finish()
