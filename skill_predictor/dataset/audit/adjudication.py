"""Joining the two labellings, and deciding where they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..groups import without_lonely_groups
from ..records import TaskRecord
from .records import AuditEntry


class AuditError(ValueError):
    """Labels and tasks that do not fit together; the message names the task."""


@dataclass(frozen=True)
class Decision:
    """What was decided on a disagreement.

    Attributes
    ----------
    label : tuple of str, or None
        The right label; ``None``: the text settles no label, the task is to go.
    rule : int
        Rule of the guide that decided.
    reason : str
        How it decided, in words.
    """

    label: tuple[str, ...] | None
    rule: int
    reason: str = ''


def compare(tasks: Sequence[TaskRecord], why: Mapping[str, str],
            second: Mapping[str, tuple[str, ...]], annotator: Mapping[str, str] | str = ''
            ) -> list[AuditEntry]:
    """Audit entries of newly relabelled tasks, in the order of ``tasks``.

    Parameters
    ----------
    tasks
        With the writers' labels.
    why
        Id to reason, from :func:`.selection.select`.
    second
        Id to the second annotator's label.
    annotator
        Name of the second annotator, for all or by id.

    Raises
    ------
    AuditError
        When an id of ``second`` was not asked for.
    """
    for task in second:
        if task not in why:
            raise AuditError(f'there is a second label for the task {task!r}, which is not in the '
                             'queue; name the queue that it was in, or take the line out')
    def name(task: str) -> str:
        return annotator if isinstance(annotator, str) else annotator.get(task, '')
    return [AuditEntry(task.id, why[task.id], task.label or (), second[task.id], name(task.id))
            for task in tasks if task.id in second]


def decide(entries: Sequence[AuditEntry], decisions: Mapping[str, Decision]) -> list[AuditEntry]:
    """The audit with decisions written into it.

    Raises
    ------
    AuditError
        When a decision is about a task that was not relabelled.
    """
    known = {entry.id for entry in entries}
    for task in decisions:
        if task not in known:
            raise AuditError(f'there is a decision on the task {task!r}, which was not relabelled; '
                             'name the audit that has it, or take the line out')
    return [_decided(entry, decisions.get(entry.id)) for entry in entries]


def _decided(entry: AuditEntry, decision: Decision | None) -> AuditEntry:
    if decision is None:
        return entry
    return replace(entry, final=decision.label, dropped=decision.label is None, rule=decision.rule,
                   reason=decision.reason)


def apply(tasks: Sequence[TaskRecord], entries: Sequence[AuditEntry]) -> list[TaskRecord]:
    """Tasks with the labels that count.

    Tasks with an open disagreement stay as they are; dropped ones are left out, and what was in a
    group with nothing but dropped ones is in a group no more.
    """
    settled = {entry.id: entry.settled for entry in entries if entry.settled is not None}
    dropped = {entry.id for entry in entries if entry.dropped}
    return without_lonely_groups([replace(task, label=settled.get(task.id, task.label))
                                  for task in tasks if task.id not in dropped])
