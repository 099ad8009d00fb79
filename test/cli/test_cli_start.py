"""How the command starts: from the overlay, and when Ctrl-C comes early."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def set_up(tmp_path):
    """A folder that looks set up, with links of its one module."""
    for folder in ('scripts', 'skill_predictor', '.venv/bin', '.overlay/install',
                   '.overlay/src/skill_predictor/skill_predictor'):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(ROOT / 'scripts' / 'env.sh', tmp_path / 'scripts')
    (tmp_path / '.venv/bin/python3').symlink_to(sys.executable)
    (tmp_path / '.overlay/install/local_setup.sh').write_text('ready=yes\n')
    (tmp_path / 'skill_predictor' / 'one.py').touch()
    (tmp_path / '.overlay/src/skill_predictor/skill_predictor/one.py').symlink_to(
        tmp_path / 'skill_predictor' / 'one.py')
    return tmp_path


@pytest.mark.parametrize('shell', ('bash', 'sh'))
@pytest.mark.parametrize('change', (None, 'added', 'removed'))
def test_the_environment_says_when_its_links_are_old(set_up, shell, change):
    if change == 'added':
        (set_up / 'skill_predictor' / 'two.py').touch()
    if change == 'removed':
        (set_up / 'skill_predictor' / 'one.py').unlink()
    done = subprocess.run([shell, '-c', '. scripts/env.sh; echo "$ready${_sp_links-}${_sp_root-}"'],
                          cwd=set_up, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, 'yes\n')
    assert ("run 'make setup'" in done.stderr) == (change is not None), done.stderr


@pytest.mark.parametrize('start', (['-m', 'skill_predictor'], [str(ROOT / 'scripts' / 'skill-predictor')]))
def test_an_interrupt_while_it_loads_is_quiet(tmp_path, environment, start):
    """As if Ctrl-C came when argparse, which the command imports first, was read."""
    (tmp_path / 'argparse.py').write_text('raise KeyboardInterrupt\n')
    done = subprocess.run([sys.executable, *start, 'info'], capture_output=True, text=True, env={
        **environment, 'PYTHONPATH': f'{tmp_path}:{environment["PYTHONPATH"]}'})
    assert (done.returncode, done.stdout, done.stderr) == (130, '', '')


def test_the_entry_point_imports_no_command_before_it_can_hear_ctrl_c(environment):
    code = ('import sys, skill_predictor.cli; '
            'print([name for name in sys.modules if name.startswith("skill_predictor.")])')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, env=environment)
    assert done.stdout == "['skill_predictor.cli']\n", done.stderr
