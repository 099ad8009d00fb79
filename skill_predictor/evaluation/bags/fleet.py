"""What a fleet would have done with recorded tasks: the allocator's own ledger, on recorded time.

Robots are taken as they stand in the fleet file: there when the recording begins, full, and busy for as
long as a task says (else for a usual time). So two runs differ by the vectors or the fleet alone.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...allocation.capabilities import Robot
from ...allocation.ledger import FleetLedger
from ...allocation.records import Decision
from ...allocation.tasks import Status, TaskRequest
from .events import nanoseconds, RecordedTask
from .replayed import names, Replayed

WORK_S = 60.0
"""How long a task takes that does not say it."""

PATIENCE_S = 24 * 3600.0
"""How long after the last task those that still wait may be served."""

_SERVED = (Status.ASSIGNED, Status.TEAM)


@dataclass
class Service:
    """What became of the tasks.

    Attributes
    ----------
    outcomes : dict of str to str
        By task id: the last status, in words.
    robots : dict of str to tuple of str
        By task id: who was given it first.
    waited_s : dict of str to float
        By task id: from asking to the first robot.
    busy_s : dict of str to float
        By robot id.
    tasks_of : Counter
        By robot id.
    """

    outcomes: dict[str, str] = field(default_factory=dict)
    robots: dict[str, tuple[str, ...]] = field(default_factory=dict)
    waited_s: dict[str, float] = field(default_factory=dict)
    busy_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    tasks_of: Counter = field(default_factory=Counter)

    def to_dict(self) -> dict[str, object]:
        """Figures, fit for JSON."""
        waits = np.array(list(self.waited_s.values()) or [0.0])
        return {'outcomes': dict(Counter(self.outcomes.values())), 'served': len(self.robots),
                'waiting_s': {'mean': float(waits.mean()), 'p90': float(np.percentile(waits, 90)),
                              'most': float(waits.max())},
                'robots': {robot: {'tasks': self.tasks_of[robot], 'busy_s': round(busy, 1)}
                           for robot, busy in sorted(self.busy_s.items())}}


def serve(found: Replayed, masks: Sequence[int], fleet: Mapping[str, Robot]) -> Service:
    """Let a fleet serve the tasks of a recording.

    Parameters
    ----------
    found
        With its tasks kept.
    masks
        Required skills of each, as bits; below 0: no vector was made, the task is left out.
    fleet
        Robots by id.

    Raises
    ------
    ValueError
        When the tasks were not kept.
    """
    if len(found.tasks) != len(found.ids):
        raise ValueError('the tasks were not kept in memory (keep_tasks)')
    service = Service(busy_s=defaultdict(float, dict.fromkeys(fleet, 0.0)))
    run = _Run(FleetLedger(fleet, assumed_duration_s=WORK_S,
                           max_waiting=max(10_000, len(found.ids))), service)
    for name, task, mask in zip(found.ids, found.tasks, masks):
        if mask >= 0:
            run.submit(_request(name, task, mask), task.time_ns / 1e9)
    run.pass_time(run.now + PATIENCE_S)
    return service


class _Run:
    """The ledger on recorded time, which goes from event to event: robots that finish, deadlines."""

    def __init__(self, ledger: FleetLedger, service: Service) -> None:
        self.now = float('-inf')
        self._ledger, self._service = ledger, service
        self._asked: dict[str, float] = {}
        self._lasts: dict[str, float] = {}
        self._due: list[float] = []

    def submit(self, request: TaskRequest, at: float) -> None:
        """A task comes."""
        self.pass_time(at)
        self.now = max(self.now, at)
        name = request.task_id
        self._asked[name], self._lasts[name] = self.now, request.duration_s or WORK_S
        if request.deadline is not None:
            heapq.heappush(self._due, request.deadline)
        self._note(self._ledger.submit(request, self.now))

    def pass_time(self, until: float) -> None:
        """Let happen what is due by then."""
        while self._due and self._due[0] <= until:
            # A little later, so that what is due by a float's last digits is due.
            self.now = max(self.now, heapq.heappop(self._due) + 1e-3)
            self._note(self._ledger.tick(self.now))

    def _note(self, decisions: Sequence[Decision]) -> None:
        for decision in decisions:
            name, choice = decision.task_id, decision.choice
            self._service.outcomes[name] = choice.status.name.lower()
            if choice.status not in _SERVED:
                continue
            heapq.heappush(self._due, self.now + self._lasts[name])
            if name not in self._service.robots:
                self._service.robots[name] = tuple(choice.robots)
                self._service.waited_s[name] = self.now - self._asked[name]
                for robot in choice.robots:
                    self._service.busy_s[robot] += self._lasts[name]
                    self._service.tasks_of[robot] += 1


def _request(name: str, task: RecordedTask, mask: int) -> TaskRequest:
    required, message = names(mask), task.message
    if message is None:
        return TaskRequest(name, required)
    duration = message.expected_duration.sec + message.expected_duration.nanosec / 1e9
    # Its clock may be another than the recorder's.
    given_ns = nanoseconds(message.header.stamp) or task.time_ns
    deadline_ns = nanoseconds(message.deadline)
    deadline = (deadline_ns - given_ns + task.time_ns) / 1e9 if deadline_ns else None
    place = message.location
    payload = float(message.payload_kg)
    location = (place.x, place.y, place.z)
    return TaskRequest(
        name, required, priority=int(message.priority), deadline=deadline,
        duration_s=duration if duration > 0 else None,
        payload_kg=payload if 0 <= payload < float('inf') else 0.0,
        location=location if np.isfinite(location).all() else None,
        frame=message.header.frame_id)


@dataclass(frozen=True)
class Difference:
    """A task that went to others, or to nobody.

    Attributes
    ----------
    task_id, text : str
    before, now : str
        Robots, or the outcome.
    """

    task_id: str
    text: str
    before: str
    now: str


def differences(found: Replayed, before: Service, now: Service) -> list[Difference]:
    """Tasks that the two runs served differently, in the order of the recording."""
    return [Difference(name, task.text, one, other)
            for name, task in zip(found.ids, found.tasks)
            if (one := _who(before, name)) != (other := _who(now, name))]


def _who(service: Service, name: str) -> str:
    if name in service.robots:
        return ' + '.join(service.robots[name])
    return service.outcomes.get(name, 'no vector').replace('_', ' ')
