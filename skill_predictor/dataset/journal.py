"""JSON Lines files that are their own journal: a run that was stopped goes on where it was."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


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
