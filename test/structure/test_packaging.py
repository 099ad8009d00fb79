"""`pip install .` gives the ROS-free parts, with the model, to a Python that knows no ROS."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def installed(tmp_path_factory):
    """The package installed into a folder of its own; its needs come from this environment."""
    setuptools = pytest.importorskip('setuptools')
    if tuple(map(int, setuptools.__version__.split('.')[:2])) < (62, 6):
        pytest.skip('this setuptools reads no requirements from files (pyproject.toml asks for 62.6)')
    target, source = tmp_path_factory.mktemp('site'), tmp_path_factory.mktemp('source') / 'copy'
    # pip builds in the source folder and leaves its traces there.
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns('.*', 'build', '__pycache__'))
    subprocess.run(
        [sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps', '--no-build-isolation',
         '--target', str(target), str(source)], check=True, timeout=300)
    return target


def run(installed: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = {key: value for key, value in os.environ.items()
                   if key not in ('AMENT_PREFIX_PATH', 'PYTHONPATH', 'SKILL_PREDICTOR_MODEL')}
    environment['PYTHONPATH'] = str(installed)
    return subprocess.run([sys.executable, '-m', 'skill_predictor', *arguments], timeout=120,
                          capture_output=True, text=True, env=environment, cwd=installed)


def test_command_line_works_without_ros(installed):
    done = run(installed, 'info', '--json')
    assert done.returncode == 0, done.stderr
    assert str(installed) in json.dumps(json.loads(done.stdout)), 'the installed model is found'


def test_installed_package_has_no_interfaces_and_says_so(installed):
    environment = {**os.environ, 'PYTHONPATH': str(installed), 'AMENT_PREFIX_PATH': ''}
    done = subprocess.run([sys.executable, '-c', 'import skill_predictor.msg'], cwd=installed,
                          capture_output=True, text=True, env=environment)
    assert done.returncode and 'skill_predictor.msg' in done.stderr


def test_versions_agree():
    from skill_predictor import __version__
    manifest = (ROOT / 'package.xml').read_text()
    assert re.search(r'<version>(.*)</version>', manifest)[1] == __version__


def test_every_range_is_pinned_and_explained():
    for path in (ROOT / 'requirements').glob('*.txt'):
        for line in path.read_text().splitlines():
            if not line or line.startswith('#'):
                continue
            requirement, _, reason = line.partition('#')
            if path.stem == 'ros-wheels':
                continue  # one comment for the whole family
            assert re.search(r'[<=]', requirement), f'{path.name}: {line} has no upper bound'
            assert reason.strip(), f'{path.name}: {line} does not say why'
