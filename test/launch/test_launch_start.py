"""A launch for real: all nodes become active, and end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

import ros_domains

pytest.importorskip('launch_ros', reason='launch_ros is not on PyPI: this needs a ROS installation')
pytest.importorskip('skill_predictor.msg', reason='the interfaces are not built (make setup)')

START_TIMEOUT_S = 60.0

pytestmark = [pytest.mark.ros,
              pytest.mark.skipif(not shutil.which('ros2'), reason='ros2 is not on the PATH')]


def test_all_nodes_become_active_and_end_cleanly(shared_tiny, tmp_path):
    log = tmp_path / 'launch.log'
    with open(log, 'w') as stream:
        process = subprocess.Popen(
            ['ros2', 'launch', 'skill_predictor', 'skill_predictor.launch.py',
             'namespace:=fleet_a', 'fleet_file:=fleet_harbour', 'simulate:=true'],
            stdout=stream, stderr=subprocess.STDOUT, start_new_session=True,
            env=_environment(tmp_path), preexec_fn=_listen_to_sigint)
    names = ('skill_predictor', 'fleet_allocator', 'simulated_fleet')
    try:
        until = time.monotonic() + START_TIMEOUT_S
        while not all(f'/fleet_a/{name} is active' in log.read_text() for name in names):
            assert process.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0, log.read_text()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    said = log.read_text()
    assert said.count('process has finished cleanly') == len(names), said
    assert 'Traceback' not in said, said


def _environment(logs: Path) -> dict[str, str]:
    """A ROS domain of its own, on this machine only."""
    alone = ({'ROS_LOCALHOST_ONLY': '1'} if os.environ.get('ROS_DISTRO') == 'humble'
             else {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'})
    return {**os.environ, **alone, 'ROS_DOMAIN_ID': str(ros_domains.reserve()),
            'ROS_LOG_DIR': str(logs)}


def _listen_to_sigint() -> None:
    # Launch does not hear SIGINT when its parent ignores it, as in a shell's background job.
    signal.signal(signal.SIGINT, signal.default_int_handler)
