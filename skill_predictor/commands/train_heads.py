"""``skill-predictor train-heads``: fit heads to labelled tasks and write a model folder."""

from __future__ import annotations

import argparse
import importlib.util
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from . import progress_lines, UsageError

if TYPE_CHECKING:
    import numpy as np
    from ..training.card import DataFile, Measurement
    from ..training.corpus import Corpus
    from ..training.heads import HeadRecipe

_EXAMPLES = """\
Each line of FILE is a task such as {"text": "Sweep the deck", "label": ["wheels"], "writer": "w1"};
[] means that no skill is required, "writer" and "domain" are for --cross-validate only.
The encoders themselves are not changed. The same data and seed give the same heads.

examples:
  skill-predictor train-heads --data data/train.jsonl --output models/my-model
  skill-predictor train-heads --data tasks.jsonl --test others.jsonl --output models/my-model
  skill-predictor train-heads --data tasks.jsonl more.jsonl --output models/my-model \\
      --cross-validate writer
"""


def add_parser(subparsers) -> None:
    """Add the sub-command to the parser."""
    parser = subparsers.add_parser(
        'train-heads', help='train a model on labelled tasks', epilog=_EXAMPLES,
        description='Train the heads of a model on labelled tasks, and write its folder.')
    parser.add_argument('--data', nargs='+', required=True, metavar='FILE',
                        help='labelled tasks as JSON lines')
    parser.add_argument('--output', required=True, metavar='DIR', help='the model folder to write')
    parser.add_argument('--name', help='name of the model (default: that of its folder)')
    parser.add_argument('--seed', type=_number_from(0), default=0, metavar='N',
                        help='start of all random numbers (default: 0)')
    parser.add_argument('--epochs', type=_number_from(1), metavar='N',
                        help='passes over the data (default: the proven number)')
    parser.add_argument('--cross-validate', metavar='BY',
                        help='also measure on held-out tasks: of a writer, of a domain, or N '
                        'random parts; writer, domain or a number')
    parser.add_argument('--test', metavar='FILE', help='also measure on the tasks of this file')
    parser.add_argument('--encoders', metavar='DIR', help='where the published encoders\' weights '
                        'lie (default: $SKILL_PREDICTOR_ENCODERS, else the usual places)')
    parser.add_argument('--offline', action='store_true', help='never download anything')
    parser.add_argument('--overwrite', action='store_true',
                        help='replace a model that is already in the folder')


def _number_from(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isascii() or not text.isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f'{text!r} is no whole number from {least}')
        return int(text)
    return number


def run(args: argparse.Namespace) -> int:
    """Train, measure and write.

    Raises
    ------
    UsageError
        When PyTorch or transformers is missing, or the tasks cannot be held out as asked.
    ModelError
        When the encoders cannot be had, or the folder cannot be written.
    RecordError
        When a file cannot be used.
    ImportError
        When something is to be measured and scikit-learn is not installed.
    """
    _require_packages(args)
    from ..inference import known_encoders
    from ..inference.tokenizer import TaskTokenizer
    from ..training import card, corpus, heads, release
    output = Path(args.output)
    name = args.name or output.resolve().name
    release.check_target(output, name, args.overwrite)
    with progress_lines(keep=True) as say:
        vocabulary = known_encoders.find_vocabulary(
            args.encoders, offline=args.offline, progress=say)
    tokenizer = TaskTokenizer(vocabulary, known_encoders.MAX_TOKENS)
    data = [corpus.read_corpus(path, tokenizer) for path in args.data]
    train = corpus.join(data)
    test = corpus.read_corpus(args.test, tokenizer) if args.test else None
    fold_of = _folds(args, train)
    if len(train) < 2:
        raise UsageError('one task is too few to train on')
    _warn(train, test)

    parts = [train] if test is None else [train, test]
    embeddings = _embed(args, parts, tokenizer)
    recipe = heads.HeadRecipe() if args.epochs is None else heads.HeadRecipe(epochs=args.epochs)
    fitted, measurements = _fit(args, recipe, train, test, fold_of, embeddings)
    facts = card.CardFacts(
        name=name, encoders=known_encoders.KNOWN_ENCODERS, recipe=recipe, seed=args.seed,
        data=[_data_file(path, part) for path, part in zip(args.data, data)],
        command=_command(args), measurements=measurements)
    model = release.write_release(
        output, name,
        [release.TrainedEncoder(known, fitted[known.name])
         for known in known_encoders.KNOWN_ENCODERS],
        vocabulary, card.model_card(facts), max_tokens=known_encoders.MAX_TOKENS,
        overwrite=args.overwrite)
    for measurement in measurements:
        print(f'{measurement.how}\n\n{card.scores_table(measurement.scores)}\n')
    print(f'wrote {model.version} to {output}')
    return 0


def _require_packages(args: argparse.Namespace) -> None:
    missing = [module for module in ('torch', 'transformers')
               if importlib.util.find_spec(module) is None]
    if missing:
        raise UsageError(f'training needs {" and ".join(missing)}: '
                         "pip install 'skill-predictor[train]'")
    if args.cross_validate or args.test:
        from ..evaluation.metrics import scikit_learn
        scikit_learn()  # here, not after minutes of training


