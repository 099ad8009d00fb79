"""What is kept of an audit: one JSON line per relabelled task.

::

    {"id": "w01-007", "why": "boundary", "first": ["wheels"], "second": ["wheels", "hands"],
     "annotator": "a3", "final": ["wheels", "hands"], "rule": 5, "reason": "the tray is picked up"}

``final`` (or ``"dropped": true``, where the text settles no label), ``rule`` and ``reason`` are there
for disagreements that have been decided. A dropped task stays in the audit, so that the agreement is
that of all tasks that were labelled twice.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...taxonomy import ordered, UnknownSkillError
from .. import journal
from ..records import write_objects

REASONS = ('boundary', 'sample', 'doubt', 'rest')
"""Why a task was labelled again: it tests a boundary, it was drawn, a model doubts its label, or
simply all were."""

MAX_RULE = 18
"""Rules of the labelling guide are numbered from 1 to this."""


@dataclass(frozen=True)
class AuditEntry:
    """One task that was labelled twice.

    Attributes
    ----------
    id : str
        The task's.
    why : str
        One of :data:`REASONS`.
    first, second : tuple of str
        The writer's label and the second annotator's, who did not see it.
    annotator : str
        Name of the second annotator.
    final : tuple of str, or None
        What was decided; ``None``: nothing was to be decided, or it has not been yet.
    rule : int
        Rule of the guide that decided; 0: none was needed.
    reason : str
        How it decided, in words.
    dropped : bool
        Whether the task was taken out of the data.
    """

    id: str
    why: str
    first: tuple[str, ...]
    second: tuple[str, ...]
    annotator: str = ''
    final: tuple[str, ...] | None = None
    rule: int = 0
    reason: str = ''
    dropped: bool = False

    @property
    def agreed(self) -> bool:
        """Whether both annotators gave the same label."""
        return self.first == self.second

    @property
    def settled(self) -> tuple[str, ...] | None:
        """The label that counts; ``None`` while a disagreement is open, or when the task is dropped."""
        return self.first if self.final is None and self.agreed else self.final

    @property
    def open(self) -> bool:
        """Whether there is something to decide."""
        return self.settled is None and not self.dropped


def read_audit(path: str | os.PathLike) -> list[AuditEntry]:
    """Audit entries of a JSON Lines file, in order.

    Raises
    ------
    RecordError
        When the file cannot be read, a line is no audit entry, or a task is in it twice.
    """
    return list(journal.read(path, _parse, 'audit entry').values())


def _parse(entry: Mapping[str, Any]) -> AuditEntry:
    final = entry.get('final')
    return AuditEntry(
        id=str(entry['id']), why=why_of(entry['why']), first=label_of(entry['first']),
        second=label_of(entry['second']), annotator=str(entry.get('annotator', '')),
        final=None if final is None else label_of(final), rule=rule_of(entry.get('rule', 0)),
        reason=reason_of(entry.get('reason', '')), dropped=entry.get('dropped') is True)


def why_of(value: Any) -> str:
    """The value of a ``why``; raises ValueError when it is none of :data:`REASONS`."""
    if value not in REASONS:
        raise ValueError(f'"why" is {value!r}, not one of {", ".join(REASONS)}')
    return value


def rule_of(value: Any) -> int:
    """The value of a ``rule``; raises ValueError when it is no rule of the guide, nor 0 for none."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_RULE:
        raise ValueError(f'"rule" is {value!r}; the guide has rules 1 to {MAX_RULE}, 0 is for none')
    return value


def reason_of(value: Any) -> str:
    """The value of a ``reason``; raises ValueError when it is no text."""
    if not isinstance(value, str):
        raise ValueError(f'"reason" is {value!r}; write it as a text in double quotes')
    return value


def label_of(value: Any) -> tuple[str, ...]:
    """The value of a label, in vector order; raises ValueError when it is no list of skills."""
    if not isinstance(value, list):
        raise ValueError(f'a label is a list of skills, not {value!r}')
    try:
        return ordered(value)
    except UnknownSkillError as error:
        raise ValueError(str(error)) from error


def write_audit(entries: Iterable[AuditEntry], path: str | os.PathLike) -> None:
    """Write audit entries to a JSON Lines file, which appears whole or not at all.

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    write_objects(map(_as_dict, entries), Path(path))


def _as_dict(entry: AuditEntry) -> dict[str, Any]:
    fields: dict[str, Any] = {'id': entry.id, 'why': entry.why, 'first': list(entry.first),
                              'second': list(entry.second)}
    if entry.annotator:
        fields['annotator'] = entry.annotator
    if entry.final is not None:
        fields['final'] = list(entry.final)
    if entry.dropped:
        fields['dropped'] = True
    if entry.rule:
        fields['rule'] = entry.rule
    if entry.reason:
        fields['reason'] = entry.reason
    return fields
