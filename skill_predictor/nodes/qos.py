"""Quality of service of every topic, in one place (the README's table says the same).

Tasks, vectors and allocations are reliable: each matters. Vectors and allocations are kept for late
joiners (transient local): they get up to the writer's depth of old messages. That depth is also the
writer's room for a burst, so it is generous.
"""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy


def tasks(depth: int) -> QoSProfile:
    """Task descriptions: reliable, volatile. ``depth``: how many may arrive in one burst."""
    return QoSProfile(depth=depth, history=HistoryPolicy.KEEP_LAST,
                      reliability=ReliabilityPolicy.RELIABLE,
                      durability=DurabilityPolicy.VOLATILE)


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
