"""A bag as a stream of events: tasks that were asked for, vectors and allocations that were answered.

Topics are found by the types of their messages. What cannot be read is said once and skipped; what
comes before the damage is still given.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .decoding import event_of, reader_of
from .events import Event
from .files import StoredFile
from .messages import ALLOCATION, library, TASK, TEXT, VECTOR
from .namespaces import fleets
from .opening import BagError, find_files
from .ordering import in_order

TEXT_TOPIC = 'task_text'
"""Last part of the name under which the node listens for plain texts."""

LABEL_TOPIC = 'task_labels'
"""Last part of the name of a topic with what is right."""

_NAMES = {TASK: 'tasks', VECTOR: 'skill vectors', ALLOCATION: 'allocations', TEXT: 'texts'}


class Bag:
    """A recording. Use it in a ``with`` statement.

    Parameters
    ----------
    path
        Folder of a rosbag2 recording (sqlite3 or MCAP, compressed or not, split or not), one of its
        files, or a ``.bag`` of ROS 1.
    text_topics
        Names of std_msgs/String topics that carry tasks; ``None``: those called ``task_text``.
    label_topic
        Skill vectors that say what is right, instead of what was answered; empty: there are none; ``None``:
        those called ``task_labels``.
    vector_topic
        Skill vectors that were the answer; ``None``: those in the namespace of their tasks.

    Raises
    ------
    BagError
        When it is no bag, or holds no task.
    ImportError
        When rosbags is not installed.
    """

    def __init__(self, path: str | Path, text_topics: Sequence[str] | None = None,
                 label_topic: str | None = None, vector_topic: str | None = None) -> None:
        library()
        self.path = Path(path)
        self.name = os.path.basename(os.path.abspath(path)) or str(path)
        self.troubles: list[str] = []
        """What was wrong with the bag so far, in words."""
        self.absent: list[str] = []
        """Of the topics of plain texts that were named, those that the bag does not have."""
        self._reading: list[Iterator[Event]] = []
        self._skipped: Counter[str] = Counter()
        self._given: Counter[str] = Counter()
        self._files, self._promised = find_files(self.path, self.troubles)
        self._wanted = self._choose(text_topics)
        vectors = {topic for topic, kind in self.topics.items() if kind == VECTOR}
        self.label_topics = frozenset(
            topic for topic in vectors if topic.rpartition('/')[2] == LABEL_TOPIC) if (
                label_topic is None) else frozenset(vectors & {label_topic})
        """Topics of skill vectors that say what is right."""
        self.vector_topics = vectors - self.label_topics
        """Topics of skill vectors that were answered."""
        answers = self.vector_topics if vector_topic is None else self.vector_topics & {vector_topic}
        self._fleets, doubts = fleets(
            self.topics, [topic for topic, kind in self.topics.items() if kind in (TASK, TEXT)], answers)
        self._fleets |= {topic: topic for topic in self.vector_topics - answers}
        self.troubles += doubts

    def __enter__(self) -> Bag:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files that are being read."""
        for stream in self._reading:
            stream.close()
        self._reading.clear()

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

    @property
    def start_ns(self) -> int:
        """When the first message was recorded, of whatever topic."""
        return min(file.start_ns for file in self._files)

    def events(self) -> Iterator[Event]:
        """All events in the order of their recording; one message is held in memory at a time.

        Of several fleets, tasks and answers have the namespace of theirs as source.
        """
        streams = [(file.start_ns, self._stream(file, connections))
                   for file, connections in zip(self._files, self._wanted) if connections]
        self._reading += [stream for _, stream in streams]
        yield from in_order(streams)
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
        """Connections to read, per file."""
        found = [connection for file in self._files for connection in file.connections]
        chosen = [[connection for connection in file.connections
                   if _is_wanted(connection, text_topics)] for file in self._files]
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

    def _stream(self, file: StoredFile, connections: list[Any]) -> Iterator[Event]:
        readers = {connection.id: reader_of(connection) for connection in connections}
        for connection, time_ns, data in file.messages(connections, self.troubles):
            topic = connection.topic
            try:
                event = event_of(connection.msgtype, time_ns, topic, readers[connection.id](data),
                                 self._fleets[topic])
            except Exception:
                self._skipped[topic] += 1
            else:
                self._given[topic] += 1
                yield event


def _is_wanted(connection: Any, text_topics: Sequence[str] | None) -> bool:
    if connection.msgtype != TEXT:
        return connection.msgtype in _NAMES
    if text_topics is None:
        return connection.topic.rpartition('/')[2] == TEXT_TOPIC
    return connection.topic in text_topics


def _listed(connections: Sequence[Any]) -> str:
    kinds = sorted({f'{connection.topic} ({connection.msgtype})' for connection in connections})
    return ', '.join(kinds[:20]) + (', ...' if len(kinds) > 20 else '') or 'no topic at all'
