"""The last steps of ``skill-predictor data audit``: compare two labellings, and decide."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO, TYPE_CHECKING

from ...dataset import journal
from ...dataset.records import RecordError, TaskRecord, write_objects, write_tasks
from ...outputs import require_writable
from .options import read_all

if TYPE_CHECKING:
    from ...dataset.audit.adjudication import Decision
    from ...dataset.audit.records import AuditEntry


def beside(path: str | None) -> TextIO:
    """Where a summary goes: not into the data, where these go to standard output."""
    return sys.stderr if path == '-' else sys.stdout


def add_compare(step: argparse.ArgumentParser) -> None:
    """Add the options of ``compare``."""
    step.add_argument('--queue', required=True, metavar='FILE', help='what was to be labelled')
    step.add_argument('--answers', required=True, metavar='FILE', help="the second annotator's "
                      'labels, {"id": ..., "label": [...]} per line')
    step.add_argument('--annotator', default='', metavar='NAME', help="the annotator's name")
    step.add_argument('--audit', required=True, metavar='FILE', help='the audit; it is added to')
    step.add_argument('--disagreements', metavar='FILE',
                      help='write all that the audit has to be decided to FILE as JSON lines; '
                      'what has been filled in there stays')


def compare(args: argparse.Namespace) -> int:
    """Measure the agreement, add to the audit, list the disagreements."""
    from ...dataset.audit import adjudication
    from ...dataset.audit.agreement import agreement_by_reason
    from ...dataset.audit.records import read_audit, why_of, write_audit
    from ...dataset.audit.relabel import read_answers
    tasks = read_all(args.tasks)
    why = journal.read(args.queue, lambda entry: why_of(entry.get('why', 'sample')),
                       'line of a queue')
    known = read_audit(args.audit) if Path(args.audit).exists() else []
    filled_in = _disagreements(args.disagreements)
    for path in filter(None, (args.audit, args.disagreements)):
        require_writable(path)
    answers = read_answers(args.answers)
    try:
        compared = adjudication.compare(tasks, why, answers, args.annotator)
    except adjudication.AuditError as error:
        raise RecordError(str(error), args.answers) from error
    before = {entry.id: entry for entry in known}
    new = [entry for entry in compared if entry.id not in before]
    agreement = agreement_by_reason(new)
    write_audit([*known, *new], args.audit)
    still_open = [entry for entry in (*known, *new) if entry.open]
    if args.disagreements:
        texts = {task.id: task.text for task in tasks}
        write_objects(_to_decide(still_open, filled_in, texts), args.disagreements)
    for count, what in (
            (len(why.keys() - answers.keys()), 'tasks of the queue have no answer yet'),
            (len(answers.keys() - {task.id for task in tasks}),
             f'answers are on tasks that are not in {", ".join(map(str, args.tasks))}'),
            (sum(entry.id in before and entry.second != before[entry.id].second
                 for entry in compared),
             'answers are others than those in the audit, which stay')):
        if count:
            print(f'{count} {what}', file=sys.stderr)
    stream = beside(args.disagreements)
    for reason, found in agreement.items():
        print(f'{reason:9} {found.tasks:6} tasks, exact match {found.exact_match:.3f}', file=stream)
    print(f'{len(new)} tasks added to {args.audit}, {len(still_open)} to be decided', file=stream)
    return 0


def _disagreements(path: str | None) -> dict[str, Mapping[str, Any]]:
    """Lines of an earlier file of disagreements, in which decisions may stand."""
    if not path or not Path(path).is_file():
        return {}

    def parse(entry: Mapping[str, Any]) -> Mapping[str, Any]:
        entry['final']  # of any other file nothing is replaced
        return entry
    return journal.read(path, parse, 'disagreement')


def _to_decide(still_open: Sequence[AuditEntry], filled_in: Mapping[str, Mapping[str, Any]],
               texts: Mapping[str, str]) -> list[Mapping[str, Any]]:
    opened = {entry.id for entry in still_open}
    kept = [line for task, line in filled_in.items()
            if task in opened or line['final'] is not None]
    return [*kept, *({'id': entry.id, 'text': texts.get(entry.id, ''), 'first': list(entry.first),
                      'second': list(entry.second), 'final': None, 'rule': 0, 'reason': ''}
                     for entry in still_open if entry.id not in filled_in)]


def add_decide(step: argparse.ArgumentParser) -> None:
    """Add the options of ``decide``."""
    step.add_argument('--audit', required=True, metavar='FILE', help='the audit; it is changed')
    step.add_argument('--decisions', required=True, metavar='FILE', help='the disagreements with '
                      '"final" (a label, or "drop"), "rule" and "reason" filled in')
    step.add_argument('--output', required=True, metavar='FILE',
                      help='the tasks with the labels that count')


def decide(args: argparse.Namespace) -> int:
    """Write decisions into the audit and the tasks."""
    from ...dataset.audit import adjudication
    from ...dataset.audit.records import read_audit, write_audit
    require_writable(args.output)
    tasks = read_all(args.tasks)
    try:
        entries = adjudication.decide(read_audit(args.audit), _decisions(args.decisions))
    except adjudication.AuditError as error:
        raise RecordError(str(error), args.decisions) from error
    audited = adjudication.apply(tasks, entries)
    # The audit first: the tasks can be made from it again.
    write_audit(entries, args.audit)
    write_tasks(audited, args.output)
    still_open = sum(entry.open for entry in entries)
    print(f'{len(audited)} tasks in {args.output}, {len(tasks) - len(audited)} dropped, '
          f'{_changed(tasks, audited)} labels changed, {still_open} disagreements still open',
          file=beside(args.output))
    return 1 if still_open else 0


def _changed(before: Sequence[TaskRecord], after: Sequence[TaskRecord]) -> int:
    labels = {task.id: task.label for task in before}
    return sum(labels[task.id] != task.label for task in after)


def _decisions(path: str) -> dict[str, Decision]:
    from ...dataset.audit.adjudication import Decision
    from ...dataset.audit.records import label_of, reason_of, rule_of

    def parse(entry: Mapping[str, Any]) -> Decision | None:
        final = entry.get('final')
        if final is None:
            return None  # not decided yet
        try:
            label = None if final == 'drop' else label_of(final)
        except ValueError as error:
            raise ValueError(f'"final": {error}; write a list of skills, like '
                             '["wheels", "hands"] or [], or "drop"') from error
        return Decision(label, rule_of(entry.get('rule', 0)), reason_of(entry.get('reason', '')))
    decided = journal.read(path, parse, 'decision')
    return {task: decision for task, decision in decided.items() if decision is not None}
