"""The files of a bag, each looked at by itself; what is wrong with one does not touch the others.

rosbag2's ``metadata.yaml`` is read for what it promises only: which files there are, and how many
messages. So a folder without it, or with a damaged one, is read all the same.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from .files import (
    advice, COMPRESSED, expect_open_files_to_spare, plain_name, reason, StoredFile)

STORAGES = ('.mcap', '.db3')
METADATA = 'metadata.yaml'


class BagError(Exception):
    """A bag of which nothing can be evaluated; the message says why, and what to do."""


def find_files(path: Path, troubles: list[str]) -> tuple[list[StoredFile], dict[str, int]]:
    """All files of a bag that can be read, and how many messages are promised by topic.

    Parameters
    ----------
    path
        A folder of rosbag2, one of its files, or a ``.bag`` of ROS 1.
    troubles
        Gets a sentence for everything that is wrong.

    Raises
    ------
    BagError
        When nothing can be read.
    OSError
        When too many files are open.
    """
    try:
        if not path.exists():
            raise BagError(f'there is no bag at {path}')
        if path.is_dir():
            return _files_of_folder(path, troubles)
    except OSError as error:  # no permission, or too long a name
        raise BagError(f'{path} cannot be read: {error.strerror}') from error
    try:
        return [StoredFile(path, troubles)], {}
    except Exception as error:  # the libraries below raise errors of their own kinds
        expect_open_files_to_spare()
        raise BagError(f'{path} cannot be read: {reason(error)}{advice(path)}') from error


def _files_of_folder(path: Path, troubles: list[str]) -> tuple[list[StoredFile], dict[str, int]]:
    paths = _storage_files(path)
    if not paths:
        raise BagError(f'{path} is no bag: there is no .mcap or .db3 file in it')
    listed, promised = _metadata(path, troubles)
    names = {plain_name(file) for file in paths}
    if listed is not None:
        troubles += [f'{name} is listed in {METADATA} and is not there' for name in listed
                     if name not in names]
        troubles += [f'{file.name} is not listed in {METADATA}; it is read as well'
                     for file in paths if plain_name(file) not in listed]
    files, lost = [], []
    for file in paths:
        try:
            files.append(StoredFile(file, troubles))
        except Exception as error:
            expect_open_files_to_spare()
            lost.append(f'{file.name} cannot be read ({reason(error)}); it is left out'
                        f'{advice(file)}')
    troubles += lost
    if not files:
        raise BagError(f'{path} is no readable bag: {"; ".join(troubles)}')
    return files, promised


def _metadata(path: Path, troubles: list[str]) -> tuple[set[str] | None, dict[str, int]]:
    """Names of the files, without compression's ending, and messages by topic; ``None``: unknown."""
    try:
        info = yaml.safe_load((path / METADATA).read_text(encoding='utf-8'))[
            'rosbag2_bagfile_information']
        listed = {plain_name(Path(name)) for name in info['relative_file_paths']}
        promised: dict[str, int] = {}
        for entry in info['topics_with_message_count']:
            topic = entry['topic_metadata']['name']
            promised[topic] = promised.get(topic, 0) + int(entry['message_count'])
        return listed, promised
    except FileNotFoundError:
        why = f'there is no {METADATA}'
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        why = f'{METADATA} is damaged ({reason(error).splitlines()[0]})'
    troubles.append(f'{why}; the files of the folder are read one by one')
    return None, {}


def _storage_files(path: Path) -> list[Path]:
    """Files with messages; of one that is there compressed and not, the one that is not."""
    found = {}
    for file in sorted(path.iterdir()):
        name = plain_name(file)
        if name.endswith(STORAGES) and file.is_file():
            if name not in found or file.suffix != COMPRESSED:
                found[name] = file
    return list(found.values())
