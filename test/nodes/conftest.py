"""Fixtures of the node tests: a domain per module, nodes that end with their test."""

from __future__ import annotations

import pytest

import ros_domains
from tiny_model import write_tiny_model

pytest.importorskip('rclpy', reason='the nodes need ROS 2 (source scripts/env.sh)')
pytest.importorskip('skill_predictor.msg', reason='the interfaces are not built (make setup)')

from harness import Client, isolation, starter  # noqa: E402


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
    number = ros_domains.reserve()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in isolation(number).items():
            patch.setenv(name, value)
        yield number


@pytest.fixture(scope='module')
def client(domain):
    """A node of the test's own, in the module's domain."""
    client = Client(domain)
    yield client
    client.close()


@pytest.fixture(scope='module')
def start_for_module(domain, tmp_path_factory):
    """Start nodes that serve the whole module."""
    yield from starter(tmp_path_factory.mktemp('logs'))


@pytest.fixture
def start(domain, tmp_path):
    """Start nodes that end with the test."""
    yield from starter(tmp_path)
