"""``skill-predictor data curve``: what more data would buy."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .. import output, UsageError
from ..argument_types import positive, seed
from ...dataset.manifest import read_splits, TEST, TEST_DOMAINS, TRAIN, VALIDATION
from ...dataset.records import label_flags
from ...outputs import require_writable
from .options import add_encoder_options, embedder

if TYPE_CHECKING:
    import numpy as np

_EXAMPLES = """\
For each size, that many random tasks of train are fitted, and validation, or what --splits names,
is predicted. The linear probe on frozen embeddings takes seconds, a fine-tuned encoder about
2 minutes per thousand tasks with minilm on two cores (and needs PyTorch).

examples:
  skill-predictor data curve data --sizes 1000 2000 4000 8000 --picture curve.png
  skill-predictor data curve data --sizes 1000 2000 4000 8000 --fine-tune minilm --json curve.json
"""


def add_parser(subparsers) -> None:
    """Add the action to the parser."""
    parser = subparsers.add_parser(
        'curve', help='draw the learning curve of a dataset', epilog=_EXAMPLES,
        description='Measure and draw how much models gain from more training tasks.')
    parser.add_argument('folder', type=Path, metavar='DIR', help="the dataset's folder")
    parser.add_argument('--sizes', type=positive, nargs='+', default=[1000, 2000, 4000, 8000],
                        metavar='N', help='training tasks; all of them is added '
                        '(default: 1000 2000 4000 8000)')
    parser.add_argument('--fine-tune', choices=('minilm', 'mpnet'), metavar='ENCODER',
                        help='also fine-tune minilm or mpnet at each size')
    parser.add_argument('--epochs', type=positive, metavar='N',
                        help='of the fine-tuning (default: those of the encoder\'s recipe)')
    parser.add_argument('--seed', type=seed, default=0, metavar='N',
                        help='of samples and weights (default: 0)')
    parser.add_argument('--splits', nargs='+', choices=(VALIDATION, TEST, TEST_DOMAINS),
                        default=[VALIDATION], metavar='SPLIT', help='tasks to judge by (default: '
                        'validation; who looks at test or test_domains while making tasks chooses by them)')
    parser.add_argument('--picture', metavar='FILE', help='draw the curves, as PNG')
    parser.add_argument('--json', metavar='FILE',
                        help='write the figures to FILE; -: to standard output, and no table')
    add_encoder_options(parser)


def run(args: argparse.Namespace) -> int:
    """Fit at every size, and report."""
    import numpy as np
    from ...evaluation.metrics import score, scikit_learn
    # What would end the command after hours of fitting, better now.
    if args.epochs and not args.fine_tune:
        raise UsageError('--epochs is of the fine-tuning; name an encoder with --fine-tune')
    scikit_learn()
    if args.picture:
        from ...dataset.pictures import need_matplotlib
        need_matplotlib()
    for path in filter(None, (args.picture, args.json)):
        require_writable(path)
    splits = {name: tasks for name, tasks in read_splits(args.folder).items()
              if tasks and name in (TRAIN, *args.splits)}
    judged = [name for name in args.splits if name in splits]
    if not judged:
        raise UsageError(f'there are no tasks in {" or ".join(args.splits)} to judge by')
    if TRAIN not in splits:
        raise UsageError(f'there are no tasks in {TRAIN} to fit')
    texts = {name: [task.text for task in tasks] for name, tasks in splits.items()}
    targets = {name: label_flags(tasks) for name, tasks in splits.items()}
    order = np.random.default_rng(args.seed).permutation(len(texts[TRAIN]))
    sizes = sorted({*(size for size in args.sizes if size < len(order)), len(order)})
    fits = {f'linear probe on {args.encoder}': _probe(args, texts, targets)}
    if args.fine_tune:
        fits[f'fine-tuned {args.fine_tune}'] = _fine_tuned(args, texts, targets)
    found = []
    for model, fit in fits.items():
        for size in sizes:
            print(f'{model}: {size} tasks', file=sys.stderr, flush=True)
            predict = fit(np.sort(order[:size]))
            for name in judged:
                scores = score(targets[name], predict(name))
                found.append({'model': model, 'tasks': size, 'split': name,
                              'exact_match': scores.exact_match, 'macro_f1': scores.macro_f1})
    _report(args, found)
    return 0


def _probe(args: argparse.Namespace, texts: dict, targets: dict) -> Callable:
    from ...dataset import probe
    embed = embedder(args.encoder, args.encoders, args.offline)
    embeddings = {name: embed(part) for name, part in texts.items()}

    def fit(chosen: np.ndarray) -> Callable[[str], np.ndarray]:
        models = probe.fit(embeddings[TRAIN][chosen], targets[TRAIN][chosen])
        return lambda name: probe.predict(models, embeddings[name])
    return fit


def _fine_tuned(args: argparse.Namespace, texts: dict, targets: dict) -> Callable:
    from ...inference.known_encoders import find_vocabulary, known_encoder, MAX_TOKENS
    from ...inference.tokenizer import TaskTokenizer
    from ...taxonomy import DEFAULT_THRESHOLD
    from ...training.encoders import load_encoder
    from ...training.examples import Examples, read_distractors
    from ...training.fit import fit as fine_tune
    from ...training.recipe import read_recipe
    changes = [] if args.epochs is None else [f'epochs={args.epochs}']
    recipe = read_recipe(args.fine_tune, changes)
    known = known_encoder(recipe.encoder)
    where = {'folder': args.encoders, 'offline': args.offline}
    tokenizer = TaskTokenizer(find_vocabulary(**where), MAX_TOKENS)
    distractors = read_distractors(args.folder)

    def fit(chosen: np.ndarray) -> Callable[[str], np.ndarray]:
        # No validation: it is one of the splits that judge here.
        model = fine_tune(
            load_encoder(known, **where), known, tokenizer, recipe,
            Examples([texts[TRAIN][index] for index in chosen], targets[TRAIN][chosen]),
            seed=args.seed, distractors=distractors,
            say=lambda line: print(line, file=sys.stderr, flush=True))
        return lambda name: model.predict(texts[name]) >= DEFAULT_THRESHOLD
    return fit


def _report(args: argparse.Namespace, found: list[dict]) -> None:
    if args.json:
        with output(args.json) as stream:
            stream.write(json.dumps(found, indent=2) + '\n')
    if args.json != '-':
        print(f'{"model":28} {"tasks":>8} {"split":14} {"exact match":>11} {"macro F1":>9}')
        for point in found:
            print(f'{point["model"]:28} {point["tasks"]:8,} {point["split"]:14} '
                  f'{point["exact_match"]:11.3f} {point["macro_f1"]:9.3f}')
    if args.picture:
        from ...dataset.pictures import draw_curve
        curves: dict[str, dict[int, float]] = {}
        for point in found:
            curves.setdefault(f'{point["model"]}, {point["split"]}', {})[
                point['tasks']] = point['exact_match']
        draw_curve(args.picture, curves, 'Exact match by number of training tasks')
