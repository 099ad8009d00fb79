"""Tests are found, and those that cannot run are skipped, where only what the nodes need is installed.

As after the README's installation on a ROS host, for `colcon test`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
ABSENT = ('torch', 'transformers', 'sentence_transformers', 'accelerate', 'peft', 'setfit', 'sklearn',
          'scipy', 'matplotlib', 'jinja2', 'openai', 'aiolimiter', 'cleanlab', 'rosbags', 'mcap',
          'tensorrt', 'tensorrt_rtx', 'pycuda')

# Read by every Python process that starts with this folder on its path; as of packages that are not there.
_SITE = f"""
import sys
from importlib.abc import MetaPathFinder

class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {ABSENT!r}:
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)

sys.meta_path.insert(0, Absent())
"""


def test_every_file_is_collected(tmp_path):
    (tmp_path / 'sitecustomize.py').write_text(_SITE)
    path = os.pathsep.join([str(tmp_path), os.environ.get('PYTHONPATH', '')])
    environment = {**os.environ, 'PYTHONPATH': path, 'SKILL_PREDICTOR_NO_SKIPS': ''}
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '--collect-only', '-q', '-p', 'no:cacheprovider', str(TESTS)],
        capture_output=True, text=True, timeout=300, env=environment, cwd=TESTS.parent)
    assert done.returncode == 0, done.stdout[-3000:]
