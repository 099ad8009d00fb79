"""``skill-predictor data audit``: have labels checked by a second annotator who does not see them."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any

from .. import output, UsageError
from ..argument_types import fraction, seed
from ...dataset import journal
from ...dataset.records import label_flags, write_tasks
from ...outputs import require_writable
from .adjudicate import add_compare, add_decide, beside, compare, decide
from .options import (add_chat_options, add_encoder_options, add_guide_option, chat_model, embedder,
                      folds, read_all, read_guide)

_EXAMPLES = """\
The steps, in order; relabel can be a person instead, who fills in {"id": ..., "label": [...]} lines:
  skill-predictor data audit repeats raw.jsonl --output drafts.jsonl
  skill-predictor data audit doubts drafts.jsonl --output doubts.jsonl
  skill-predictor data audit select drafts.jsonl --doubts doubts.jsonl --output queue.jsonl
  skill-predictor data audit relabel queue.jsonl --output answers.jsonl --model other-model
  skill-predictor data audit compare drafts.jsonl --queue queue.jsonl --answers answers.jsonl \\
      --audit audit.jsonl --disagreements open.jsonl
  (decide each line of open.jsonl: "final" a label or "drop", "rule" of the guide, "reason")
  skill-predictor data audit decide drafts.jsonl --audit audit.jsonl --decisions open.jsonl \\
      --output audited.jsonl
