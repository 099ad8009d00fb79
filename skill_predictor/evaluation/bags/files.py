"""One file of a bag, which is opened only while it is looked at or read: a long recording has thousands."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, ExitStack
from pathlib import Path
from typing import Any

from .salvage import BrokenMcap, can_salvage, salvage
from .untyped import is_foreign_definition, UntypedDatabase
from .zstandard import zstd

COMPRESSED = '.zstd'


class StoredFile:
    """A file with messages.

    Parameters
    ----------
    path
        ``.mcap``, ``.db3``, either with ``.zstd``, or a ``.bag`` of ROS 1.
    troubles
        Gets a sentence for what is wrong with a file that can be read all the same.

    Raises
    ------
    Exception
        Of the libraries below, of many kinds, when nothing can be read.
    """

    def __init__(self, path: Path, troubles: list[str]) -> None:
        self.path = path
        self._target = path.resolve()
        self._report_log(troubles)
        self.connections: Sequence[Any] = ()
        """Topics, as rosbags gives them; ids are those of this file."""
        self.start_ns = 0
        """When its first message was recorded."""
        with self._source() as source:
            self._kind = self._look(source, troubles)

    def messages(self, connections: Sequence[Any], troubles: list[str]) -> Iterator[tuple[Any, int, bytes]]:
        """Connection, time and content, as far as they can be had.

        Parameters
        ----------
        connections
            Of this file; others are left out.
        troubles
            Gets a sentence where the file breaks off.

        Raises
        ------
        OSError
            When too many files are open.
        """
        count = 0
        known = {connection.id: connection for connection in connections}
        try:
            with self._source() as source:
                try:
                    with _opened(self._kind(source)) as reader:
                        for found, time_ns, data in reader.messages(connections):
                            count += 1
                            yield known[found.id], time_ns, data
                    return
                except Exception as error:
                    # A file without index must be in order for rosbags, which it is not when a clock was set.
                    if 'timestamp order' not in str(error) or not can_salvage():
                        raise
                rest = BrokenMcap(source).messages(connections)
                yield from itertools.islice(rest, count, None)
        except Exception as error:
            expect_open_files_to_spare()
            troubles.append(f'{self.path.name} breaks off after {count} messages: {reason(error)}')

    def _report_log(self, troubles: list[str]) -> None:
        log = self._target.with_name(self._target.name + '-wal')
        if log.exists() and log.stat().st_size:
            name = self._target.name
            troubles.append(f'{log.name} holds messages that are not in {name} yet, and are not '
                            f"read; `sqlite3 {name} 'PRAGMA wal_checkpoint(TRUNCATE)'` puts them in")

    def _look(self, source: Path, troubles: list[str]) -> type:
        """Who reads the file."""
        from rosbags.rosbag1 import Reader as Reader1
        from rosbags.rosbag2 import Reader as Reader2
        kind = Reader1 if source.suffix == '.bag' else Reader2
        left = error = None
        try:
            with _opened(kind(source)) as reader:
                if not _is_indexed(reader):
                    left = salvage(source)
                if left is None:
                    return self._take(reader, kind)
        except Exception as caught:
            error = caught
            left = salvage(source)
        is_sound = error is None or is_foreign_definition(error) or 'Profile is not' in str(error)
        if source.suffix == '.db3' and is_sound:
            with _opened(UntypedDatabase(source)) as reader:
                return self._take(reader, UntypedDatabase)
        if left is None:
            raise error
        if not (is_sound and left.is_whole):
            why = reason(error) if error else 'it has no index'
            troubles.append(f'{self.path.name} cannot be read whole ({why}); what comes before the damage '
                            'is read')
        return self._take(left, BrokenMcap)

    def _take(self, reader: Any, kind: type) -> type:
        self.start_ns = reader.start_time
        # A reader forgets them when it is closed.
        self.connections = [connection._replace(owner=None) for connection in reader.connections]
        return kind

    @contextmanager
    def _source(self) -> Iterator[Path]:
        """Where the content can be opened by a path that no reader stumbles over."""
        name = Path(plain_name(self.path))
        is_packed = self.path.suffix == COMPRESSED
        # The path becomes part of an address, in which these characters mean something else.
        if not is_packed and self._target.suffix == name.suffix and not set('#?%') & set(str(self._target)):
            yield self._target
            return
        with tempfile.TemporaryDirectory(prefix='skill_predictor_bag_') as folder:
            source = Path(folder) / f'plain{name.suffix}'
            if is_packed:
                with zstd().open(self._target, 'rb') as packed, open(source, 'wb') as sink:
                    shutil.copyfileobj(packed, sink)
            else:
                source.symlink_to(self._target)
            yield source


def plain_name(file: Path) -> str:
    """Name of a file without the ending of its compression."""
    return file.name.removesuffix(COMPRESSED)


def reason(error: Exception) -> str:
    """What an error of the libraries below says."""
    return str(error) or type(error).__name__


def advice(path: Path) -> str:
    """What may help with a file that cannot be read."""
    if path.suffix == '.db3':
        return f'. `sqlite3 {os.path.basename(path)} .recover | sqlite3 repaired.db3` may repair it'
    if path.suffix == '.mcap' and not can_salvage():
        return '; with `pip install mcap` what comes before the damage can be read'
    return ''


def expect_open_files_to_spare() -> None:
    """Look whether further files can be opened; if not, that is no fault of the one that could not.

    Raises
    ------
    OSError
        When it cannot.
    """
    try:
        with ExitStack() as stack:
            for _ in range(3):  # SQLite opens several for one database, and lets go of those it got
                stack.enter_context(open(os.devnull, 'rb'))
    except OSError as error:
        raise OSError(error.errno, 'too many files are open at a time; `ulimit -n 65536` allows more') from error


def _is_indexed(reader: Any) -> bool:
    """Whether rosbags finds the messages: it skips the chunks of an MCAP file that have no message index."""
    chunks = getattr(getattr(reader, 'storage', None), 'chunks', ())
    return not chunks or any(chunk.message_index_offsets for chunk in chunks)


@contextmanager
def _opened(reader: Any) -> Iterator[Any]:
    reader.open()
    try:
        yield reader
    finally:
        try:
            reader.close()
        except Exception:
            pass  # a damaged bag may not close either; everything was read by then
