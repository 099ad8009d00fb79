"""Files with a topic whose definition is in no language that rosbags knows.

rosbag2 writes such a definition for a type that is not installed where it records, and rosbags refuses the
whole file for it, although the other topics are sound.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any


def is_unknown_language(error: Exception) -> bool:
    """Whether rosbags has refused a file for a definition's language (it looks it up by its name)."""
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
    """As much of a reader of rosbags as :mod:`skill_predictor.evaluation.bags.reading` looks at.

    Parameters
    ----------
    path
        An SQLite database of schema 4 (rosbag2 from Iron on), the first to hold definitions.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connections: list[Any] = []
        self._database: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open the database, which is not written to, and look what it holds.

        Raises
        ------
        sqlite3.Error
            When it is damaged.
        """
        self._database = sqlite3.connect(f'file:{self.path}?immutable=1', uri=True)
        definitions = {kind: text for kind, language, text in self._database.execute(
            'SELECT topic_type, encoding, encoded_message_definition FROM message_definitions')
            if language == 'ros2msg'}
        for number, topic, kind, count in self._database.execute(
                'SELECT topics.id, name, type, count(messages.id) FROM topics LEFT JOIN messages '
                'ON topics.id = messages.topic_id GROUP BY topics.id ORDER BY topics.id'):
            self.connections.append(
                connection(number, topic, kind, definitions.get(kind, ''), count, self))

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
