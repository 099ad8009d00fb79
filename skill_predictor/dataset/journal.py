"""JSON Lines files, one object with an id per line, that are their own journal.

Objects are appended, so a run that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from .records import RecordError

T = TypeVar('T')


def read(path: str | os.PathLike, parse: Callable[[Mapping[str, Any]], T],
         wanted: str) -> dict[str, T]:
    """What the lines of a file hold, by id, in order; blank lines are skipped.

    Parameters
    ----------
    path
        A UTF-8 file.
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
    try:
        lines = Path(path).read_text(encoding='utf-8').split('\n')
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f'cannot be read: {error}', os.fspath(path)) from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            if not isinstance(entry, dict):
                raise TypeError('it is no JSON object')
            task = str(entry['id'])
            if task in values:
                raise ValueError(f'the task {task!r} is in this file already')
            values[task] = parse(entry)
        except (KeyError, TypeError, ValueError) as error:
            reason = f'it lacks {error}' if isinstance(error, KeyError) else str(error)
            raise RecordError(f'is no {wanted}: {reason}', os.fspath(path), number) from error
    return values


def cut_torn_line(path: str | os.PathLike) -> None:
    """Cut a last line without an end, which a killed run left, off a file.

    Raises
    ------
    OSError
        When the file cannot be read or changed.
    """
    path = Path(path)
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b'\n') + 1
    if whole < len(content):
        with open(path, 'r+b') as stream:
            stream.truncate(whole)


def append(path: str | os.PathLike, entries: Iterable[Mapping[str, Any]]) -> None:
    """Append entries, one line each, in one write.

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    lines = ''.join(json.dumps(entry, ensure_ascii=False) + '\n' for entry in entries)
    with open(path, 'a', encoding='utf-8', newline='\n') as stream:
        stream.write(lines)
