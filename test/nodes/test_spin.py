"""The executor after an error of rclpy's own; services whose callback fails. No messages are sent."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy')

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup  # noqa: E402
from skill_predictor.nodes.deferred import answer_later  # noqa: E402
from skill_predictor.nodes.main import spin, unlock  # noqa: E402

pytestmark = pytest.mark.ros


class Entity:
    """As much of a subscription as the executor marks."""

    def __init__(self, group, at_work):
        self.callback_group, self._executor_event = group, at_work


def entity(group, at_work):
    found = Entity(group, at_work)
    group.add_entity(found)
    if at_work:
        group._active_entity = found
    return found


def executor_of(*entities):
    node = SimpleNamespace(subscriptions=entities, services=(), clients=(), timers=())
    return SimpleNamespace(get_nodes=lambda: [node])


def test_a_message_that_could_not_be_taken_does_not_make_the_node_deaf():
    group = MutuallyExclusiveCallbackGroup()
    stuck, other = entity(group, True), entity(group, False)
    unlock(executor_of(stuck, other))
    assert not stuck._executor_event and group._active_entity is None
    assert group.can_execute(other)


def test_spin_goes_on_after_errors_until_it_is_ended():
    calls, ended = [], threading.Event()

    def failing():
        calls.append(1)
        if len(calls) == 3:
            ended.set()
            return
        raise RuntimeError('no such bytes')
    executor = executor_of()
    executor.spin = failing
    spin(executor, threading.Event(), ended)
    assert len(calls) == 3


def test_an_error_that_comes_again_and_again_is_not_written_each_time(capfd):
    calls, ended = [], threading.Event()

    def failing():
        calls.append(1)
        if len(calls) == 30:
            ended.set()
        raise RuntimeError('no such bytes')
    executor = executor_of()
    executor.spin = failing
    began = time.monotonic()
    spin(executor, threading.Event(), ended)
    written = capfd.readouterr().err.count('a callback failed')
    assert 1 <= written <= 1 + time.monotonic() - began, 'one a second'


def service(callback):
    sent = []
    made = SimpleNamespace(
        callback=callback, send_response=lambda response, header: sent.append(response),
        srv_type=SimpleNamespace(Response=lambda: SimpleNamespace(success=False, message='')),
        srv_name='/s')
    return made, sent


class Logger:
    def __init__(self):
        self.lines = []

    def error(self, line):
        self.lines.append(line)


def test_a_callback_that_fails_answers_nevertheless():
    def callback(request, response):
        raise ValueError('out of luck')
    made, logger = service(callback)[0], Logger()
    answer_later(made, logger)
    response = made.callback(None, None)
    assert not response.success and response.message == 'ValueError: out of luck'
    assert 'out of luck' in logger.lines[0]


def test_a_future_is_sent_when_it_is_done():
    future = Future()
    made, sent = service(lambda request, response: future)
    answer_later(made, Logger())
    made.send_response(made.callback(None, None), 'header')
    assert sent == []
    future.set_result('late')
    assert sent == ['late']


def test_a_future_that_fails_answers_nevertheless():
    future = Future()
    made, sent = service(lambda request, response: future)
    answer_later(made, Logger())
    made.send_response(made.callback(None, None), 'header')
    future.set_exception(ValueError('out of luck'))
    assert [response.message for response in sent] == ['ValueError: out of luck']
