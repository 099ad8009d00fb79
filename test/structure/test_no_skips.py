"""Where everything is installed, a test that is skipped is a failure, if it was asked for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]

WHOLE = "import pytest\npytest.importorskip('no_such_package')\ndef test_it(): pass\n"
LAUNCH = "import pytest\npytest.importorskip('no_such', reason='launch_ros is not on PyPI')\n"
SINGLE = """
import pytest

def test_skips_itself():
    pytest.skip('not today')

@pytest.mark.skipif(True, reason='never')
def test_is_skipped():
    pass

@pytest.mark.gpu
@pytest.mark.skipif(True, reason='pycuda does not load')
def test_needs_a_gpu():
    pass

@pytest.mark.xfail(reason='known')
def test_is_known_to_fail():
    assert False

def test_runs():
    pass
"""


@pytest.fixture
def run(tmp_path):
    """Run pytest with a file; what came of it, by name, and all that it said."""
    (tmp_path / 'pytest.ini').write_text('[pytest]\nmarkers =\n    gpu: needs a GPU\n')

    def run(text, switch):
        (tmp_path / 'test_some.py').write_text(text)
        environment = {**os.environ, 'PYTHONPATH': str(TESTS), 'SKILL_PREDICTOR_NO_SKIPS': switch}
        done = subprocess.run(
            [sys.executable, '-m', 'pytest', '-p', 'no_skips', '-p', 'no:cacheprovider', str(tmp_path)],
            capture_output=True, text=True, timeout=120, env=environment, cwd=tmp_path)
        last = done.stdout.splitlines()[-1]
        return {name: int(count) for count, name in re.findall(r'(\d+) ([a-z]+)', last)}, done
    return run


@pytest.mark.parametrize('switch', ['', '0'])
def test_without_being_asked_for_nothing_changes(run, switch):
    found, done = run(SINGLE, switch)
    assert done.returncode == 0
    assert (found['skipped'], found['passed'], found['xfailed']) == (3, 1, 1)


def test_a_skip_is_a_failure_but_for_want_of_a_gpu(run):
    found, done = run(SINGLE, '1')
    assert done.returncode == 1
    # Skipped by its mark, a test did not even begin: pytest calls that an error.
    assert (found['failed'], found['error']) == (1, 1)
    assert (found['skipped'], found['passed'], found['xfailed']) == (1, 1, 1)
    assert 'not today (SKILL_PREDICTOR_NO_SKIPS is set)' in done.stdout and 'never (' in done.stdout


def test_a_file_that_is_skipped_as_a_whole_is_a_failure(run):
    assert run(WHOLE, '')[1].returncode in (0, 5)
    found, done = run(WHOLE, '1')
    assert done.returncode not in (0, 5) and found['error'] == 1
    assert "could not import 'no_such_package'" in done.stdout


def test_but_for_want_of_launch_ros(run):
    found, done = run(LAUNCH, '1')
    assert found['skipped'] == 1 and 'error' not in found and done.returncode == 5


@pytest.mark.parametrize('machine', ['x86_64', 'aarch64'])
def test_but_for_want_of_what_is_not_made_for_this_processor(run, machine):
    text = (f"import platform\nplatform.machine = lambda: {machine!r}\n"
            "import sys\nsys.modules['tensorrt_rtx'] = None\n"
            "import pytest\npytest.importorskip('tensorrt_rtx')\n")
    found, done = run(text, '1')
    assert ('error' in found) == (machine == 'x86_64') and (done.returncode == 5) == (machine != 'x86_64')


def test_it_is_in_force_here():
    conftest = (TESTS / 'conftest.py').read_text()
    assert 'from no_skips import pytest_make_collect_report, pytest_runtest_makereport' in conftest
    assert 'export SKILL_PREDICTOR_NO_SKIPS=1' in (TESTS.parent / '.ci' / 'run').read_text()
