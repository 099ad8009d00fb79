"""Files with a topic whose definition rosbags cannot read: in no language that it knows, or not in UTF-8.

rosbag2 writes such a definition for a type that is not installed where it records, and rosbags refuses the
whole file for it, although the other topics are sound.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

NEVER_NS = 2**63 - 1
"""Start of a file that holds no message."""


def is_foreign_definition(error: Exception) -> bool:
    """Whether rosbags has refused a file for a definition: its language (which it looks up by its name), or a
    letter in it that is not UTF-8."""
    if isinstance(error, UnicodeDecodeError):
        return True
    return isinstance(error, KeyError) and bool(error.args) and isinstance(error.args[0], str)


def connection(number: int, topic: str, kind: str, definition: str, count: int, reader: Any) -> Any:
    """A topic as the readers of rosbags give it.

    Parameters
    ----------
    number, topic, kind
        Its number in the file, its name and its type.
    definition
        Of the type, as .msg; empty: unknown.
    count
        Of messages.
    reader
        Who reads it.
    """
    from rosbags.interfaces import (
        Connection, ConnectionExtRosbag2, MessageDefinition, MessageDefinitionFormat)
    form = MessageDefinitionFormat.MSG if definition else MessageDefinitionFormat.NONE
    return Connection(number, topic, kind, MessageDefinition(form, definition), '', count,
                      ConnectionExtRosbag2('cdr', []), reader)


class UntypedDatabase:
    """As much of a reader of rosbags as :mod:`skill_predictor.evaluation.bags.files` looks at.

    Parameters
    ----------
    path
        An SQLite database of schema 4 (rosbag2 from Iron on), the first to hold definitions.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connections: list[Any] = []
        self.start_time = NEVER_NS
        self._database: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open the database, which is not written to, and look what it holds.

        Raises
        ------
        sqlite3.Error
            When it is damaged.
        """
        self._database = sqlite3.connect(f'file:{self.path}?immutable=1', uri=True)
        self._database.text_factory = lambda data: data.decode(errors='replace')
        definitions = {kind: text for kind, language, text in self._database.execute(
            'SELECT topic_type, encoding, encoded_message_definition FROM message_definitions')
            if language == 'ros2msg'}
        for number, topic, kind, count in self._database.execute(
                'SELECT topics.id, name, type, count(messages.id) FROM topics LEFT JOIN messages '
                'ON topics.id = messages.topic_id GROUP BY topics.id ORDER BY topics.id'):
            self.connections.append(
                connection(number, topic, kind, definitions.get(kind, ''), count, self))
        first, = self._database.execute('SELECT MIN(timestamp) FROM messages').fetchone()
        self.start_time = NEVER_NS if first is None else first

    def close(self) -> None:
        """Close the database."""
        if self._database is not None:
            self._database.close()

    def messages(self, connections: Collection[Any], start: int | None = None,
                 stop: int | None = None) -> Iterator[tuple[Any, int, bytes]]:
        """Connection, time and content of each message, in the order of their times."""
        wanted = {one.id: one for one in connections}
        places = ', '.join('?' * len(wanted))
        for number, time_ns, data in self._database.execute(
                f'SELECT topic_id, timestamp, data FROM messages WHERE topic_id IN ({places}) '
                'ORDER BY timestamp', tuple(wanted)):
            yield wanted[number], time_ns, data
