"""Skill vectors of the topic: which of them the allocator takes, and when it begins to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from skill_predictor.msg import SkillVector

from ..allocation.ledger import Decision, LedgerFullError
from ..allocation.tasks import Status, TaskRequest
from . import qos
from .allocation_messages import task_request
from .conversions import seconds

if TYPE_CHECKING:
    from .allocator import FleetAllocatorNode

_ENDED = (Status.COMPLETED, Status.EXPIRED, Status.CANCELLED)
_REMEMBERED = 10_000
REPLAY_S = 5.0
"""How long after it begins to listen an allocator may get what was kept for late joiners."""


class VectorTopic:
    """Takes the vectors of ``skill_vectors`` that are new.

    Vectors are kept for late joiners, so those of long ago, of a simulation that has started again,
    and those that were served before come, too.

    Parameters
    ----------
    node
        The allocator, whose decisions it is told of.
    """

    def __init__(self, node: FleetAllocatorNode) -> None:
        self._node = node
        self._subscription = None
        self._opened = self._opened_steady = 0.0
        # The latest are the last. They outlive the ledger, which a new configuration makes anew.
        self._served: dict[tuple[float, TaskRequest], None] = {}
        self._ended: dict[str, None] = {}

    @property
    def is_open(self) -> bool:
        return self._subscription is not None

    def open(self, now: float) -> None:
        """Listen from now on [s]. What is kept for late joiners comes at once."""
        self._opened, self._opened_steady = now, time.monotonic()
        self._subscription = self._node.create_subscription(
            SkillVector, 'skill_vectors', self._on_vector, qos.results())

    def close(self) -> None:
        """Listen no longer; call it in the executor."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            self._node.destroy_subscription(subscription)

    def shift(self, delta_s: float) -> None:
        """The clock was set."""
        self._opened += delta_s

    def note_served(self, vector: SkillVector, request: TaskRequest) -> None:
        """Remember that the ledger was given a vector."""
        _remember(self._served, (seconds(vector.header.stamp), request))

    def note(self, decision: Decision) -> None:
        """Remember which tasks are over."""
        self._ended.pop(decision.task_id, None)
        if decision.choice.status in _ENDED:
            _remember(self._ended, decision.task_id)

    def _on_vector(self, vector: SkillVector) -> None:
        node, made = self._node, seconds(vector.header.stamp)
        age, longest = self._opened - made, node.settings['max_vector_age_s']
        if age > longest:
            self._ignore_old(vector.task_id, age)
            return
        if node.simulated and made - node.now() > longest:
            node.get_logger().info(f'task {vector.task_id} ignored: its vector is of the simulated future, '
                                   'so of an earlier run', throttle_duration_sec=1.0)
            return
        try:
            request = task_request(vector)
            before = node.standing(vector.task_id)
            if (made, request) in self._served and (before or vector.task_id in self._ended):
                return  # this very vector, kept for late joiners
            if node.submit([vector], [request]) == [before] and vector.task_id in self._ended:
                node.get_logger().info(
                    f'task {vector.task_id} is {before.choice.status.name.lower()} and asked for again '
                    'with the same content: nothing is done; give it another task_id')
        except (ValueError, LedgerFullError) as error:
            node.complain(f'task {vector.task_id!r} not taken: {error}')

    def _ignore_old(self, task_id: str, age: float) -> None:
        """Vectors from before come at the beginning; later ones tell of two clocks."""
        message = f'task {task_id} ignored: its vector is older than this allocator by {age:.0f} s'
        if time.monotonic() - self._opened_steady < REPLAY_S:
            self._node.get_logger().info(message, throttle_duration_sec=1.0)
        else:
            self._node.complain(f'{message}; do the clocks of predictor and allocator agree?')


def _remember(latest: dict, key: object) -> None:
    latest.pop(key, None)
    latest[key] = None
    if len(latest) > _REMEMBERED:
        del latest[next(iter(latest))]
