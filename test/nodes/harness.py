"""Real nodes in processes of their own, and a client node in the test's process."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile

TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0
TRANSITIONS = {
    'configure': Transition.TRANSITION_CONFIGURE, 'activate': Transition.TRANSITION_ACTIVATE,
    'deactivate': Transition.TRANSITION_DEACTIVATE, 'cleanup': Transition.TRANSITION_CLEANUP}


def executables() -> Path | None:
    """Folder of the built nodes, from the sourced overlay."""
    for prefix in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep):
        folder = Path(prefix) / 'lib' / 'skill_predictor'
        if folder.is_dir():
            return folder
    return None


def isolation(domain_id: int) -> dict[str, str]:
    """Environment of processes that keep to themselves: own domain, this machine only."""
    alone = {'ROS_LOCALHOST_ONLY': '1'} if os.environ.get('ROS_DISTRO') == 'humble' else {
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}
    return {'ROS_DOMAIN_ID': str(domain_id), **alone}


class NodeProcess:
    """One of the package's nodes, running.

    Attributes
    ----------
    end_seen : bool
        Whether the test has brought about the node's end, or waited for it, and so judges it itself.
    """

    def __init__(self, name: str, log: Path, *arguments: str, **parameters: object) -> None:
        self.name = name
        self._log = log
        command = [str(executables() / name), '--ros-args', *arguments]
        for key, value in parameters.items():
            command += ['-p', f'{key}:={_as_yaml(value)}']
        with open(log, 'w') as stream:
            self.process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)
        self.end_seen = False

    @property
    def log(self) -> str:
        """Everything that the node has said."""
        return self._log.read_text(errors='replace')

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def wait_for_log(self, text: str, timeout_s: float = TIMEOUT_S) -> None:
        """Wait until the node says something; an AssertionError shows what it said instead."""
        wait_until(lambda: text in self.log or not self.alive, timeout_s)
        assert text in self.log, f'{self.name} never said {text!r}:\n{self.log}'

    def stop(self, number: int = signal.SIGINT, timeout_s: float | None = None) -> int:
        """Signal the node; returns its exit code."""
        if self.alive:
            self.process.send_signal(number)
        return self.wait(timeout_s or STOP_TIMEOUT_S)

    def wait(self, timeout_s: float = 60.0) -> int:
        """Wait until the node ends; returns its exit code."""
        self.end_seen = True
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f'{self.name} did not end:\n{self.log}') from None

    def kill(self) -> None:
        """End the node without asking it."""
        self.end_seen = True
        self.process.kill()
        self.process.wait()

    def finish(self) -> None:
        """Stop the node if it is alive; an AssertionError when it did not end well, unseen by the test."""
        if self.end_seen:
            return
        code = self.stop()
        assert code == 0 and 'Traceback' not in self.log, (
            f'{self.name} ended with {code}:\n{self.log}')


def starter(folder: Path) -> Iterator[Callable[..., NodeProcess]]:
    """Yield what starts nodes, as :class:`NodeProcess` does, with logs in a folder; then finish them all."""
    running: list[NodeProcess] = []

    def start(name: str, *arguments: str, **parameters: object) -> NodeProcess:
        log = folder / f'{len(running)}_{name}.log'
        running.append(NodeProcess(name, log, *arguments, **parameters))
        return running[-1]

    yield start
    troubles = []
    for process in running:
        try:
            process.finish()
        except AssertionError as error:  # the others end all the same
            troubles.append(str(error))
    assert not troubles, '\n\n'.join(troubles)


class Diagnostics:
    """What one node says about itself on ``/diagnostics``, from now on.

    Attributes
    ----------
    statuses : list of DiagnosticStatus
        All of them, in order.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.statuses: list[DiagnosticStatus] = []

    def hear(self, array: DiagnosticArray) -> None:
        self.statuses += [status for status in array.status if status.name == self._name]

    @property
    def messages(self) -> list[str]:
        return [status.message for status in self.statuses]

    @property
    def values(self) -> dict[str, str]:
        """Values of the latest status; empty before there is one."""
        return {pair.key: pair.value for pair in self.statuses[-1].values} if self.statuses else {}


