"""``skill-predictor data split``: divide tasks into train, validation, test and test_domains."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .. import UsageError
from ..argument_types import count, seed
from ...dataset.manifest import FILE, Manifest, read_manifest, read_reported
from .options import add_encoder_options, embedder, read_all

if TYPE_CHECKING:
    from ...dataset.records import TaskRecord

_EXAMPLES = """\
Groups (contrast pairs, paraphrases) stay together. Tasks of held-out domains go to test_domains,
those of held-out writers to test and validation. What is too much like a task of a split that weighs
more is left out: train gives way to all others, validation to both test sets, test_domains to test,
and all of them to other files of the folder called test_*.jsonl. The folder's files are replaced, all
together; what is left out of tasks that came from the folder itself is kept in left_out.jsonl. What
is not given is taken from the folder's dataset.yaml, if it has one.

examples:
  skill-predictor data split all.jsonl --output data --held-out-domains 'ski resorts' breweries
  skill-predictor data split all.jsonl --output data --seed 1 # another draw
  skill-predictor data split data/train.jsonl data/validation.jsonl data/test.jsonl \\
      data/test_domains.jsonl more.jsonl --output data
"""


def add_parser(subparsers) -> None:
    """Add the action to the parser."""
    parser = subparsers.add_parser(
        'split', help='divide tasks into train, validation and test sets', epilog=_EXAMPLES,
        description='Divide tasks into train, validation, test and test_domains.')
    parser.add_argument('tasks', nargs='+', metavar='FILE', help='labelled tasks as JSON lines')
    parser.add_argument('--output', required=True, type=Path, metavar='DIR',
                        help="the dataset's folder")
    parser.add_argument('--test-tasks', type=count, metavar='N',
                        help='size of the stratified test set (default: 200)')
    parser.add_argument('--held-out-writers', nargs='+', metavar='NAME',
                        help='whose tasks are for test and validation only')
    parser.add_argument('--held-out-domains', nargs='+', metavar='NAME',
                        help='domains that are for test_domains only')
    parser.add_argument('--seed', type=seed, metavar='N', help='start of the draw (default: 0)')
    add_encoder_options(parser)


def run(args: argparse.Namespace) -> int:
    """Divide, and write the folder."""
    from ...dataset.folder import LEFT_OUT, require_folder, write_folder
    from ...dataset.split import split, SplitError
    from ...dataset.straddling import divide
    require_folder(args.output)
    tasks = read_all(args.tasks)
    manifest = _manifest(args)
    reported = [task for part in read_reported(args.output).values() for task in part]
    try:
        split(tasks, manifest)  # what cannot be divided is told before the embeddings
        embed = embedder(args.encoder, args.encoders, args.offline)
        embeddings = embed([task.text for task in tasks])
        splits, dropped = divide(tasks, embeddings, manifest, (
            embed([task.text for task in reported]) if reported else embeddings[:0]))
    except SplitError as error:
        raise UsageError(str(error)) from error
    for task in dropped:
        print(f'left out: {task.id} repeats a held-out task')
    aside = _aside(args, tasks, dropped, reported)
    write_folder(args.output, splits, manifest, aside)
    for name, part in splits.items():
        print(f'{name}: {len(part)} tasks')
    if aside:
        print(f'{LEFT_OUT}: {len(aside)} tasks')
    return 0


def _aside(args: argparse.Namespace, tasks: Sequence[TaskRecord], dropped: Sequence[TaskRecord],
           reported: Sequence[TaskRecord]) -> list[TaskRecord] | None:
    """What must not be lost, because the files that it came from are replaced."""
    from ...dataset.folder import merged_left_out
    if all(Path(path).resolve().parent != args.output.resolve() for path in args.tasks):
        return None
    elsewhere = {task.id for task in reported}
    return merged_left_out(args.output, tasks,
                           [task for task in dropped if task.id not in elsewhere])


def _manifest(args: argparse.Namespace) -> Manifest:
    known = read_manifest(args.output) if (args.output / FILE).exists() else Manifest()
    wanted = {'test_tasks': args.test_tasks, 'seed': args.seed,
              'held_out_writers': args.held_out_writers and tuple(args.held_out_writers),
              'held_out_domains': args.held_out_domains and tuple(args.held_out_domains)}
    return replace(known, **{key: value for key, value in wanted.items() if value is not None})
