"""A bag as a stream of events: tasks that were asked for, vectors and allocations that were answered.

Topics are found by the types of their messages. What cannot be read is said once and skipped; what
comes before the damage is still given.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from .events import (Event, nanoseconds, RecordedAllocation, RecordedTask,
                     RecordedVector)
from .messages import ALLOCATION, library, own_types, TASK, TEXT, VECTOR
from .opening import BagError, open_files
from .salvage import salvage
from .zstandard import zstd

TEXT_TOPIC = 'task_text'
"""Last part of the name under which the node listens for plain texts."""

LABEL_TOPIC = 'task_labels'
"""Last part of the name of a topic with what is right."""

_ZSTD = bytes.fromhex('28b52ffd')  # RFC 8878; no message in CDR begins so

_NAMES = {TASK: 'tasks', VECTOR: 'skill vectors', ALLOCATION: 'allocations', TEXT: 'texts'}


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
        self.absent: list[str] = []
        """Of the topics of plain texts that were named, those that the bag does not have."""
        self._stack = ExitStack()
        self._skipped: Counter[str] = Counter()
        self._given: Counter[str] = Counter()
        try:
            self._readers, self._promised = open_files(self.path, self._stack, self.troubles)
            self._wanted = self._choose(text_topics)
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Bag:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files."""
        self._stack.close()

    @property
    def topics(self) -> dict[str, str]:
        """Type by name of the topics that are read."""
        return {connection.topic: connection.msgtype
                for connections in self._wanted for connection in connections}

    @property
    def tasks(self) -> int:
        """How many messages with tasks there should be; an id that repeats counts again."""
        return sum(connection.msgcount for connections in self._wanted
                   for connection in connections if connection.msgtype in (TASK, TEXT))

    def label_topics(self, name: str | None = None) -> frozenset[str]:
        """Topics of skill vectors that say what is right, instead of what was answered.

        Parameters
        ----------
        name
            The topic; empty: there is none; ``None``: those called ``task_labels``.
        """
        vectors = {topic for topic, kind in self.topics.items() if kind == VECTOR}
        if name is None:
            return frozenset(topic for topic in vectors
                             if topic.rpartition('/')[2] == LABEL_TOPIC)
        return frozenset(vectors & {name})

    def events(self) -> Iterator[Event]:
        """All events in the order of their recording; one message is held in memory at a time."""
        streams = [self._stream(reader, connections)
                   for reader, connections in zip(self._readers, self._wanted) if connections]
        yield from heapq.merge(*streams, key=lambda event: event.time_ns)
        for topic, count in self._skipped.items():
            self.troubles.append(f'{count} messages of {topic} cannot be read')
        for topic in self.topics:
            there, expected = self._given[topic] + self._skipped[topic], self._expected(topic)
            if there < expected:
                self.troubles.append(f'{there:,} of the {expected:,} messages of {topic} were found')
        self._skipped.clear()
        self._given.clear()

    def _expected(self, topic: str) -> int:
        """How many messages there should be, by the files or by the metadata."""
        return max(self._promised.get(topic, 0), sum(
            connection.msgcount for connections in self._wanted for connection in connections
            if connection.topic == topic))

    def _choose(self, text_topics: Sequence[str] | None) -> list[list[Any]]:
        """Connections to read, per reader."""
        found = [connection for reader in self._readers for connection in reader.connections]
        chosen = [[connection for connection in reader.connections
                   if _is_wanted(connection, text_topics)] for reader in self._readers]
        names = {connection.topic for connection in found}
        # Nobody may have published on it, while tasks came another way.
        self.absent = [name for name in text_topics or () if name not in names]
        others = [name for name in text_topics or () if name in names and not any(
            connection.topic == name and connection.msgtype == TEXT for connection in found)]
        if others:
            raise BagError(f'{", ".join(others)} of {self.path} holds no {TEXT}')
        kinds = {connection.msgtype for connections in chosen for connection in connections}
        if not kinds & {TASK, TEXT} and self.absent:
            raise BagError(f'{self.path} has no topic {", ".join(self.absent)}; it has: '
                           f'{_listed(found)}')
        if not kinds & {TASK, TEXT}:
            strings = sorted({connection.topic for connection in found
                              if connection.msgtype == TEXT})
            hint = (f' Texts may be tasks: --text-topics {" ".join(strings)}' if strings else '')
            raise BagError(f'{self.path} holds no tasks: no topic of {TASK}, and no '
                           f'{TEXT} called {TEXT_TOPIC}. It has: {_listed(found)}.{hint}')
        return chosen

    def _stream(self, reader: Any, connections: list[Any]) -> Iterator[Event]:
        readers = {connection.id: _deserialiser(connection) for connection in connections}
        for connection, time_ns, data in self._messages(reader, connections):
            topic = connection.topic
            try:
                message = readers[connection.id](data)
                event = _EVENTS[connection.msgtype](time_ns, topic, message)
            except Exception:
                self._skipped[topic] += 1
            else:
                self._given[topic] += 1
                yield event

    def _messages(self, reader: Any, connections: list[Any]) -> Iterator[tuple[Any, int, bytes]]:
        """Connection, time and content, as far as they can be had."""
        count = 0
        try:
            for connection, time_ns, data in reader.messages(connections):
                count += 1
                yield connection, time_ns, data
            return
        except Exception as error:
            reason = str(error) or type(error).__name__
        name = Path(reader.path).name
        # A file without index must be in order for rosbags, which it is not when a clock was set.
        left = salvage(Path(reader.path)) if 'timestamp order' in reason else None
        if left is None:
            self.troubles.append(f'{name} breaks off after {count} messages: {reason}')
            return
        known = {connection.topic: connection for connection in connections}
        rest = left.messages([one for one in left.connections if one.topic in known])
        for connection, time_ns, data in itertools.islice(rest, count, None):
            yield known[connection.topic], time_ns, data


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
    """A message without its own compression, of which only the metadata tells."""
    return zstd().decompress(data) if bytes(data[:4]) == _ZSTD else data


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


def _allocation(time_ns: int, topic: str, message: Any) -> RecordedAllocation:
    return RecordedAllocation(time_ns, topic, message.task_id, int(message.status),
                              tuple(message.robot_ids))


_EVENTS = {TASK: _task, TEXT: _text, VECTOR: _vector, ALLOCATION: _allocation}
