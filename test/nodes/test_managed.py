"""The base of the nodes, in a node made to fail (in this process)."""

from __future__ import annotations

import threading

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from skill_predictor.nodes import allocator_parameters, managed, predictor_parameters
from skill_predictor.nodes.managed import ManagedNode

pytestmark = pytest.mark.ros


@pytest.fixture
def faulty(client):
    class Faulty(ManagedNode):
        fails: str = ''
        released = 0

        def _maybe(self, what):
            if self.fails == what:
                raise RuntimeError(f'{what} went wrong')

        def configure(self):
            self._maybe('configure')

        def activate(self):
            self._maybe('activate')

        def deactivate(self):
            self._maybe('deactivate')

        def release(self):
            self.released += 1
            self._maybe('release')

    node = Faulty('faulty', context=client._context)
    executor = SingleThreadedExecutor(context=client._context)
    yield node
    executor.shutdown()
    node.destroy_node()


@pytest.mark.parametrize('fails, steps, ends_in', [
    ('configure', ['configure'], 'unconfigured'),
    ('activate', ['configure', 'activate'], 'inactive'),
    ('deactivate', ['configure', 'activate', 'deactivate'], 'unconfigured'),
    ('release', ['configure', 'cleanup'], 'unconfigured')])
def test_a_failing_transition_is_logged_and_leaves_a_usable_node(
        faulty, fails, steps, ends_in):
    faulty.fails = fails
    for step in steps:
        getattr(faulty, f'trigger_{step}')()
    assert faulty.state == ends_in
    assert f'{fails} went wrong' in faulty.last_error
    faulty.fails = ''
    if ends_in == 'unconfigured':
        assert faulty.trigger_configure() is TransitionCallbackReturn.SUCCESS
    assert faulty.trigger_activate() is TransitionCallbackReturn.SUCCESS
    assert faulty.state == 'active' and not faulty.last_error


def test_kept_entities_are_destroyed_by_the_executor(faulty, client):
    """Humble's executor cannot bear that they go between its wait and its take."""
    executor = SingleThreadedExecutor(context=client._context)
    executor.add_node(faulty)
    faulty.spinning_thread = threading.Thread(target=executor.spin, daemon=True)
    faulty.spinning_thread.start()
    destroyed_by = []
    faulty.keep(lambda entity: destroyed_by.append(threading.current_thread()), object())
    ManagedNode.release(faulty)
    executor.shutdown()
    faulty.spinning_thread.join(10.0)
    assert destroyed_by == [faulty.spinning_thread]


def test_a_transition_that_owes_answers_is_waited_for(faulty):
    """Longer than for a model that loads: it drains a queue, and its callers wait."""
    ended, responses = threading.Event(), []
    faulty.deactivate = lambda: ended.wait(30.0)
    faulty.trigger_configure()
    faulty.trigger_activate()
    request = ChangeState.Request()
    request.transition.id = Transition.TRANSITION_DEACTIVATE
    faulty._change_state_aside(request, ChangeState.Response()).add_done_callback(
        lambda future: responses.append(future.result().success))
    threading.Timer(managed.LOADING_TIMEOUT_S + 0.5, ended.set).start()
    try:
        assert faulty.close() and responses == [True] and faulty.released == 1
    finally:
        ended.set()
        faulty._transitions.shutdown()


def test_a_model_that_loads_is_not_waited_for(faulty, monkeypatch):
    monkeypatch.setattr(managed, 'LOADING_TIMEOUT_S', 0.1)
    begun, ended = threading.Event(), threading.Event()
    faulty.configure = lambda: begun.set() or ended.wait(30.0)
    faulty.start()
    assert begun.wait(10.0)
    try:
        assert not faulty.close() and not faulty.released
    finally:
        ended.set()
        faulty._transitions.shutdown()


def test_the_log_has_the_traceback(faulty, capfd):
    faulty.fails = 'configure'
    faulty.trigger_configure()
    err = capfd.readouterr().err
    assert 'cannot configure: RuntimeError: configure went wrong' in err
    assert 'Traceback' in err and '_maybe' in err


@pytest.mark.parametrize('declare, periods', [
    (predictor_parameters.declare_parameters, {'diagnostics_period_s'}),
    (allocator_parameters.declare_parameters, {'diagnostics_period_s', 'tick_period_s'})],
    ids=['predictor', 'allocator'])
def test_only_what_is_read_when_the_node_is_made_is_read_only(client, declare, periods):
    node = ManagedNode('made_once', context=client._context)
    try:
        declare(node.settings)
        fixed = {name for name in node.get_parameters_by_prefix('')
                 if node.describe_parameter(name).read_only}
        assert fixed - {'start_type_description_service'} == {'autostart', *periods}
        for name, value in [('autostart', False), *((period, 2.0) for period in periods)]:
            before = node.settings[name]
            result, = node.set_parameters([Parameter(name, value=value)])
            assert not result.successful and 'read-only' in result.reason
            assert node.settings[name] == before != value
    finally:
        node.destroy_node()