"""


def add_parser(subparsers) -> None:
    """Add the action, and its steps, to the parser."""
    parser = subparsers.add_parser(
        'audit', help='have labels checked by a blind second annotator', epilog=_EXAMPLES,
        description='Have labels checked by a second annotator who does not see them.')
    steps = parser.add_subparsers(dest='step', metavar='STEP', required=True)
    for name, add, run_step, text in (
            ('repeats', _add_repeats, _repeats, 'leave out tasks that only repeat another'),
            ('doubts', _add_doubts, _doubts, 'find labels that a cross-validated model doubts'),
            ('select', _add_select, _select, 'make the queue of the second annotator'),
            ('relabel', _add_relabel, _relabel, 'have a language model label the queue'),
            ('compare', add_compare, compare, 'measure the agreement, list the disagreements'),
            ('decide', add_decide, decide, 'write decisions into the audit and the tasks')):
        step = steps.add_parser(name, help=text, description=text[0].upper() + text[1:] + '.')
        if name != 'relabel':
            step.add_argument('tasks', nargs='+', metavar='FILE',
                              help='labelled tasks as JSON lines')
        add(step)
        step.set_defaults(run_step=run_step)


def run(args: argparse.Namespace) -> int:
    """Run the chosen step."""
    return args.run_step(args)


def _add_repeats(step: argparse.ArgumentParser) -> None:
    step.add_argument('--output', required=True, metavar='FILE', help='the tasks that stay')
    step.add_argument('--max-cosine', type=fraction, default=0.95, metavar='C', help='similarity '
                      'of embeddings above which two tasks are alike (default: 0.95): one task if '
                      'their labels are the same, else a contrast pair, which becomes a group')
    add_encoder_options(step)


def _repeats(args: argparse.Namespace) -> int:
    from ...dataset.duplicates import drop_repeats
    require_writable(args.output)
    tasks = read_all(args.tasks)
    embeddings = embedder(args.encoder, args.encoders, args.offline)([task.text for task in tasks])
    kept, repeats = drop_repeats(tasks, embeddings, args.max_cosine)
    write_tasks(kept, args.output)
    for task in repeats:
        print(f'left out: {task.id} ({task.text})', file=sys.stderr)
    print(f'{len(kept)} tasks in {args.output}, {len(repeats)} left out',
          file=beside(args.output))
    return 0


def _add_doubts(step: argparse.ArgumentParser) -> None:
    step.add_argument('--output', metavar='FILE', help='doubted tasks as JSON lines, most doubtful '
                      'first (default: standard output)')
    step.add_argument('--folds', type=folds, default=5, metavar='N',
                      help='folds of the cross-validation (default: 5)')
    add_encoder_options(step)


def _doubts(args: argparse.Namespace) -> int:
    from ...dataset.audit.doubts import cross_validated, doubts, need_cleanlab
    from ...taxonomy import from_flags, SKILLS
    need_cleanlab()
    if args.output:
        require_writable(args.output)
    tasks = read_all(args.tasks)
    targets = label_flags(tasks)
    groups = [task.group or task.id for task in tasks]
    if len(set(groups)) < args.folds:
        raise UsageError(f'{len(set(groups))} groups cannot make {args.folds} folds; ask for fewer '
                         'with --folds')
    embeddings = embedder(args.encoder, args.encoders, args.offline)([task.text for task in tasks])
    found = doubts(targets, cross_validated(embeddings, targets, groups, args.folds))
    with output(args.output) as stream:
        for doubt in found:
            task = tasks[doubt.index]
            stream.write(json.dumps({
                'id': task.id, 'text': task.text, 'label': list(task.label or ()),
                'predicted': list(from_flags(doubt.predicted.tolist())),
                'probabilities': dict(zip(SKILLS, doubt.probabilities.round(3).tolist())),
                'quality': round(doubt.quality, 4), 'issue': doubt.issue},
                ensure_ascii=False) + '\n')
    print(f'{len(found)} of {len(tasks)} labels are doubted, '
          f'{sum(doubt.issue for doubt in found)} of them as label errors', file=sys.stderr)
    return 0


def _add_select(step: argparse.ArgumentParser) -> None:
    step.add_argument('--output', required=True, metavar='FILE', help='the queue: ids and texts, '
                      'without labels, in random order')
    step.add_argument('--doubts', metavar='FILE', help='doubted tasks, from the step before')
    step.add_argument('--audit', metavar='FILE', help='what is in this audit is not asked again')
    step.add_argument('--fraction', type=fraction, default=0.2, metavar='P', help='share of the '
                      'tasks that test no boundary, drawn at random (default: 0.2)')
    step.add_argument('--all', action='store_true', help='take all other tasks as well')
    step.add_argument('--seed', type=seed, default=0, metavar='N', help='of the draw (default: 0)')


def _select(args: argparse.Namespace) -> int:
    from ...dataset.audit.records import read_audit
    from ...dataset.audit.selection import select
    tasks = read_all(args.tasks)
    doubted = list(journal.read(args.doubts, dict, 'doubt')) if args.doubts else []
    done = [entry.id for entry in read_audit(args.audit)] if args.audit else []
    chosen = select(tasks, fraction=args.fraction, seed=args.seed, doubted=doubted, done=done,
                    everything=args.all)
    texts = {task.id: task.text for task in tasks}
    with output(args.output) as stream:
        for task, why in chosen.items():
            stream.write(json.dumps({'id': task, 'text': texts[task], 'why': why},
                                    ensure_ascii=False) + '\n')
    counts = ', '.join(f'{count} {why}' for why, count in Counter(chosen.values()).items())
    print(f'{len(chosen)} of {len(tasks)} tasks to label again ({counts or "none"})',
          file=beside(args.output))
    return 0


def _add_relabel(step: argparse.ArgumentParser) -> None:
    step.add_argument('queue', metavar='QUEUE', help='from the step before')
    step.add_argument('--output', required=True, metavar='FILE',
                      help='JSON Lines file that the labels are appended to')
    add_guide_option(step)
    add_chat_options(step)


def _text(entry: Mapping[str, Any]) -> str:
    if not isinstance(entry['text'], str):
        raise ValueError(f'"text" is {entry["text"]!r}; write it as a text in double quotes')
    return entry['text']


def _relabel(args: argparse.Namespace) -> int:
    from ...dataset.audit.relabel import relabel
    texts = journal.read(args.queue, _text, 'line of a queue')
    guide = read_guide(args.guide)

    def say(done: int, total: int) -> None:
        print(f'{done} of {total} tasks labelled', file=sys.stderr, flush=True)

    async def work() -> int:
        async with chat_model(args) as model:
            return await relabel(model, guide, texts, args.output, parallel=args.parallel,
                                 on_progress=say)
    done = asyncio.run(work())
    print(f'{done} of {len(texts)} tasks labelled, in {args.output}')
    return 0 if done == len(texts) else 1
