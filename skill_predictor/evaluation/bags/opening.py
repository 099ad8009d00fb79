"""The files of a bag, each opened by itself; what is wrong with one does not touch the others.

rosbag2's ``metadata.yaml`` is read for what it promises only: which files there are, and how many
messages. So a folder without it, or with a damaged one, is read all the same.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager, ExitStack
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from .salvage import salvage
from .untyped import is_unknown_language, UntypedDatabase

STORAGES = ('.mcap', '.db3')
METADATA = 'metadata.yaml'
_COMPRESSED = '.zstd'


class BagError(Exception):
    """A bag of which nothing can be evaluated; the message says why, and what to do."""


def open_files(path: Path, stack: ExitStack, troubles: list[str]) -> tuple[list[Any], dict[str, int]]:
    """Readers of all files of a bag that can be read, and how many messages are promised by topic.

    Parameters
    ----------
    path
        A folder of rosbag2, one of its files, or a ``.bag`` of ROS 1.
    stack
        Closes the readers, and removes what was unpacked.
    troubles
        Gets a sentence for everything that is wrong.

    Raises
    ------
    BagError
        When nothing can be read.
    """
    if not path.exists():
        raise BagError(f'there is no bag at {path}')
    if path.is_dir():
        return _open_folder(path, stack, troubles)
    try:
        reader = _open_file(path, stack, troubles)
    except Exception as error:  # the libraries below raise errors of their own kinds
        raise BagError(f'{path} cannot be read: {_reason(error)}{_advice(path)}') from error
    return [reader], {}


def _open_folder(path: Path, stack: ExitStack, troubles: list[str]
                 ) -> tuple[list[Any], dict[str, int]]:
    files = _storage_files(path)
    if not files:
        raise BagError(f'{path} is no bag: there is no .mcap or .db3 file in it')
    listed, promised = _metadata(path, troubles)
    names = {_plain_name(file) for file in files}
    if listed is not None:
        troubles += [f'{name} is listed in {METADATA} and is not there' for name in listed
                     if name not in names]
        troubles += [f'{file.name} is not listed in {METADATA}; it is read as well'
                     for file in files if _plain_name(file) not in listed]
    readers, lost = [], []
    for file in files:
        try:
            readers.append(_open_file(file, stack, troubles))
        except Exception as error:
            lost.append(f'{file.name} cannot be read ({_reason(error)}); it is left out'
                        f'{_advice(file)}')
    troubles += lost
    if not readers:
        raise BagError(f'{path} is no readable bag: {"; ".join(troubles)}')
    return readers, promised


def _metadata(path: Path, troubles: list[str]) -> tuple[set[str] | None, dict[str, int]]:
    """Names of the files, without compression's ending, and messages by topic; ``None``: unknown."""
    try:
        info = yaml.safe_load((path / METADATA).read_text(encoding='utf-8'))[
            'rosbag2_bagfile_information']
        listed = {_plain_name(Path(name)) for name in info['relative_file_paths']}
        promised: dict[str, int] = {}
        for entry in info['topics_with_message_count']:
            topic = entry['topic_metadata']['name']
            promised[topic] = promised.get(topic, 0) + int(entry['message_count'])
        return listed, promised
    except FileNotFoundError:
        reason = f'there is no {METADATA}'
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        reason = f'{METADATA} is damaged ({_reason(error).splitlines()[0]})'
    troubles.append(f'{reason}; the files of the folder are read one by one')
    return None, {}


def _storage_files(path: Path) -> list[Path]:
    """Files with messages; of one that is there compressed and not, the one that is not."""
    found = {}
    for file in sorted(path.iterdir()):
        name = _plain_name(file)
        if name.endswith(STORAGES) and file.is_file():
            if name not in found or file.suffix != _COMPRESSED:
                found[name] = file
    return list(found.values())


def _plain_name(file: Path) -> str:
    return file.name.removesuffix(_COMPRESSED)


def _open_file(file: Path, stack: ExitStack, troubles: list[str]) -> Any:
    from rosbags.rosbag1 import Reader as Reader1
    from rosbags.rosbag2 import Reader as Reader2
    log = file.with_name(file.name + '-wal')
    if log.exists() and log.stat().st_size:
        troubles.append(f'{log.name} holds messages that are not in {file.name} yet, and are not '
                        f"read; `sqlite3 {file.name} 'PRAGMA wal_checkpoint(TRUNCATE)'` puts them in")
    source = file
    if file.suffix == _COMPRESSED:
        source = _unpack(file, stack)
    elif any(character in str(file.resolve()) for character in '#?%'):
        # The path becomes part of an address, in which these mean something else.
        source = _folder(stack) / f'plain{file.suffix}'
        source.symlink_to(file.resolve())
    try:
        return stack.enter_context(_open((Reader1 if file.suffix == '.bag' else Reader2)(source)))
    except Exception as error:
        if is_unknown_language(error) and source.suffix == '.db3':
            return stack.enter_context(_open(UntypedDatabase(source)))
        left = salvage(source)
        if left is None:
            raise
        if is_unknown_language(error):
            return stack.enter_context(_open(left))  # nothing is damaged
        troubles.append(f'{file.name} cannot be read whole ({_reason(error)}); what comes before '
                        'the damage is read')
        return stack.enter_context(_open(left))


def _unpack(file: Path, stack: ExitStack) -> Path:
    from .zstandard import zstd
    target = _folder(stack) / _plain_name(file)
    with zstd().open(file, 'rb') as source, open(target, 'wb') as sink:
        shutil.copyfileobj(source, sink)
    return target


def _folder(stack: ExitStack) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix='skill_predictor_bag_')))


@contextmanager
def _open(reader: Any) -> Iterator[Any]:
    reader.open()
    try:
        yield reader
    finally:
        try:
            reader.close()
        except Exception:
            pass  # a damaged bag may not close either; everything was read by then


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _advice(path: Path) -> str:
    if path.suffix != '.db3':
        return ''
    return f'. `sqlite3 {os.path.basename(path)} .recover | sqlite3 repaired.db3` may repair it'
