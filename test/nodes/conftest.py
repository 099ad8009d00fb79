"""Fixtures of the node tests: a domain per module, nodes that end with their test."""

from __future__ import annotations

import pytest

import domains
from tiny_model import write_tiny_model

pytest.importorskip('rclpy', reason='the nodes need ROS 2 (source scripts/env.sh)')
pytest.importorskip('skill_predictor.msg', reason='the interfaces are not built (make setup)')

from harness import Client, NodeProcess, isolate  # noqa: E402


@pytest.fixture(scope='module')
def tiny_model(tmp_path_factory):
    """A tiny model for the module's nodes, and a cache of its own."""
    where = tmp_path_factory.mktemp('model')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('SKILL_PREDICTOR_CACHE', str(where / 'cache'))
        yield write_tiny_model(where)


@pytest.fixture(scope='module')
def domain():
    """A ROS domain that no other module uses, of this run or another."""
    number = domains.reserve()
    isolate(number)
    return number


@pytest.fixture(scope='module')
def client(domain):
    """A node of the test's own, in the module's domain."""
    client = Client(domain)
    yield client
    client.close()


@pytest.fixture(scope='module')
def start_for_module(domain, tmp_path_factory):
    """Start nodes that serve the whole module."""
    yield from _starter(tmp_path_factory.mktemp('logs'))


@pytest.fixture
def start(domain, tmp_path):
    """Start nodes that end with the test."""
    yield from _starter(tmp_path)


def _starter(folder):
    running = []

    def start(name: str, *arguments: str, **parameters: object) -> NodeProcess:
        log = folder / f'{len(running)}_{name}.log'
        running.append(NodeProcess(name, log, *arguments, **parameters))
        return running[-1]

    yield start
    for process in running:
        if process.alive:
            process.stop()