def _folds(args: argparse.Namespace, train: Corpus) -> np.ndarray | None:
    from ..training.corpus import folds
    if args.cross_validate is None:
        return None
    try:
        return folds(train.records, args.cross_validate, args.seed)
    except ValueError as error:
        raise UsageError(f'--cross-validate: {error}') from error


def _warn(train: Corpus, test: Corpus | None) -> None:
    from ..taxonomy import SKILLS
    from ..training.corpus import shared_texts
    absent = [skill for skill, some in zip(SKILLS, train.targets.any(axis=0)) if not some]
    if absent:
        print(f'skill-predictor train-heads: no task requires {", ".join(absent)}; the model '
              'cannot learn it', file=sys.stderr)
    shared = shared_texts(train, test) if test is not None else 0
    if shared:
        print(f'skill-predictor train-heads: {shared} of the {len(test)} test tasks are also '
              'among the training tasks; the figures will flatter the model', file=sys.stderr)


def _embed(args: argparse.Namespace, parts: list[Corpus], tokenizer) -> list[dict]:
    """Embeddings per part and encoder; one encoder is in memory at a time."""
    from ..training.encoders import embed, load_encoder
    from ..inference.known_encoders import KNOWN_ENCODERS
    embeddings: list[dict] = [{} for _ in parts]
    for known in KNOWN_ENCODERS:
        with progress_lines() as say:
            encoder = load_encoder(
                known, args.encoders, offline=args.offline, progress=say)
        with training_bar(sum(map(len, parts)), f'{known.name} embeddings', 'task') as done:
            for part, found in zip(parts, embeddings):
                found[known.name] = embed(
                    part.texts, encoder, tokenizer, known.token_ids, on_done=done)
    return embeddings


def _fit(args: argparse.Namespace, recipe: HeadRecipe, train: Corpus, test: Corpus | None,
         fold_of: np.ndarray | None, embeddings: list[dict]) -> tuple[dict, list[Measurement]]:
    """Heads by encoder, and what was measured on the way."""
    from ..training.card import Measurement
    from ..training.figures import cross_validate, measure_all, predict_all
    from ..training.heads import fit_head
    own = embeddings[0]
    measurements = []
    fold_count = 0 if fold_of is None else len(set(fold_of.tolist()))
    with training_bar((fold_count + 1) * len(own) * recipe.epochs, 'heads', 'epoch') as done:
        def one_epoch() -> None:
            done(1)
        if fold_of is not None:
            held_out = cross_validate(own, train.targets, fold_of, recipe, args.seed, one_epoch)
            measurements.append(Measurement(
                _how(args.cross_validate, train, fold_count),
                measure_all(held_out, train.targets)))
        fitted = {name: fit_head(values, train.targets, recipe, args.seed, one_epoch)
                  for name, values in own.items()}
    if test is not None:
        measurements.append(Measurement(
            f'Fitted to all {len(train)} training tasks, tested on the {len(test)} of '
            f'{Path(args.test).name}:',
            measure_all(predict_all(fitted, embeddings[1]), test.targets)))
    return fitted, measurements


def _how(by: str, train: Corpus, fold_count: int) -> str:
    if by not in ('writer', 'domain'):
        return (f'Cross-validated over {len(train)} tasks in {fold_count} random parts, each '
                'predicted by heads fitted to the others:')
    count = len({getattr(record, by) for record in train.records})
    kept = '' if count == fold_count else f' in {fold_count} parts'
    return (f'Cross-validated over {len(train)} tasks by {count} {by}s{kept}, every {by} predicted '
            f'by heads fitted without any task of that {by}:')


def _data_file(path: str, part: Corpus) -> DataFile:
    from ..training.card import DataFile
    return DataFile(
        path, len(part), writers=len({record.writer for record in part.records} - {''}),
        domains=len({record.domain for record in part.records} - {''}))


def _command(args: argparse.Namespace) -> str:
    """The command that makes this model again, on a machine with other folders."""
    words = ['skill-predictor', 'train-heads', '--data', *args.data, '--output', args.output]
    if args.name:
        words += ['--name', args.name]
    words += ['--seed', str(args.seed)]
    for option in ('epochs', 'cross_validate', 'test'):
        if getattr(args, option) is not None:
            words += [f'--{option.replace("_", "-")}', str(getattr(args, option))]
    return shlex.join(words)


@contextmanager
def training_bar(total: int, what: str, unit: str) -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr, or, where that is no terminal, a line for every tenth."""
    if not sys.stderr.isatty():
        yield _lines(total, what, unit)
        return
    from tqdm import tqdm
    with tqdm(total=total, desc=what, unit=unit) as bar:
        yield lambda count: bar.update(count)


def _lines(total: int, what: str, unit: str) -> Callable[[int], None]:
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        before, done = done, done + count
        if 10 * before // total < 10 * done // total:
            print(f'{what}: {done} of {total} {unit}s', file=sys.stderr, flush=True)
    return advance
