"""What the allocator shows of its robots and tasks on ``/diagnostics``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ..allocation.ledger import FleetLedger
from ..allocation.tracking import RobotView


def lost(robots: Mapping[str, RobotView]) -> list[str]:
    """Names of the robots that fell silent."""
    return [name for name, view in robots.items() if view.state == 'lost']


def describe(ledger: FleetLedger, robots: Mapping[str, RobotView], made: Counter[str]
             ) -> dict[str, object]:
    """Values by name; ``made`` counts the decisions by status."""
    states = Counter(view.state for view in robots.values())
    return {
        'robots': len(robots), 'idle': states['idle'], 'busy': states['busy'],
        'unavailable': states['unavailable'],
        # Without require_states these are idle or busy as well, since they get tasks.
        'never seen': sum(view.report_age_s is None for view in robots.values()),
        'lost': ', '.join(lost(robots)) or 'none',
        'tasks assigned': len(ledger.assignments()),
        'tasks waiting': len(ledger.waiting()),
        **{f'decisions {name}': count for name, count in sorted(made.items())}}
