"""A bag as a stream of events: tasks that were asked for, vectors and allocations that were answered.

Topics are found by the types of their messages. What cannot be read is said once and skipped; what
comes before the damage is still given.
"""

from __future__ import annotations

import heapq
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .messages import ALLOCATION, library, own_types, TASK, TEXT, VECTOR
from .salvage import salvage

TEXT_TOPIC = 'task_text'
"""Last part of the name under which the node listens for plain texts."""

_ZSTD = bytes.fromhex('28b52ffd')  # RFC 8878; no message in CDR begins so

_NAMES = {TASK: 'tasks', VECTOR: 'skill vectors', ALLOCATION: 'allocations', TEXT: 'texts'}


class BagError(Exception):
    """A bag of which nothing can be evaluated; the message says why, and what to do."""


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
    """

    time_ns: int
    topic: str
    task_id: str
    text: str
    message: Any = None

    def named(self, number: int) -> RecordedTask:
        """The same; if it has no id, with one made of how many tasks came before it."""
        return self if self.task_id else replace(self, task_id=f'text-{number + 1}')


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


@dataclass(frozen=True)
class RecordedAllocation:
    """What the allocator decided.

    Attributes
    ----------
    time_ns, topic, task_id : see :class:`RecordedTask`
    status : int
        ``STATUS_*`` of TaskAllocation.
    robot_ids : tuple of str
    """

    time_ns: int
    topic: str
    task_id: str
    status: int
    robot_ids: tuple[str, ...]


Event = RecordedTask | RecordedVector | RecordedAllocation


class Bag:
    """A recording, opened. Use it in a ``with`` statement.

    Parameters
    ----------
    path
        Folder of a rosbag2 recording (sqlite3 or MCAP, compressed or not, split or not), one of its
        files, or a ``.bag`` of ROS 1.
    text_topics
        Names of std_msgs/String topics that carry tasks; ``None``: those called ``task_text``.

    Raises
    ------
    BagError
        When it is no bag, or holds no task.
    ImportError
        When rosbags is not installed.
    """

    def __init__(self, path: str | Path, text_topics: Sequence[str] | None = None) -> None:
        library()
        self.path = Path(path)
        self.troubles: list[str] = []
        """What was wrong with the bag so far, in words."""
        self._stack = ExitStack()
        self._skipped: Counter[str] = Counter()
        try:
            self._readers = [self._stack.enter_context(reader) for reader in self._open()]
            self._wanted = self._choose(text_topics)
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Bag:
        return self

    def __exit__(self, *_) -> None:
        self._stack.close()

    @property
    def topics(self) -> dict[str, str]:
        """Type by name of the topics that are read."""
        return {connection.topic: connection.msgtype
                for connections in self._wanted for connection in connections}

    @property
    def messages(self) -> int:
        """How many messages of those topics there should be."""
        return sum(connection.msgcount for connections in self._wanted
                   for connection in connections)

    @property
    def tasks(self) -> int:
        """How many of them there should be of tasks; an id that repeats counts again."""
        return sum(connection.msgcount for connections in self._wanted
                   for connection in connections if connection.msgtype in (TASK, TEXT))

    def events(self) -> Iterator[Event]:
        """All events in the order of their recording; one message is held in memory at a time."""
        streams = [self._stream(reader, connections)
                   for reader, connections in zip(self._readers, self._wanted) if connections]
        yield from heapq.merge(*streams, key=lambda event: event.time_ns)
        for topic, count in self._skipped.items():
            self.troubles.append(f'{count} messages of {topic} cannot be read')
        self._skipped.clear()

    def _open(self) -> list[Any]:
        """Readers of the bag, or of its single files where it does not hold together."""
        from rosbags.rosbag1 import Reader as Reader1
        from rosbags.rosbag2 import Reader as Reader2
        if not self.path.exists():
            raise BagError(f'there is no bag at {self.path}')
        reader = Reader1 if self.path.suffix == '.bag' else Reader2
        try:
            return [_opened(reader(self.path))]
        except Exception as error:  # the libraries below raise errors of their own kinds
            reason = str(error) or type(error).__name__
        if not self.path.is_dir():
            left = salvage(self.path)
            if left is None:
                raise BagError(f'{self.path} cannot be read: {reason}{_advice(self.path)}')
            self.troubles.append(f'{reason}; what comes before the damage is read')
            return [_opened(left)]
        return self._open_files(reason)

    def _open_files(self, reason: str) -> list[Any]:
        """Readers of a folder's single files."""
        from rosbags.rosbag2 import Reader as Reader2
        opened = []
        for path in sorted(self.path.iterdir()):
            if path.suffix not in ('.mcap', '.db3'):
                continue
            try:
                opened.append(_opened(Reader2(path)))
            except Exception as error:
                left = salvage(path)
                if left is not None:
                    opened.append(_opened(left))
                rest = 'what comes before the damage is read' if left else 'it is left out'
                self.troubles.append(f'{path.name} cannot be read whole ({error}); {rest}')
        if not opened:
            inside = '; '.join(self.troubles) or 'there is no .mcap or .db3 file in it'
            raise BagError(f'{self.path} is no readable bag: {reason} ({inside}). '
                           '`ros2 bag reindex` may repair it')
        self.troubles.insert(0, f'{reason}; its {len(opened)} readable files are read one by one')
        return opened

    def _choose(self, text_topics: Sequence[str] | None) -> list[list[Any]]:
        """Connections to read, per reader."""
        found = [connection for reader in self._readers for connection in reader.connections]
        chosen = [[connection for connection in reader.connections
                   if _is_wanted(connection, text_topics)] for reader in self._readers]
        names = {connection.topic for connection in found}
        absent = [name for name in text_topics or () if name not in names]
        if absent:
            raise BagError(f'{self.path} has no topic {", ".join(absent)}; it has: '
                           f'{_listed(found)}')
        kinds = {connection.msgtype for connections in chosen for connection in connections}
        if not kinds & {TASK, TEXT}:
            strings = sorted({connection.topic for connection in found
                              if connection.msgtype == TEXT})
            hint = (f' Texts may be tasks: --text-topics {" ".join(strings)}' if strings else '')
            raise BagError(f'{self.path} holds no tasks: no topic of {TASK}, and no '
                           f'{TEXT} called {TEXT_TOPIC}. It has: {_listed(found)}.{hint}')
        return chosen

    def _stream(self, reader: Any, connections: list[Any]) -> Iterator[Event]:
        readers = {connection.id: _deserialiser(connection) for connection in connections}
        count = 0
        try:
            for connection, time_ns, data in reader.messages(connections):
                count += 1
                try:
                    message = readers[connection.id](data)
                    event = _EVENTS[connection.msgtype](time_ns, connection.topic, message)
                except Exception:
                    self._skipped[connection.topic] += 1
                else:
                    yield event
        except Exception as error:
            self.troubles.append(f'{Path(reader.path).name} breaks off after {count} messages: '
                                 f'{str(error) or type(error).__name__}')