class Client:
    """A node of the test's own."""

    def __init__(self, domain_id: int) -> None:
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain_id)
        self.node = Node('test_client', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._clients: dict[str, object] = {}

    def close(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()

    def spin_until(self, condition: Callable[[], object], timeout_s: float = TIMEOUT_S) -> bool:
        """Handle what arrives until a condition holds; whether it did."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            left = deadline - time.monotonic()
            if left < 0.0:
                return False
            self._executor.spin_once(timeout_sec=min(0.05, left))
        return True

    def spin(self, seconds: float) -> None:
        self.spin_until(lambda: False, seconds)

    def call(self, kind, name: str, request=None, timeout_s: float = TIMEOUT_S):
        """Call a service and return its response."""
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, name)
        client = self._clients[name]
        assert client.wait_for_service(timeout_s), f'no service {name}'
        future = client.call_async(request or kind.Request())
        assert self.spin_until(future.done, timeout_s), f'{name} did not answer'
        return future.result()

    def call_at_once(self, kind, name: str, requests: list) -> list:
        """Call a service many times without waiting for a response; the responses, in order.

        The first is made once more before the others, so that the node has found the client.
        """
        client = self.node.create_client(kind, name, qos_profile=QoSProfile(depth=1000))
        try:
            assert client.wait_for_service(TIMEOUT_S), f'no service {name}'
            first = client.call_async(requests[0])
            assert self.spin_until(first.done), f'{name} did not answer'
            futures = [client.call_async(request) for request in requests]
            self.spin_until(lambda: all(future.done() for future in futures))
            return [future.result() for future in futures if future.done()]
        finally:
            self.node.destroy_client(client)

    def call_until_known(self, kind, name: str, request, missing: str):
        """Call until the node that answers has found the service that it asks itself."""
        found = []

        def answered() -> bool:
            found.append(self.call(kind, name, request))
            return missing not in found[-1].message
        assert self.spin_until(answered), found[-1].message
        return found[-1]

    def collect(self, kind, topic: str, qos) -> list:
        """A list that grows with what arrives on a topic."""
        messages: list = []
        self.node.create_subscription(kind, topic, messages.append, qos)
        return messages

    def diagnostics(self, name: str) -> Diagnostics:
        """What a node (its full name, without the leading slash) says from now on."""
        found = Diagnostics(name)
        self.node.create_subscription(DiagnosticArray, '/diagnostics', found.hear, 10)
        return found

    def connected(self, publisher) -> None:
        """Wait until somebody listens to a publisher."""
        assert self.spin_until(lambda: publisher.get_subscription_count() > 0), publisher.topic

    def state(self, node: str, timeout_s: float = TIMEOUT_S) -> str:
        """Label of a node's lifecycle state."""
        deadline = time.monotonic() + timeout_s
        while True:  # a response to a client that the server has not found yet is lost
            try:
                return self.call(GetState, f'/{node}/get_state', timeout_s=min(5.0, timeout_s)
                                 ).current_state.label
            except AssertionError:
                if time.monotonic() > deadline:
                    raise

    def wait_for_state(self, node: str, label: str, timeout_s: float = TIMEOUT_S) -> None:
        deadline = time.monotonic() + timeout_s
        while (found := self.state(node)) != label:
            assert time.monotonic() < deadline, f'{node} is {found}, not {label}'
            self.spin(0.05)

    def change(self, node: str, transition: str) -> bool:
        """Ask a node for a transition; whether it succeeded."""
        request = ChangeState.Request()
        request.transition.id = TRANSITIONS[transition]
        return self.call(ChangeState, f'/{node}/change_state', request).success

    def set_parameter(self, node: str, name: str, value: bool | float | int | str):
        """Set a parameter; the result has ``successful`` and ``reason``."""
        kind, field = {bool: (ParameterType.PARAMETER_BOOL, 'bool_value'),
                       float: (ParameterType.PARAMETER_DOUBLE, 'double_value'),
                       int: (ParameterType.PARAMETER_INTEGER, 'integer_value'),
                       str: (ParameterType.PARAMETER_STRING, 'string_value')}[type(value)]
        parameter = Parameter(name=name, value=ParameterValue(type=kind, **{field: value}))
        return self.call(SetParameters, f'/{node}/set_parameters',
                         SetParameters.Request(parameters=[parameter])).results[0]


def wait_until(condition: Callable[[], bool], timeout_s: float = TIMEOUT_S) -> None:
    """Poll a condition that needs no spinning."""
    deadline = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)


def _as_yaml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return '[' + ', '.join(map(_as_yaml, value)) + ']'
    return f"'{value}'" if isinstance(value, str) else str(value)
