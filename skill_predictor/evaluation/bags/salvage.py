"""MCAP files that rosbags does not read: read from the start, up to where they stop making sense.

A recorder that lost its power leaves a file without its index, which the readers of rosbags want. (An
SQLite database that was cut off does not open at all; its own tool repairs it.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .untyped import connection, NEVER_NS


def can_salvage() -> bool:
    """Whether the mcap library is installed."""
    return find_spec('mcap') is not None


def salvage(path: Path) -> BrokenMcap | None:
    """A reader of what is left of a file; ``None`` when that is nothing, or cannot be read here.

    Parameters
    ----------
    path
        A file that does not open otherwise.
    """
    if path.suffix != '.mcap' or not can_salvage():
        return None
    reader = BrokenMcap(path)
    reader.look()
    return reader if reader.connections else None


class BrokenMcap:
    """As much of a reader of rosbags as :mod:`skill_predictor.evaluation.bags.files` looks at."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connections: list[Any] = []
        """What it holds, after :meth:`look`."""
        self.start_time = NEVER_NS
        self.is_whole = False
        """Whether it does not break off."""

    def look(self) -> None:
        """Go through the file, and see what there is."""
        seen: dict[int, tuple[Any, Any]] = {}
        counts: Counter[int] = Counter()
        try:
            for schema, channel, message in self._records():
                seen.setdefault(channel.id, (schema, channel))
                counts[channel.id] += 1
                self.start_time = min(self.start_time, message.log_time)
            self.is_whole = True  # it ends with its footer, or the reader would have complained
        except Exception:
            pass  # where it breaks off
        for number, (schema, channel) in seen.items():
            text = schema.data.decode(errors='replace') if schema.encoding == 'ros2msg' else ''
            self.connections.append(
                connection(number, channel.topic, schema.name, text, counts[number], self))

    def open(self) -> None:
        """Nothing to do: the file is opened for each pass."""

    def close(self) -> None:
        """Nothing to do."""

    def messages(self, connections: Collection[Any], start: int | None = None,
                 stop: int | None = None) -> Iterator[tuple[Any, int, bytes]]:
        """Connection, time and content of each message, in the order of the file."""
        wanted = {connection.id: connection for connection in connections}
        for _, channel, message in self._records():
            if channel.id in wanted:
                yield wanted[channel.id], message.log_time, message.data

    def _records(self) -> Iterator[tuple[Any, Any, Any]]:
        from mcap.records import Channel, Message, Schema
        from mcap.stream_reader import StreamReader
        schemas, channels = {}, {}
        with open(self.path, 'rb') as stream:
            for record in StreamReader(stream).records:
                if isinstance(record, Schema):
                    schemas[record.id] = record
                elif isinstance(record, Channel):
                    channels[record.id] = record
                elif isinstance(record, Message):
                    channel = channels[record.channel_id]
                    if channel.schema_id in schemas:  # else its type is not known, and not ours
                        yield schemas[channel.schema_id], channel, record
