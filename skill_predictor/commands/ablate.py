"""``skill-predictor ablate``: what each change of a recipe is worth."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import add_weights_options, output, UsageError
from .argument_types import positive, seed
from .train import require_packages
from ..outputs import require_writable

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
                        help='JSON, for `skill-predictor report --ablation`')
    parser.add_argument('--tasks', type=positive, default=6000, metavar='N',
                        help='training tasks to fit, at least (default: 6000)')
    parser.add_argument('--judging', type=positive, default=3000, metavar='N',
                        help='tasks of other writers that judge, at most (default: 3000)')
    parser.add_argument('--seeds', type=seed, nargs='+', default=[0], metavar='N',
                        help='train each variant with these seeds (default: 0)')
    add_weights_options(parser)


def run(args: argparse.Namespace) -> int:
    """Train and judge every variant, the unchanged recipe first."""
    require_packages()
    require_writable(args.output)
    from ..dataset.manifest import read_splits, TRAIN, VALIDATION
    from ..evaluation.ablation import against, BASE, packed
    from ..inference.known_encoders import find_vocabulary, known_encoder, MAX_TOKENS
    from ..inference.store import sha256_file
    from ..inference.tokenizer import TaskTokenizer
    from ..training.ablation import divide, judge, read_variants
    from ..training.encoders import load_encoder
    from ..training.examples import examples_of, read_distractors, texts_sha256
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
    about = {'recipe': _plain(recipes[BASE]), 'fitted': len(division.fitted),
             'judging': len(division.judging), 'data_sha256': {
                 name: sha256_file(args.data / f'{name}.jsonl') for name in (TRAIN, VALIDATION)}}
    if any(division.judging.groups):
        about['groups'] = list(division.judging.groups)
    if any(recipe.distractor for recipe in recipes.values()):
        about['data_sha256']['distractors'] = texts_sha256(distractors)
    rows = _rows(args.output, about)
    for seed in args.seeds:
        for name, recipe in recipes.items():
            changes = ' '.join(variants[name])
            if any((row['variant'], row['changes'], row['seed']) == (name, changes, seed)
                   for row in rows):
                continue
            known = known_encoder(recipe.encoder)
            found, right = judge(recipe, division, validation, load_encoder(known, **where), known,
                          tokenizer, seed=seed, distractors=distractors,
                          say=lambda line: print(line, file=sys.stderr, flush=True))
            row = {'variant': name, 'changes': changes, 'seed': seed, **found, 'p': None}
            base = next((one['right'] for one in rows
                         if (one['variant'], one['seed']) == (BASE, seed)), None)
            if base is not None:
                row['p'] = round(against(base, packed(right), len(right)).p_value, 4)
            print('  '.join(f'{key}: {value}' for key, value in row.items()), flush=True)
            rows.append({**row, 'right': packed(right)})
            with output(str(args.output)) as stream:
                stream.write(json.dumps({**about, 'rows': rows}, indent=2) + '\n')
    return 0


def _plain(recipe) -> dict[str, Any]:
    plain = json.loads(json.dumps(asdict(recipe)))
    del plain['correct_spelling']  # of serving: no ablation mends
    return plain


def _rows(path: Path, about: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows that are there already; those of something else are refused."""
    if not path.exists():
        return []
    try:
        before = json.loads(path.read_text(encoding='utf-8'))
        other = [key for key, value in about.items() if before.get(key) != value]
        rows = before['rows']
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f'{path} is no ablation: {error}') from error
    if other:
        raise UsageError(f'{path} is an ablation with another {" and ".join(other)}; choose '
                         'another file, or remove that one')
    return rows
