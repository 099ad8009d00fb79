"""``skill-predictor data split``: divide tasks into train, validation, test and test_domains."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from .. import UsageError
from ..argument_types import positive
from ...dataset.manifest import FILE, Manifest, read_manifest
from ...dataset.records import write_tasks
from .options import add_encoder_options, embedder, read_all

_EXAMPLES = """\
Groups (contrast pairs, paraphrases) stay together. Tasks of held-out domains go to test_domains,
those of held-out writers to test and validation; a task of train that repeats one of the others is
left out. Files of the folder are replaced. What is not given is taken from the folder's dataset.yaml, if it has one.

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
    parser.add_argument('--test-tasks', type=positive, metavar='N',
                        help='size of the stratified test set (default: 200)')
    parser.add_argument('--held-out-writers', nargs='+', metavar='NAME',
                        help='whose tasks are for test and validation only')
    parser.add_argument('--held-out-domains', nargs='+', metavar='NAME',
                        help='domains that are for test_domains only')
    parser.add_argument('--seed', type=int, metavar='N', help='start of the draw (default: 0)')
    add_encoder_options(parser)


def run(args: argparse.Namespace) -> int:
    """Divide, and write the folder."""
    from ...dataset.split import split, SplitError
    from ...dataset.straddling import drop_straddling
    tasks = read_all(args.tasks)
    manifest = _manifest(args)
    try:
        splits = split(tasks, manifest)
    except SplitError as error:
        raise UsageError(str(error)) from error
    embed = embedder(args.encoder, args.encoders, args.offline)
    splits, dropped = drop_straddling(
        splits, {name: embed([task.text for task in part]) for name, part in splits.items()},
        manifest.requirements.max_cosine)
    for task in dropped:
        print(f'left out: {task.id} repeats a held-out task')
    args.output.mkdir(parents=True, exist_ok=True)
    for name, part in splits.items():
        write_tasks(part, args.output / f'{name}.jsonl')
        print(f'{name}: {len(part)} tasks')
    manifest.write(args.output)
    return 0


def _manifest(args: argparse.Namespace) -> Manifest:
    known = read_manifest(args.output) if (args.output / FILE).exists() else Manifest()
    wanted = {'test_tasks': args.test_tasks, 'seed': args.seed,
              'held_out_writers': args.held_out_writers and tuple(args.held_out_writers),
              'held_out_domains': args.held_out_domains and tuple(args.held_out_domains)}
    return replace(known, **{key: value for key, value in wanted.items() if value is not None})
