"""Finds the task that a recorded vector belongs to."""

from __future__ import annotations

from collections import Counter

from .events import RecordedTask, RecordedVector


class Rows:
    """Rows of tasks: by id and text, else, where the task came without an id, by text in order."""

    def __init__(self) -> None:
        self._first: dict[tuple[int, str], int] = {}
        self._texts: dict[int, int] = {}
        # An id that was used again, and ids of vectors whose tasks had none: by all that is known.
        self._exact: dict[int, int] = {}
        self._nameless: dict[int, list[int]] = {}
        self._taken: Counter[tuple[bool, int]] = Counter()

    def add(self, task: RecordedTask, row: int) -> None:
        """Remember a task."""
        if not task.task_id:
            self._nameless.setdefault(hash((task.source, task.text)), []).append(row)
        elif (task.source, task.task_id) in self._first:
            self._exact[hash((task.source, task.task_id, task.text))] = row
        else:
            self._first[task.source, task.task_id] = row
            self._texts[row] = hash(task.text)

    def find(self, vector: RecordedVector, is_label: bool) -> int | None:
        """The row; ``None``: there is none.

        Parameters
        ----------
        vector
            Its text may be empty; then the id decides.
        is_label
            Answers and labels are counted apart.
        """
        key = hash((vector.source, vector.task_id, vector.text))
        if key in self._exact:
            return self._exact[key]
        first = self._first.get((vector.source, vector.task_id))
        if first is not None and (not vector.text or self._texts[first] == hash(vector.text)):
            return first
        text = hash((vector.source, vector.text))
        rows, taken = self._nameless.get(text, ()), self._taken[is_label, text]
        if taken >= len(rows):
            return None
        self._taken[is_label, text] += 1
        self._exact[key] = rows[taken]  # the same vector again is for the same task
        return rows[taken]
