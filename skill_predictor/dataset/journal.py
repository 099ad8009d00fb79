"""JSON Lines files, one object with an id per line, that are their own journal.

Objects are appended, so a run that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from .lines import check_characters, decode, numbered_lines
from .records import RecordError

T = TypeVar('T')

_BEGINNING = b'{"id": '
"""Of every line that :func:`append` writes."""


def read(path: str | os.PathLike, parse: Callable[[Mapping[str, Any]], T],
         wanted: str) -> dict[str, T]:
    """What the lines of a file hold, by id, in order; blank lines are skipped.

    Parameters
    ----------
    path
        A UTF-8 file; a byte order mark is tolerated.
    parse
        Makes a value of an object; raises KeyError, TypeError or ValueError when it cannot.
    wanted
        What a line should be, for the error.

    Raises
    ------
    RecordError
        When the file cannot be read, or a line is not what is wanted or repeats an id.
    """
    values: dict[str, T] = {}
    for name, number, raw in numbered_lines(path):
        try:
            line = decode(raw, number)
            if not line.strip():
                continue
            entry = _object(line)
            task = _id(entry['id'])
            if task in values:
                raise ValueError(f'the task {task!r} is in this file already; keep one of the two')
            values[task] = parse(entry)
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            reason = f'it lacks {error}' if isinstance(error, KeyError) else str(error)
            raise RecordError(f'is no {wanted}: {reason}', name, number) from error
    return values


def _object(line: str) -> dict[str, Any]:
    entry = json.loads(line)
    if not isinstance(entry, dict):
        raise TypeError('it is no JSON object')
    if '\\u' in line:  # only an escape can make half a pair of what was UTF-8
        check_characters(entry, 'it')
    return entry


def _id(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)) or value == '':
        raise ValueError(f'"id" is {value!r}; write the id of the task there, as a text')
    return str(value)


def cut_torn_line(path: str | os.PathLike) -> str:
    """Cut a last line that a killed run left half written off a file, and say so on stderr.

    Nothing else is changed: a last line that lacks nothing but its line feed stays.

    Returns
    -------
    str
        What was cut; empty: nothing.

    Raises
    ------
    RecordError
        When a line is no JSON object, so that the file is none of ours; it stays as it is.
    OSError
        When the file cannot be read or changed.
    """
    path = Path(path)
    if not path.is_file():  # a pipe holds nothing to go on from
        return ''
    content = path.read_bytes()
    whole = content.rfind(b'\n') + 1
    for number, line in enumerate(content.split(b'\n'), 1):
        if not line.strip() or _is_object(line, number):
            continue
        last = content.count(b'\n') + 1
        if number < last or not (line.startswith(_BEGINNING) or _BEGINNING.startswith(line)):
            raise RecordError('is no JSON object, so nothing is added to this file; correct the '
                              'line, or name another file', os.fspath(path), number)
        with open(path, 'r+b') as stream:
            stream.truncate(whole)
        torn = line.decode('utf-8', errors='replace')
        print(f'{path}: the last line was half written and is cut: {torn}', file=sys.stderr)
        return torn
    return ''


def _is_object(line: bytes, number: int) -> bool:
    try:
        return isinstance(json.loads(decode(line, number)), dict)
    except (ValueError, RecursionError):
        return False


def append(path: str | os.PathLike, entries: Iterable[Mapping[str, Any]]) -> None:
    """Append entries, one line each, in one write.

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    lines = ''.join(json.dumps(entry, ensure_ascii=False) + '\n' for entry in entries)
    if lines and _lacks_line_feed(path):
        lines = '\n' + lines
    with open(path, 'a', encoding='utf-8', newline='\n') as stream:
        stream.write(lines)


def _lacks_line_feed(path: str | os.PathLike) -> bool:
    if not os.path.isfile(path) or not os.path.getsize(path):
        return False
    with open(path, 'rb') as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) != b'\n'
