"""Parameters of the fleet allocator node (``config/allocator.yaml`` shows them all)."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node

from .parameters import Settings

LEDGER_PARAMETERS = ('robot_timeout_s', 'acknowledge_timeout_s', 'require_states',
                     'assumed_duration_s', 'max_team_size', 'min_battery', 'max_waiting')
"""Passed on to :class:`skill_predictor.allocation.ledger.FleetLedger` under their own names."""

FLEET_PREFIX = 'fleet.'

FIXED_WHILE_CONFIGURED = frozenset(LEDGER_PARAMETERS)
"""Read when the node is configured, as are all that begin with ``fleet.``."""


def declare_parameters(settings: Settings) -> None:
    """Declare all parameters but the robots', with their descriptors."""
    declare = settings.declare
    declare('robot_timeout_s', 5.0, 'A robot that is silent for longer is lost [s].',
            between=(0.1, 86_400.0))
    declare('acknowledge_timeout_s', 10.0,
            'A robot must report its new task as current within this time [s].',
            between=(0.1, 86_400.0))
    declare('require_states', False, 'Give no task to a robot that has never reported its state.')
    declare('assumed_duration_s', 60.0,
            'How long a robot that never reports is busy with a task of unknown duration [s].',
            between=(0.1, 604_800.0))
    declare('max_team_size', 4, 'Most robots that share a task.', between=(1, 16))
    declare('min_battery', 0.15, 'A robot with less charge gets no task.', between=(0.0, 1.0))
    declare('max_waiting', 10_000, 'Most tasks that wait; more are refused.',
            between=(0, 1_000_000))
    declare('max_vector_age_s', 10.0,
            'Older skill vectors, which a late joiner gets, are ignored [s].',
            between=(0.0, 604_800.0))
    declare('predict_timeout_s', 30.0, 'How long allocate_tasks waits for the predictor [s].',
            between=(0.1, 3600.0))
    declare('tick_period_s', 0.5, 'Time between two looks for silent robots [s].',
            between=(0.01, 60.0), read_only=True)
    declare('diagnostics_period_s', 1.0, 'Time between two diagnostics [s].',
            between=(0.05, 3600.0), read_only=True)


def fleet_mapping(node: Node) -> dict[str, dict[str, Any]]:
    """The parameters below ``fleet`` as nested plain values, for ``parse_fleet``."""
    fleet: dict[str, dict[str, Any]] = {}
    for name, parameter in node.get_parameters_by_prefix('fleet').items():
        robot_id, _, field = name.partition('.')
        value = parameter.value
        # rclpy gives number lists as array.array.
        fleet.setdefault(robot_id, {})[field] = (
            list(value) if hasattr(value, 'tolist') else value)
    return fleet
