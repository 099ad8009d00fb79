"""``skill-predictor train``: train the encoders of a model, and write its folder."""

from __future__ import annotations

import argparse
import importlib.util
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from . import add_weights_options, UsageError
from .argument_types import seed
from ..extras import install

if TYPE_CHECKING:
    from ..training.recipe import Recipe
    from ..training.runs import Run

_EXAMPLES = """\
DATA is a dataset's folder with train.jsonl, validation.jsonl, test.jsonl and test_domains.jsonl (see
docs/dataset.md; the last two may be empty). The best epoch is chosen by validation. A training that
was stopped goes on where it was when the same command is given again. On two cores with bfloat16 mpnet
reads about 20 tasks a second in training, minilm about 100, times the epochs of the recipes; without it half.
Several GPUs:
  accelerate launch -m skill_predictor train data --output models/my-model

examples:
  skill-predictor train data --output models/my-model
  skill-predictor train data --output models/small --recipes minilm
  skill-predictor train data --output models/paper --recipes paper-mpnet paper-minilm
  skill-predictor train data --output models/try --recipes my-recipe.yaml --set epochs=2
"""


MOST_MEGABYTES = 45
"""Of a model that this repository keeps; a larger one is pointed out."""


def add_parser(subparsers) -> None:
    """Add the sub-command to the parser."""
    parser = subparsers.add_parser(
        'train', help='train a model on a dataset', epilog=_EXAMPLES,
        description='Train sentence encoders with their heads, and write a model folder.')
    parser.add_argument('data', type=Path, metavar='DATA', help="the dataset's folder")
    parser.add_argument('--output', required=True, type=Path, metavar='DIR',
                        help='the model folder to write')
    parser.add_argument('--recipes', nargs='+', default=['mpnet', 'minilm'], metavar='RECIPE',
                        help='name or YAML file, one per encoder (default: mpnet minilm)')
    parser.add_argument('--set', nargs='+', default=[], dest='changes', metavar='KEY=VALUE',
                        help='change settings of all recipes')
    parser.add_argument('--runs', type=Path, metavar='DIR', help='where checkpoints, logs and '
                        'weights of the single encoders are kept (default: runs/NAME, where the command is given)')
    parser.add_argument('--name', help='name of the model (default: that of its folder)')
    parser.add_argument('--seed', type=seed, default=0, metavar='N',
                        help='start of all random numbers (default: 0)')
    add_weights_options(parser)
    parser.add_argument('--overwrite', action='store_true',
                        help='replace a model that is already in the folder')


def run(args: argparse.Namespace) -> int:
    """Train and write.

    Raises
    ------
    UsageError
        When a package is missing, a recipe or an earlier run cannot be used, or the recipes do not
        go together.
    RecordError, ModelError, OSError
        When the dataset or an encoder cannot be used, or a folder cannot be written.
    """
    require_packages()
    from ..training.ensemble import release_runs
    from ..training.examples import read_examples
    from ..evaluation.comparison import markdown
    from ..training.recipe import read_recipe, RecipeError
    from ..training.release import check_target
    from ..training.runs import is_main_process
    try:
        recipes = [read_recipe(name, args.changes) for name in args.recipes]
    except RecipeError as error:
        raise UsageError(str(error)) from error
    encoders = [recipe.encoder for recipe in recipes]
    if len(set(encoders)) < len(encoders):
        raise UsageError(f'the recipes are for {", ".join(encoders)}; give one for each encoder')
    if len({recipe.correct_spelling for recipe in recipes}) > 1:
        raise UsageError('the recipes differ in correct_spelling; a model reads a text once for all encoders')
    if recipes[0].correct_spelling:
        require_packages('spellchecker')
    name = args.name or args.output.resolve().name
    check_target(args.output, name, args.overwrite)
    examples, hashes = read_examples(args.data)
    runs = _train(args, recipes, args.runs or Path('runs') / name, examples, hashes)
    if not is_main_process():
        return 0  # another process of the same training writes the model
    model, figures = release_runs(
        runs, args.output, name, examples, command=_command(args), encoders_folder=args.encoders,
        offline=args.offline, overwrite=args.overwrite)
    for split, scores in figures.items():
        print(f'{split}\n\n{markdown(scores)}\n')
    size = sum(path.stat().st_size for path in args.output.iterdir()) / 1e6
    print(f'wrote {model.version} to {args.output}, {size:.0f} MB'
          + (f'; git is for models of up to {MOST_MEGABYTES} MB: adapters (adapter_rank) are smaller than '
             'whole layers' if size > MOST_MEGABYTES else ''))
    return 0


def require_packages(*more: str) -> None:
    """Refuse at once what would fail after minutes.

    Parameters
    ----------
    more
        Modules that this training needs besides.

    Raises
    ------
    UsageError
        When a package that training needs is not installed.
    """
    missing = [module for module in ('torch', 'transformers', 'accelerate', 'peft', *more)
               if importlib.util.find_spec(module) is None]
    if missing:
        raise UsageError(f'training needs {", ".join(missing)}: {install("train")}')
    from ..evaluation.metrics import scikit_learn
    scikit_learn()


def _train(args: argparse.Namespace, recipes: list[Recipe], folder: Path, examples: dict,
           hashes: dict[str, str]) -> list[Run]:
    """Train, one after the other, what is not trained yet."""
    from ..inference.known_encoders import find_vocabulary, MAX_TOKENS
    from ..inference.tokenizer import TaskTokenizer
    from ..training.examples import read_distractors
    from ..training.runs import RunError, train_run
    distractors = read_distractors(args.data)
    tokenizer = TaskTokenizer(
        find_vocabulary(folder=args.encoders, offline=args.offline), MAX_TOKENS)
    try:
        return [train_run(folder / recipe.encoder, recipe, examples, tokenizer,
                          data_sha256=hashes, seed=args.seed, distractors=distractors,
                          encoders_folder=args.encoders, offline=args.offline, say=_say())
                for recipe in recipes]
    except RunError as error:
        raise UsageError(str(error)) from error


def _say() -> Callable[[str], None] | None:
    """Lines of progress, but on a terminal, where there is a bar."""
    if sys.stderr.isatty():
        return None
    return lambda line: print(line, file=sys.stderr, flush=True)


def _command(args: argparse.Namespace) -> str:
    """The command that makes this model again, on a machine with other folders."""
    words = ['skill-predictor', 'train', str(args.data), '--output', str(args.output),
             '--recipes', *args.recipes, '--seed', str(args.seed)]
    if args.name:
        words += ['--name', args.name]
    if args.changes:
        words += ['--set', *args.changes]
    return shlex.join(words)
