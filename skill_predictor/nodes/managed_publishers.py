"""Whether those who publish a topic are active."""

from __future__ import annotations

import threading
import time

from lifecycle_msgs.srv import GetState
from rclpy.client import Client
from rclpy.node import Node

ANSWER_S = 1.0
"""How long to wait for a node's service, and for its state."""

DISCOVERY_S = 4.0
"""So long after it was first seen a node without that service is one that is not managed. DDS repeats
an announcement that was lost after three seconds."""

_UNKNOWN = '_NODE_NAME_UNKNOWN_'  # what rmw says until it has heard of the node


class ManagedPublishers:
    """The nodes that publish a topic, and their lifecycle states.

    Parameters
    ----------
    node
        Asks; its executor must run in another thread than the one that asks.
    topic
        Full name.
    """

    def __init__(self, node: Node, topic: str) -> None:
        self._node, self._topic = node, topic
        # Kept as long as the node: Humble's executor does not bear that one goes while it answers.
        self._clients: dict[str, Client] = {}
        self._first_seen: dict[str, float] = {}

    def inactive(self) -> list[str]:
        """Full names of those that are managed and not active; blocks until they have answered.

        Who has no service for its state after :data:`DISCOVERY_S` is not managed, and not active before
        that; who does not answer within a second is not active. A publisher whose node is not known
        yet is not, either.
        """
        publishers = self._node.get_publishers_info_by_topic(self._topic)
        names = {f'{info.node_namespace.rstrip("/")}/{info.node_name}' for info in publishers}
        return [name for name in sorted(names) if not self._is_active(name)]

    def _is_active(self, name: str) -> bool:
        if name.endswith(_UNKNOWN):
            return False
        if name not in self._clients:
            self._first_seen[name] = time.monotonic()
            self._clients[name] = self._node.create_client(GetState, f'{name}/get_state')
        client, answered = self._clients[name], threading.Event()
        known = time.monotonic() - self._first_seen[name]
        if not client.wait_for_service(max(0.0, min(ANSWER_S, DISCOVERY_S - known))):
            return time.monotonic() - self._first_seen[name] >= DISCOVERY_S
        future = client.call_async(GetState.Request())
        future.add_done_callback(lambda _: answered.set())
        return answered.wait(ANSWER_S) and future.result().current_state.label == 'active'
