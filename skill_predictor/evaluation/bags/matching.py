"""Finds the task that a recorded vector or allocation belongs to."""

from __future__ import annotations

from collections.abc import Hashable

from .clock import DAY_NS
from .events import RecordedAllocation, RecordedTask, RecordedVector

MOST_EARLY = 10_000
"""Most vectors that are kept because their task has not come yet."""


class _Alike:
    """Rows of one text whose tasks came without an id, in their order."""

    __slots__ = ('rows', 'unbound', 'next')

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.unbound = 0
        """Position of the first for which no vector has come."""
        self.next = [0, 0]
        """Position up to which all have an answer, and a label."""


class Rows:
    """Rows of tasks: by id and text, else, where the task came without an id, by text in order."""

    def __init__(self) -> None:
        self._first: dict[tuple[Hashable, str], int] = {}
        self._texts: dict[int, int | None] = {}
        # An id that was used again, and ids of vectors whose tasks had none: by all that is known.
        self._exact: dict[int, int] = {}
        self._nameless: dict[int, _Alike] = {}
        self._taken: set[tuple[int, bool]] = set()

    def add(self, task: RecordedTask, row: int) -> None:
        """Remember a task; no two have the same row."""
        if not task.task_id:
            key = hash((task.source, task.text))
            self._nameless.setdefault(key, _Alike()).rows.append(row)
        elif (task.source, task.task_id) in self._first:
            self._exact[hash((task.source, task.task_id, text_key(task.text)))] = row
        else:
            self._first[task.source, task.task_id] = row
            self._texts[row] = text_key(task.text)

    def known(self, source: Hashable, task_id: str, text: int | None) -> int | None:
        """The row of a task that has this id, or an answer under it; ``None``: there is none.

        Parameters
        ----------
        source, task_id
            Of a vector or an allocation.
        text
            From :func:`text_key`; ``None``: the id decides.
        """
        key = hash((source, task_id, text))
        if key in self._exact:
            return self._exact[key]
        first = self._first.get((source, task_id))
        if first is not None and (text is None or self._texts[first] == text):
            return first
        return None

    def find(self, vector: RecordedVector, is_label: bool) -> int | None:
        """The row of a vector's task; ``None``: there is none.

        Parameters
        ----------
        vector
            Its text may be empty; then the id decides.
        is_label
            Whether it says what is right. Answer and label of one task may have ids of their own.
        """
        text = text_key(vector.text)
        alike = self._nameless.get(hash((vector.source, vector.text)))
        row = self.known(vector.source, vector.task_id, text)
        if alike is None:
            return row
        if row is None:
            row = self._take(alike, is_label)
            if row is None:
                return None
            # The same id again is for the same task.
            self._exact[hash((vector.source, vector.task_id, text))] = row
        self._taken.add((row, is_label))
        return row

    def _take(self, alike: _Alike, is_label: bool) -> int | None:
        """The first row of which nothing is known, else the first that lacks an answer, or a label."""
        rows = alike.rows
        if alike.unbound < len(rows):
            alike.unbound += 1
            return rows[alike.unbound - 1]
        while (place := alike.next[is_label]) < len(rows):
            if (rows[place], is_label) not in self._taken:
                return rows[place]
            alike.next[is_label] += 1
        return None


class Early:
    """Vectors before their tasks: a clock was set back, or two topics were recorded in another order."""

    def __init__(self) -> None:
        self._by_id: dict[tuple[bool, Hashable, str], RecordedVector] = {}
        self._ids: dict[tuple[bool, Hashable, str], dict[str, None]] = {}

    def keep(self, vector: RecordedVector, is_label: bool) -> None:
        """Keep a vector, unless there are too many, or one of its id."""
        key = is_label, vector.source, vector.task_id
        if len(self._by_id) >= MOST_EARLY or key in self._by_id:
            return
        self._by_id[key] = vector
        # With simulated time it may be from before the recording, and a text alone proves nothing.
        if not vector.stamp_ns or abs(vector.time_ns - vector.stamp_ns) < DAY_NS:
            self._ids.setdefault((is_label, vector.source, vector.text), {})[vector.task_id] = None

    def take(self, task: RecordedTask) -> list[RecordedVector]:
        """The answer and the label of a task that comes now, as far as they are here."""
        found = []
        for is_label in (False, True):
            ids = self._ids.get((is_label, task.source, task.text), {})
            task_id = task.task_id or next(iter(ids), '')
            if not task.task_id and found and found[0].task_id in ids:
                task_id = found[0].task_id
            vector = self._by_id.get((is_label, task.source, task_id))
            if vector is not None and vector.text == task.text:
                del self._by_id[is_label, task.source, task_id]
                ids.pop(task_id, None)
                found.append(vector)
        return found


class Allocations:
    """Who was given each task first; tasks are looked up at the end, when all answers are known."""

    def __init__(self) -> None:
        self._robots: dict[tuple[Hashable, str, int | None], tuple[str, ...]] = {}

    def note(self, allocation: RecordedAllocation) -> None:
        """Look at the next one; of a task the first counts in which somebody is given it."""
        key = allocation.source, allocation.task_id, text_key(allocation.text)
        if not self._robots.get(key):
            self._robots[key] = tuple(sorted(allocation.robot_ids))

    def by_row(self, rows: Rows) -> dict[int, tuple[str, ...]]:
        """Robots by row; empty: nobody was given it."""
        found: dict[int, tuple[str, ...]] = {}
        for key, robots in self._robots.items():
            row = rows.known(*key)
            if row is not None and row >= 0 and not found.get(row):
                found[row] = robots
        return found


def text_key(text: str) -> int | None:
    """What stands for a text; ``None`` for an empty one, which tells nothing."""
    return hash(text) if text else None
