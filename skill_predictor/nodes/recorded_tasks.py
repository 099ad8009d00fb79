"""Tasks of a recording as messages to be published again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rclpy.time import Time

from skill_predictor.msg import TaskDescription

from ..evaluation.bags.reading import Event, nanoseconds, RecordedTask


def each_once(events: Iterable[Event]) -> Iterator[RecordedTask]:
    """Tasks under the names that ``evaluation.bags.evaluation.replay`` gives them, each name once."""
    names: set[str] = set()
    for event in events:
        if isinstance(event, RecordedTask):
            task = event.named(len(names))
            if task.task_id not in names:
                names.add(task.task_id)
                yield task


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
        # A deadline that was over already then is over now.
        message.deadline = Time(nanoseconds=max(1, moved)).to_msg()
    return message
