"""Tasks of a recording as messages to be published again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from rclpy.time import Time

from skill_predictor.msg import TaskDescription

from ..evaluation.bags.events import Event, nanoseconds, RecordedTask
from ..evaluation.bags.naming import Names


_LATEST = (2**31 - 1) * 10**9
"""The last point in time that a message can hold."""


def each_once(events: Iterable[Event]) -> Iterator[RecordedTask]:
    """Tasks under the names that ``evaluation.bags.evaluation.replay`` gives them, each once."""
    names = Names()
    for event in events:
        if isinstance(event, RecordedTask):
            name, is_new = names.name(event.task_id, event.text, event.source)
            if is_new:
                yield replace(event, task_id=name)


def recorded_task(task: RecordedTask, now: Time) -> TaskDescription:
    """A recorded task to be given again.

    Parameters
    ----------
    task
        With its id.
    now
        Its new time stamp; its deadline moves with it.
    """
    message = TaskDescription(task_id=task.task_id, text=task.text)
    message.header.stamp = now.to_msg()
    old = task.message
    if old is None:
        return message
    message.header.frame_id = old.header.frame_id
    message.priority, message.payload_kg = int(old.priority), float(old.payload_kg)
    message.expected_duration.sec = int(old.expected_duration.sec)
    message.expected_duration.nanosec = int(old.expected_duration.nanosec)
    place = old.location
    message.location.x, message.location.y, message.location.z = (
        float(place.x), float(place.y), float(place.z))
    deadline = nanoseconds(old.deadline)
    if deadline:
        moved = deadline + now.nanoseconds - (nanoseconds(old.header.stamp) or task.time_ns)
        # A deadline that was over already then is over now; "never" stays never.
        message.deadline = Time(nanoseconds=min(max(1, moved), _LATEST)).to_msg()
    return message
