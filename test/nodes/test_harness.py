"""Nodes that do not end well fail the test that started them. (The nodes are small scripts here.)"""

from __future__ import annotations

import os
import signal
import sys

import harness
import pytest

pytestmark = pytest.mark.ros

NODE = f"""#!{sys.executable} -S
import signal, sys, time
signal.signal(signal.SIGINT, lambda *_: {{end}})
print('ready', flush=True)
while True:
    time.sleep(0.05)
"""
"""In Python: where SIGINT is ignored, as behind ``nohup``, a shell could not trap it."""

ENDS = {'good': 'sys.exit(0)', 'failing': 'sys.exit(3)',
        'telling': "(print('Traceback'), sys.exit(0))", 'deaf': 'None'}


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Start a script by its name; ``start.finish()`` is what the fixtures do at a test's end."""
    for name, end in ENDS.items():
        (tmp_path / name).write_text(NODE.format(end=end))
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(harness, 'executables', lambda: tmp_path)
    monkeypatch.setattr(harness, 'STOP_TIMEOUT_S', 2.0)
    nodes = harness.starter(tmp_path)
    starting, running = next(nodes), []

    def start_one(name):
        running.append(starting(name))
        running[-1].wait_for_log('ready')
        return running[-1]
    start_one.finish = lambda: next(nodes, None)
    yield start_one
    for node in running:
        node.kill()


@pytest.mark.parametrize('name, said', [
    ('failing', 'failing ended with 3'), ('telling', 'Traceback'), ('deaf', 'deaf did not end')])
def test_all_are_ended_and_who_did_not_end_well_is_named(start, name, said):
    others = [start('good'), start(name), start('good')]
    with pytest.raises(AssertionError, match=said):
        start.finish()
    assert not any(node.alive for node in others)


def test_who_died_meanwhile_is_named(start):
    node = start('good')
    os.kill(node.process.pid, signal.SIGSEGV)
    harness.wait_until(lambda: not node.alive)
    with pytest.raises(AssertionError, match='good ended with -11'):
        start.finish()


def test_an_end_that_the_test_has_seen_is_its_own_affair(start):
    start('good')
    assert start('failing').stop() == 3
    start('deaf').kill()
    died = start('failing')
    died.process.send_signal(signal.SIGINT)
    assert died.wait() == 3
    start.finish()
