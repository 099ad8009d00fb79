"""Whether those who publish a topic are active."""

from __future__ import annotations

import threading

from lifecycle_msgs.srv import GetState
from rclpy.node import Node

ANSWER_S = 1.0
"""How long to wait for a node's service, and for its state."""

_UNMANAGED = 'unmanaged'
_UNKNOWN = '_NODE_NAME_UNKNOWN_'  # what rmw says until it has heard of the node


def inactive_publishers(node: Node, topic: str) -> list[str]:
    """Full names of the managed nodes that publish a topic and are not active.

    Blocks until they have answered, so the node's executor must run in another thread. Who has no
    service for its state after a second is not managed; who does not answer within another is not
    active. A publisher whose node is not known yet is not, either.

    Parameters
    ----------
    node
        Asks.
    topic
        As the node would subscribe to it.
    """
    publishers = node.get_publishers_info_by_topic(node.resolve_topic_name(topic))
    names = sorted({f'{info.node_namespace.rstrip("/")}/{info.node_name}' for info in publishers})
    return [name for name in names if _state(node, name) not in ('active', _UNMANAGED)]


def _state(node: Node, name: str) -> str:
    if name.endswith(_UNKNOWN):
        return ''
    client = node.create_client(GetState, f'{name}/get_state')
    answered = threading.Event()
    try:
        if not client.wait_for_service(ANSWER_S):
            return _UNMANAGED
        future = client.call_async(GetState.Request())
        future.add_done_callback(lambda _: answered.set())
        if not answered.wait(ANSWER_S):
            client.remove_pending_request(future)
            return ''
        return future.result().current_state.label
    finally:
        node.destroy_client(client)
