"""``skill-predictor data probe``: what a dataset is worth to a linear model on frozen embeddings."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .. import output, UsageError
from ..argument_types import positive, seed
from ...dataset.manifest import read_splits, TEST, TEST_DOMAINS, TRAIN, VALIDATION
from ...dataset.records import label_flags
from ...outputs import require_writable
from .options import add_encoder_options, embedder, folds

if TYPE_CHECKING:
    import numpy as np
    from ...dataset.records import TaskRecord
    from ...evaluation.metrics import Scores

_EXAMPLES = """\
A logistic regression per skill on frozen embeddings of the encoder is fitted to train: cross-validated
on it, and tested on validation, or what --splits names. It measures the data, not the model: compare
two datasets, or a part of one with the whole.

examples:
  skill-predictor data probe data
  skill-predictor data probe data --only-writers f1 f2 f3 f4 --json -
"""


def add_parser(subparsers) -> None:
    """Add the action to the parser."""
    parser = subparsers.add_parser(
        'probe', help='fit a linear model on frozen embeddings', epilog=_EXAMPLES,
        description='Fit a linear model on frozen embeddings, to measure a dataset.')
    parser.add_argument('folder', type=Path, metavar='DIR', help="the dataset's folder")
    parser.add_argument('--folds', type=folds, default=5, metavar='N',
                        help='folds of the cross-validation on train (default: 5)')
    parser.add_argument('--only-writers', nargs='+', metavar='NAME',
                        help='fit to the tasks of these writers only')
    parser.add_argument('--first', type=positive, metavar='N',
                        help='fit to the first N of the training tasks only')
    parser.add_argument('--seed', type=seed, default=0, metavar='N',
                        help='of the folds (default: 0)')
    parser.add_argument('--splits', nargs='+', choices=(VALIDATION, TEST, TEST_DOMAINS),
                        default=[VALIDATION], metavar='SPLIT', help='tasks to judge by (default: '
                        'validation; who looks at test or test_domains while making tasks chooses by them)')
    parser.add_argument('--json', metavar='FILE',
                        help='write the figures to FILE; -: to standard output, and no table')
    add_encoder_options(parser)


def run(args: argparse.Namespace) -> int:
    """Fit and measure."""
    from ...dataset import probe
    from ...evaluation.metrics import score, scikit_learn
    # What would end the command after the embeddings, better now.
    scikit_learn()
    if args.json:
        require_writable(args.json)
    splits = read_splits(args.folder)
    splits[TRAIN] = _chosen(args, splits[TRAIN])
    splits = {name: tasks for name, tasks in splits.items() if tasks and name in (TRAIN, *args.splits)}
    if len(splits) == 1:
        raise UsageError(f'there are no tasks in {" or ".join(args.splits)} to judge by')
    embed = embedder(args.encoder, args.encoders, args.offline)
    embeddings = {name: embed([task.text for task in tasks]) for name, tasks in splits.items()}
    targets = {name: label_flags(tasks) for name, tasks in splits.items()}
    figures = {f'{args.folds}-fold cross-validation on train': _cross_validated(
        args, splits[TRAIN], embeddings[TRAIN], targets[TRAIN])}
    models = probe.fit(embeddings[TRAIN], targets[TRAIN])
    for name in args.splits:
        if name in splits:
            figures[name] = score(targets[name], probe.predict(models, embeddings[name]))
    _report(args, figures, len(splits[TRAIN]))
    return 0


def _chosen(args: argparse.Namespace, tasks: Sequence[TaskRecord]) -> list[TaskRecord]:
    writers = set(args.only_writers or ())
    chosen = [task for task in tasks if not writers or task.writer in writers][:args.first]
    groups = len(set(_groups(chosen)))  # a group is in one fold
    if groups < args.folds:
        raise UsageError(f'{len(chosen)} training tasks (in {groups} groups) are too few for '
                         f'{args.folds} folds')
    return chosen


def _groups(tasks: Sequence[TaskRecord]) -> list[str]:
    return [task.group or task.id for task in tasks]


def _cross_validated(args: argparse.Namespace, tasks: Sequence[TaskRecord],
                     embeddings: np.ndarray, targets: np.ndarray) -> Scores:
    from ...dataset.audit.doubts import cross_validated
    from ...evaluation.metrics import score
    found = cross_validated(embeddings, targets, _groups(tasks), args.folds, args.seed)
    return score(targets, found >= .5)


def _report(args: argparse.Namespace, figures: dict[str, Scores], tasks: int) -> None:
    if args.json:
        with output(args.json) as stream:
            stream.write(json.dumps({'encoder': args.encoder, 'tasks': tasks, 'figures': {
                name: scores.to_dict() for name, scores in figures.items()}}, indent=2) + '\n')
    if args.json != '-':
        print(f'linear probe on frozen {args.encoder}, {tasks:,} training tasks\n')
        print(f'{"":34} {"tasks":>7} {"exact match":>12} {"macro F1":>9} {"Hamming":>8}')
        for name, scores in figures.items():
            print(f'{name:34} {scores.tasks:7,} {scores.exact_match:12.3f} {scores.macro_f1:9.3f} '
                  f'{scores.hamming_loss:8.3f}')