def _advice(path: Path) -> str:
    if path.suffix != '.db3':
        return ''
    return f'. `sqlite3 {path.name} .recover | sqlite3 repaired.db3` may repair it'


def _opened(reader: Any) -> Any:
    reader.open()

    class Closing:
        def __enter__(self) -> Any:
            return reader

        def __exit__(self, *_) -> None:
            try:
                reader.close()
            except Exception:
                pass  # a damaged bag may not close either; everything was read by then
    return Closing()


def _is_wanted(connection: Any, text_topics: Sequence[str] | None) -> bool:
    if connection.msgtype != TEXT:
        return connection.msgtype in _NAMES
    if text_topics is None:
        return connection.topic.rpartition('/')[2] == TEXT_TOPIC
    return connection.topic in text_topics


def _listed(connections: Sequence[Any]) -> str:
    kinds = sorted({f'{connection.topic} ({connection.msgtype})' for connection in connections})
    return ', '.join(kinds[:20]) + (', ...' if len(kinds) > 20 else '') or 'no topic at all'


def _deserialiser(connection: Any):
    """From bytes to a message: by the definition in the bag, else by ours."""
    from rosbags.interfaces import MessageDefinitionFormat
    from rosbags.typesys import get_types_from_msg, get_typestore, Stores
    store, kind = own_types(), connection.msgtype
    if connection.msgdef.format == MessageDefinitionFormat.MSG and connection.msgdef.data:
        try:
            recorded = get_typestore(Stores.EMPTY)
            recorded.register(get_types_from_msg(connection.msgdef.data, kind))
            store = recorded
        except Exception:
            pass  # a definition that cannot be read: the message may still be of our version
    if getattr(connection.ext, 'serialization_format', None) is None:
        return lambda data: store.deserialize_ros1(data, kind)
    return lambda data: store.deserialize_cdr(_plain(data), kind)


def _plain(data: bytes) -> bytes:
    """A message without its own compression, of which only the lost metadata told."""
    if bytes(data[:4]) != _ZSTD:
        return data
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd  # which rosbags brings
    return zstd.decompress(data)


def _task(time_ns: int, topic: str, message: Any) -> RecordedTask:
    return RecordedTask(time_ns, topic, message.task_id, message.text, message)


def _text(time_ns: int, topic: str, message: Any) -> RecordedTask:
    return RecordedTask(time_ns, topic, '', message.data)


def _vector(time_ns: int, topic: str, message: Any) -> RecordedVector:
    from ...taxonomy import SKILLS
    place = {name: index for index, name in enumerate(message.skills)}
    order = [place[skill] for skill in SKILLS]
    return RecordedVector(
        time_ns, topic, message.task_id, message.task.text,
        tuple(bool(message.required[index]) for index in order),
        tuple(float(message.probabilities[index]) for index in order), message.model_version,
        float(message.latency_ms), nanoseconds(message.header.stamp))


def nanoseconds(stamp: Any) -> int:
    """Of a Time or Duration message."""
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


def _allocation(time_ns: int, topic: str, message: Any) -> RecordedAllocation:
    return RecordedAllocation(time_ns, topic, message.task_id, int(message.status),
                              tuple(message.robot_ids))


_EVENTS = {TASK: _task, TEXT: _text, VECTOR: _vector, ALLOCATION: _allocation}
