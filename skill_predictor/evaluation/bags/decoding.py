"""From the bytes of a message to an event."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from ...taxonomy import SKILLS
from .events import Event, nanoseconds, RecordedAllocation, RecordedTask, RecordedVector
from .messages import ALLOCATION, own_types, TASK, TEXT, VECTOR
from .zstandard import zstd

_ZSTD = bytes.fromhex('28b52ffd')  # RFC 8878; no message in CDR begins so


def reader_of(connection: Any) -> Callable[[bytes], Any]:
    """From bytes to a message, for a topic as rosbags gives it."""
    # The files of a long recording repeat their definitions, and to read one takes time.
    return _reader(connection.msgtype, connection.msgdef.format, connection.msgdef.data,
                   getattr(connection.ext, 'serialization_format', None) is None)


def event_of(kind: str, time_ns: int, topic: str, message: Any, fleet: str) -> Event:
    """A message as an event.

    Parameters
    ----------
    kind
        Its type.
    time_ns, topic, message
        As recorded.
    fleet
        Whose it is.

    Raises
    ------
    Exception
        Of many kinds, when the message makes no sense.
    """
    return _EVENTS[kind](time_ns, topic, message, fleet)


@cache
def _reader(kind: str, form: Any, definition: str, is_ros1: bool) -> Callable[[bytes], Any]:
    """By the definition in the bag, else by ours."""
    from rosbags.interfaces import MessageDefinitionFormat
    from rosbags.typesys import get_types_from_msg, get_typestore, Stores
    store = own_types()
    if form == MessageDefinitionFormat.MSG and definition:
        try:
            recorded = get_typestore(Stores.EMPTY)
            recorded.register(get_types_from_msg(definition, kind))
            store = recorded
        except Exception:
            pass  # a definition that cannot be read: the message may still be of our version
    if is_ros1:
        return lambda data: store.deserialize_ros1(data, kind)
    return lambda data: store.deserialize_cdr(_plain(data), kind)


def _plain(data: bytes) -> bytes:
    """A message without its own compression, of which only the metadata tells."""
    return zstd().decompress(data) if bytes(data[:4]) == _ZSTD else data


def _task(time_ns: int, topic: str, message: Any, fleet: str) -> RecordedTask:
    return RecordedTask(time_ns, topic, message.task_id, message.text, message, fleet)


def _text(time_ns: int, topic: str, message: Any, fleet: str) -> RecordedTask:
    return RecordedTask(time_ns, topic, '', message.data, source=fleet)


def _vector(time_ns: int, topic: str, message: Any, fleet: str) -> RecordedVector:
    place = {name: index for index, name in enumerate(message.skills)}
    order = [place[skill] for skill in SKILLS]
    return RecordedVector(
        time_ns, topic, message.task_id, message.task.text,
        tuple(bool(message.required[index]) for index in order),
        tuple(float(message.probabilities[index]) for index in order), message.model_version,
        float(message.latency_ms), nanoseconds(message.header.stamp), fleet)


def _allocation(time_ns: int, topic: str, message: Any, fleet: str) -> RecordedAllocation:
    return RecordedAllocation(time_ns, topic, message.task_id, int(message.status),
                              tuple(message.robot_ids), message.task.text, fleet)


_EVENTS = {TASK: _task, TEXT: _text, VECTOR: _vector, ALLOCATION: _allocation}
