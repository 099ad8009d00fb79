"""Lines of files that people and programs write, one JSON object each, and errors that name them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, IO


class RecordError(ValueError):
    """A line, or a file, that is no task record.

    Attributes
    ----------
    source : str
        Name of the file or stream.
    line : int
        Number of the line, from 1; 0 when the file as a whole cannot be read.
    """

    def __init__(self, problem: str, source: str, line: int = 0) -> None:
        super().__init__(f'{source}, line {line}: {problem}' if line else f'{source}: {problem}')
        self.source = source
        self.line = line


def numbered_lines(source: str | os.PathLike | IO) -> Iterator[tuple[str, int, str | bytes]]:
    """Name of the source, number from 1 and content of each line, which ends at a line feed only.

    Raises
    ------
    RecordError
        When the source cannot be read, or a text stream is not UTF-8.
    """
    if isinstance(source, (str, os.PathLike)):
        name = os.fspath(source)
        try:
            # As bytes: one undecodable line must not take the others with it.
            with open(source, 'rb') as stream:
                yield from _numbered(stream, name)
        except OSError as error:
            raise RecordError(f'cannot be read: {error.strerror or error}', name) from error
    else:
        yield from _numbered(source, str(getattr(source, 'name', '') or 'input'))


def _numbered(stream: IO, name: str) -> Iterator[tuple[str, int, str | bytes]]:
    lines = iter(stream)
    number = 0
    while True:
        number += 1
        try:
            line = next(lines)
        except StopIteration:
            return
        except UnicodeDecodeError as error:
            # A text stream decodes many lines at once: which one is bad is not known.
            raise RecordError(f'is not UTF-8 ({error.reason}); save it as UTF-8', name) from error
        yield name, number, line


def decode(raw: str | bytes, number: int) -> str:
    """Text of a line, without the byte order mark of the first one.

    Raises
    ------
    ValueError
        When it is not UTF-8.
    """
    try:
        if isinstance(raw, bytes):
            raw = raw.decode('utf-8')
        else:
            raw.encode('utf-8')  # fails for bytes that a lenient stream let through as surrogates
    except UnicodeError as error:
        raise ValueError(f'is not UTF-8 ({error.reason}); save the file as UTF-8') from error
    return raw.removeprefix('\ufeff') if number == 1 else raw


def check_characters(value: Any, what: str) -> None:
    """Refuse texts, also those inside of lists and objects, that no file can hold.

    Raises
    ------
    ValueError
        When a text holds half of a surrogate pair.
    """
    if isinstance(value, str):
        try:
            value.encode('utf-8')
        except UnicodeEncodeError:
            raise ValueError(f'{what} holds half of a surrogate pair, which is no character; '
                             'write the character itself, as UTF-8') from None
    elif isinstance(value, dict):
        for key, part in value.items():
            check_characters(key, what)
            check_characters(part, what)
    elif isinstance(value, list):
        for part in value:
            check_characters(part, what)
