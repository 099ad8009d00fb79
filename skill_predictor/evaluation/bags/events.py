"""What a recording holds: tasks that were asked for, vectors and allocations that were answered."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RecordedTask:
    """A task that somebody asked for.

    Attributes
    ----------
    time_ns : int
        When it was recorded, nanoseconds of the recorder's clock.
    topic, task_id, text : str
        ``task_id`` is empty where the sender gave none.
    message : object or None
        The whole TaskDescription; ``None`` for a plain text.
    source : hashable
        Whose it is: the recording, where there are several, and the namespace of the fleet. Tasks and
        answers of two sources have nothing to do with each other.
    """

    time_ns: int
    topic: str
    task_id: str
    text: str
    message: Any = None
    source: Hashable = ''


@dataclass(frozen=True)
class RecordedVector:
    """A skill vector that was answered.

    Attributes
    ----------
    time_ns, topic, task_id, text : see :class:`RecordedTask`
    required : tuple of bool
        In the order of the skills here.
    probabilities : tuple of float
    model_version : str
    latency_ms : float
        Waiting included.
    stamp_ns : int
        When it was made, nanoseconds of the node's clock; 0: it does not say.
    source : see :class:`RecordedTask`
    """

    time_ns: int
    topic: str
    task_id: str
    text: str
    required: tuple[bool, ...]
    probabilities: tuple[float, ...]
    model_version: str
    latency_ms: float
    stamp_ns: int = 0
    source: Hashable = ''


@dataclass(frozen=True)
class RecordedAllocation:
    """What the allocator decided.

    Attributes
    ----------
    time_ns, topic, task_id : see :class:`RecordedTask`
    status : int
        ``STATUS_*`` of TaskAllocation.
    robot_ids : tuple of str
    text : str
        Of the task.
    source : see :class:`RecordedTask`
    """

    time_ns: int
    topic: str
    task_id: str
    status: int
    robot_ids: tuple[str, ...]
    text: str = ''
    source: Hashable = ''


Event = RecordedTask | RecordedVector | RecordedAllocation


def nanoseconds(stamp: Any) -> int:
    """Of a Time or Duration message."""
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)
