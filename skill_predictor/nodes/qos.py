"""Quality of service of every topic and service, in one place (the README's table says the same).

Tasks, vectors and allocations are reliable: each matters. Vectors and allocations are kept for late
joiners (transient local): they get up to the writer's depth of old messages. That depth is also the
writer's room for a burst, so it is generous.

Tasks and requests are taken by an executor that is slower than a network. What exceeds a reader's depth
is overwritten by DDS without a word, so that depth is far above what a node takes on: the node refuses.
"""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

BURST = 10_000
"""Messages or requests that may arrive while the executor is at something else. (A reader of Fast DDS
holds 5000 of them and, with a greater depth, leaves the rest with the writers for so long.)"""


def tasks(depth: int = BURST) -> QoSProfile:
    """Task descriptions: reliable, volatile. ``depth``: how many may arrive in one burst."""
    return QoSProfile(depth=depth, history=HistoryPolicy.KEEP_LAST,
                      reliability=ReliabilityPolicy.RELIABLE,
                      durability=DurabilityPolicy.VOLATILE)


def services(depth: int = BURST) -> QoSProfile:
    """Requests and responses: reliable, volatile. ``depth``: how many may be on their way.

    For clients, too: each gets the responses to all clients of the service, and rclpy's default is ten.
    """
    return tasks(depth)


def results(depth: int = 1000) -> QoSProfile:
    """Skill vectors and allocations: reliable, and the last ``depth`` kept for late joiners."""
    return QoSProfile(depth=depth, history=HistoryPolicy.KEEP_LAST,
                      reliability=ReliabilityPolicy.RELIABLE,
                      durability=DurabilityPolicy.TRANSIENT_LOCAL)


def robot_states() -> QoSProfile:
    """Heartbeats: best effort, which matches robots that publish reliably and those that do not."""
    return QoSProfile(depth=1000, history=HistoryPolicy.KEEP_LAST,
                      reliability=ReliabilityPolicy.BEST_EFFORT,
                      durability=DurabilityPolicy.VOLATILE)
