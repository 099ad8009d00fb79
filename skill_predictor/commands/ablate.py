"""``skill-predictor ablate``: what each change of a recipe is worth."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from . import add_weights_options, output, UsageError
from .train import require_packages

_EXAMPLES = """\
VARIANTS is a YAML file with a line for each variant, such as
  attention pooling: [pooling=attention]
The table is written after every variant, and one that is in it already is not repeated.

examples:
  skill-predictor ablate data --recipe minilm --variants variants.yaml --output ablation.json
  skill-predictor ablate data --recipe mpnet --variants variants.yaml --tasks 3000 --output mpnet.json
"""


def add_parser(subparsers) -> None:
    """Add the sub-command to the parser."""
    parser = subparsers.add_parser(
        'ablate', help='measure what each change of a recipe is worth', epilog=_EXAMPLES,
        description='Train variants of a recipe on a part of the training tasks, and judge them by '
                    'tasks of other writers and by validation.')
    parser.add_argument('data', type=Path, metavar='DATA', help="the dataset's folder")
    parser.add_argument('--recipe', required=True, metavar='RECIPE', help='name or YAML file')
    parser.add_argument('--variants', required=True, metavar='VARIANTS',
                        help='YAML file: name to list of key=value')
    parser.add_argument('--output', required=True, type=Path, metavar='FILE',
                        help='JSON list, for `skill-predictor report --ablation`')
    parser.add_argument('--tasks', type=int, default=6000, metavar='N',
                        help='training tasks to fit, at least (default: 6000)')
    parser.add_argument('--judging', type=int, default=3000, metavar='N',
                        help='tasks of other writers that judge, at most (default: 3000)')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0], metavar='N',
                        help='train each variant with these seeds (default: 0)')
    add_weights_options(parser)


def run(args: argparse.Namespace) -> int:
    """Train and judge every variant, the unchanged recipe first."""
    require_packages()
    from ..dataset.manifest import read_splits, TRAIN, VALIDATION
    from ..inference.known_encoders import find_vocabulary, known_encoder, MAX_TOKENS
    from ..inference.tokenizer import TaskTokenizer
    from ..training.ablation import BASE, divide, judge, read_variants
    from ..training.encoders import load_encoder
    from ..training.examples import examples_of, read_distractors
    from ..training.recipe import read_recipe, RecipeError
    try:
        variants = {BASE: [], **read_variants(args.variants)}
        recipes = {name: read_recipe(args.recipe, changes) for name, changes in variants.items()}
        splits = read_splits(args.data)
        division = divide(splits[TRAIN], args.tasks, args.judging)
    except (RecipeError, ValueError) as error:
        raise UsageError(str(error)) from error
    where = {'folder': args.encoders, 'offline': args.offline}
    tokenizer = TaskTokenizer(find_vocabulary(**where), MAX_TOKENS)
    validation, distractors = examples_of(splits[VALIDATION]), read_distractors(args.data)
    rows = json.loads(args.output.read_text()) if args.output.exists() else []
    for seed in args.seeds:
        for name, recipe in recipes.items():
            if any((row['variant'], row['seed']) == (name, seed) for row in rows):
                continue
            known = known_encoder(recipe.encoder)
            found = judge(recipe, division, validation, load_encoder(known, **where), known,
                          tokenizer, seed=seed, distractors=distractors,
                          say=lambda line: print(line, file=sys.stderr, flush=True))
            rows.append({'variant': name, 'changes': ' '.join(variants[name]), 'seed': seed,
                         'fitted': len(division.fitted), 'judging': len(division.judging),
                         **found})
            print('  '.join(f'{key}: {value}' for key, value in rows[-1].items()), flush=True)
            with output(str(args.output)) as stream:
                stream.write(json.dumps(rows, indent=2) + '\n')
    return 0
