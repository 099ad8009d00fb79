"""What a node says about its health on ``/diagnostics`` (REP 107)."""

from __future__ import annotations

from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

OK = DiagnosticStatus.OK
WARN = DiagnosticStatus.WARN
ERROR = DiagnosticStatus.ERROR


class DiagnosticsPublisher:
    """Publishes one status of a node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)

    def publish(self, level: bytes, message: str, values: Mapping[str, object]) -> None:
        """Publish the node's status.

        Parameters
        ----------
        level
            ``OK``, ``WARN`` or ``ERROR`` of this module.
        message
            The state in a few words.
        values
            Anything that helps, in the order in which it should be shown.
        """
        array = DiagnosticArray()
        array.header.stamp = self._node.get_clock().now().to_msg()
        array.status.append(DiagnosticStatus(
            level=level, name=self._node.get_fully_qualified_name().lstrip('/'),
            message=message, hardware_id='skill_predictor',
            values=[KeyValue(key=key, value=_text(value)) for key, value in values.items()]))
        self._publisher.publish(array)


def _text(value: object) -> str:
    return f'{value:.3f}' if isinstance(value, float) else str(value)
