"""``skill-predictor evaluate``: scores of a model on labelled tasks."""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
from collections.abc import Sequence
from contextlib import closing, ExitStack
from pathlib import Path
from typing import Any, TYPE_CHECKING

from . import (add_model_options, add_prediction_options, load_predictor, output, progress_bar,
               standard_input, UsageError)
from .predict import answer
from ..dataset.records import read_tasks, RecordError, TaskRecord
from ..outputs import same_file
from ..taxonomy import SKILLS

if TYPE_CHECKING:
    from ..evaluation.run import Evaluation, Outcome
    from ..inference.predictor import SkillPredictor

_EXAMPLES = """\
A line of FILE is a task with its label, such as
{"id": "t-1", "text": "Sweep the deck", "label": ["wheels"]}. A task whose text cannot be read
counts as wrong in all six skills.

examples:
  skill-predictor evaluate --input labelled.jsonl
  skill-predictor evaluate --input labelled.jsonl --json report.json --output vectors.jsonl
  skill-predictor evaluate --input labelled.jsonl --precision fp32 --threshold hands=0.4
"""


LABELS = {'macro_f1': 'macro F1', 'micro_f1': 'micro F1', 'hamming_loss': 'Hamming loss'}


def add_parser(subparsers) -> None:
    """Add the sub-command to the parser."""
    parser = subparsers.add_parser(
        'evaluate', help='score a model on labelled tasks', epilog=_EXAMPLES,
        description='Score a model on labelled tasks, and time it on each.')
    parser.add_argument('--input', metavar='FILE', required=True,
                        help='labelled tasks as JSON lines; -: standard input')
    parser.add_argument('--json', metavar='FILE',
                        help='write the report to FILE; -: to standard output, and no table')
    parser.add_argument('--output', metavar='FILE',
                        help='write probabilities and label of each task to FILE as JSON lines; '
                        '-: to standard output, and no table')
    add_model_options(parser)
    add_prediction_options(parser)


def run(args: argparse.Namespace) -> int:
    """Score; 0 even when some tasks could not be read, because they are scored as wrong."""
    from ..evaluation.metrics import scikit_learn
    from ..evaluation.run import evaluate, predict_each
    same = same_file({'--json': args.json, '--output': args.output,
                      '--input': None if args.input == '-' else args.input})
    if same is not None:
        raise UsageError(f'{same[0]} and {same[1]} need a file each')
    scikit_learn()  # slow to load; missing, better found out now than after the predictions
    content = _read(args.input)
    records = _parse(args.input, content)
    with ExitStack() as stack:
        report = stack.enter_context(output(args.json)) if args.json else None
        vectors = stack.enter_context(output(args.output)) if args.output else None
        predictor = stack.enter_context(closing(load_predictor(args)))
        with progress_bar(len(records)) as done:
            outcomes = predict_each(predictor, records, done)
        evaluation = evaluate(outcomes)
        _complain(outcomes)
        if vectors:
            _write_vectors(vectors, outcomes)
        if report:
            about = _about(predictor, args.input, content)
            report.write(json.dumps({**about, **evaluation.to_dict()}, indent=2) + '\n')
        if '-' not in (args.json, args.output):
            _show(predictor, evaluation)
    return 0


def _read(path: str) -> bytes:
    return standard_input().buffer.read() if path == '-' else Path(path).read_bytes()


def _parse(path: str, content: bytes) -> list[TaskRecord]:
    """Read all labelled tasks; one damaged line makes the scores those of another file."""
    stream = _Named(content)
    stream.name = 'standard input' if path == '-' else path
    records = list(read_tasks(stream, require_label=True))
    if not records:
        raise RecordError('there is no task in it', stream.name)
    return records


class _Named(io.BytesIO):
    """Bytes that errors can name."""

    name = ''


def _about(predictor: SkillPredictor, path: str, content: bytes) -> dict[str, Any]:
    """What the scores depend on; the file by its content, for its folder says nothing."""
    return {
        'model': predictor.version, 'model_sha256': predictor.model.sha256,
        'thresholds': dict(zip(SKILLS, predictor.thresholds)),
        'backend': predictor.backend.name, 'device': predictor.backend.device,
        'input': None if path == '-' else Path(path).name,
        'input_sha256': hashlib.sha256(content).hexdigest()}


def _complain(outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.prediction.error:
            print(f'skill-predictor evaluate: task {outcome.record.id!r}: '
                  f'{outcome.prediction.error}', file=sys.stderr)


def _write_vectors(stream, outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        entry = answer(outcome.record, outcome.prediction)
        stream.write(json.dumps({**entry, 'label': list(outcome.record.label)}) + '\n')


def _show(predictor: SkillPredictor, evaluation: Evaluation) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text
    scores, backend = evaluation.scores, predictor.backend
    console = Console()
    console.print(Text(f'{predictor.version}, {backend.name}, {backend.device}'))
    summary = Table(box=box.SIMPLE, show_header=False)
    summary.add_row('tasks', str(scores.tasks))
    if evaluation.unreadable:
        summary.add_row('unreadable', f'{evaluation.unreadable} (counted as wrong)')
    for name in ('exact_match', 'hamming_loss', 'macro_f1', 'micro_f1'):
        shown = f'{getattr(scores, name):.4f}'
        if interval := evaluation.intervals.get(name):
            shown += f' (95 %: {interval.low:.4f} to {interval.high:.4f})'
        summary.add_row(LABELS.get(name, name.replace('_', ' ')), shown)
    if evaluation.calibration_error is not None:
        summary.add_row('expected calibration error', f'{evaluation.calibration_error:.4f}')
    if evaluation.latency_ms:
        latency = evaluation.latency_ms
        summary.add_row('latency per task', f'{latency.p50:.1f} ms median, {latency.p95:.1f} ms '
                        f'p95, {latency.p99:.1f} ms p99')
    console.print(summary)
    table = Table(box=box.SIMPLE)
    for column in ('skill', 'threshold', 'precision', 'recall', 'F1', 'support'):
        table.add_column(column, justify='left' if column == 'skill' else 'right')
    for threshold, (skill, s) in zip(predictor.thresholds, scores.skills.items()):
        table.add_row(skill, f'{threshold:g}', f'{s.precision:.4f}', f'{s.recall:.4f}',
                      f'{s.f1:.4f}', str(s.support))
    console.print(table)
