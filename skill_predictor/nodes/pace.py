"""Waiting by a node's clock, which may be simulated: stand still, run, or start again."""

from __future__ import annotations

import threading
import time

from rclpy.node import Node

POLL_S = 0.01
"""How often those who wait look again."""
TELL_EVERY_S = 10.0


class Pace:
    """Points in time, one after the other.

    Parameters
    ----------
    node
        Whose clock counts.
    stop
        Ends every waiting.
    """

    def __init__(self, node: Node, stop: threading.Event) -> None:
        self._node, self._stop = node, stop
        self._due_ns = self._seen_ns = self._now()

    def wait(self, pause_ns: int) -> None:
        """Until so much time has passed since the last point; not at all when that is over."""
        self._due_ns += pause_ns
        simulated = self._node.get_parameter('use_sim_time').value
        told = time.monotonic()
        while not self._stop.is_set():
            now_ns, before_ns = self._now(), self._seen_ns
            self._seen_ns = now_ns
            if now_ns < before_ns:  # a simulation that started again, or a clock that was set back
                self._due_ns += now_ns - before_ns
            left_s = (self._due_ns - now_ns) / 1e9
            if left_s <= 0:
                return
            if now_ns != before_ns:
                told = time.monotonic()
            elif time.monotonic() - told > TELL_EVERY_S:
                told = time.monotonic()
                self._node.get_logger().warning(
                    f'time on /clock stands still; {left_s:.1f} s of it are to pass until the next '
                    'task')
            self._stop.wait(POLL_S if simulated else min(left_s, 1.0))

    def _now(self) -> int:
        return self._node.get_clock().now().nanoseconds
