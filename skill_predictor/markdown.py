"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_ESCAPED = str.maketrans({'|': '\\|', '\n': ' '})


def table(header: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A table without a line feed at its end; the first column is of words, the others of numbers.

    Parameters
    ----------
    header
        Headings.
    rows
        Cells; whole numbers get separators.
    """
    lines = [header, ['---', *['---:'] * (len(header) - 1)], *rows]
    return '\n'.join(f'| {" | ".join(map(_cell, line))} |' for line in lines)


def _cell(value: object) -> str:
    text = f'{value:,}' if type(value) is int else str(value)
    return text.translate(_ESCAPED)
