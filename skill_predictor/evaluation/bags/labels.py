"""What is right about recorded tasks, from a file of labelled ones."""

from __future__ import annotations

import os
from collections.abc import Iterable

from ...dataset.records import read_tasks, TaskRecord


class Labels:
    """Finds the label of a recorded task: that of the same text.

    An id alone says nothing: planners begin to count anew, and two recordings may use one id for
    different texts. Where a text is labelled several times, the id says which one is meant; with
    none of these ids a label counts that they all share.

    Parameters
    ----------
    tasks
        Labelled ones.
    """

    def __init__(self, tasks: Iterable[TaskRecord] = ()) -> None:
        self._by_text: dict[str, dict[str, tuple[str, ...]]] = {}
        for task in tasks:
            self._by_text.setdefault(_plain(task.text), {})[task.id] = task.label or ()

    def of(self, task_id: str, text: str) -> tuple[str, ...] | None:
        """Required skills of a task, or ``None`` when they are not known."""
        found = self._by_text.get(_plain(text), {})
        if task_id in found:
            return found[task_id]
        distinct = set(found.values())
        return distinct.pop() if len(distinct) == 1 else None


def read_labels(path: str | os.PathLike) -> Labels:
    """Labels from JSON Lines.

    Raises
    ------
    RecordError
        When the file is no labelled dataset.
    """
    return Labels(read_tasks(path, require_label=True))


def _plain(text: str) -> str:
    """A text without the white space that editors and shells change."""
    return ' '.join(text.split())
