"""With ``SKILL_PREDICTOR_NO_SKIPS=1`` a test that is skipped fails, as where everything is installed.

But not for want of ``launch_ros``, which is not on PyPI, of a GPU, or, on other processors than x86-64, of
TensorRT for RTX, which there is for no other.
"""

from __future__ import annotations

import os
import platform

import pytest

SWITCH = 'SKILL_PREDICTOR_NO_SKIPS'


def _judge(report, marks) -> None:
    if report.outcome != 'skipped' or hasattr(report, 'wasxfail') or os.environ.get(SWITCH) != '1':
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if 'launch_ros' in reason or 'gpu' in marks:
        return
    if 'tensorrt_rtx' in reason and platform.machine() != 'x86_64':
        return
    report.outcome = 'failed'
    report.longrepr = f'{report.nodeid}: {reason} ({SWITCH} is set)'


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector):
    """Judge a file that is skipped as a whole."""
    outcome = yield
    _judge(outcome.get_result(), ())


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Judge a single test."""
    outcome = yield
    _judge(outcome.get_result(), {mark.name for mark in item.iter_markers()})
