"""``skill-predictor compare``: a model and simpler, or larger, systems on the same tasks."""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TYPE_CHECKING

from . import add_model_options, add_prediction_options, load_predictor, output, UsageError
from ..dataset.manifest import read_chosen, read_splits, TEST, TEST_DOMAINS, TRAIN, VALIDATION
from ..dataset.records import label_flags
from ..extras import install
from ..inference.errors import TextError
from .data.options import chat_model

if TYPE_CHECKING:
    import numpy as np

_EXAMPLES = """\
The model is run by the code that serves it; the simple systems are fitted to train.jsonl. Each system
is tested against the model by McNemar's test. Language models are asked through any server with an
OpenAI-compatible API, all with the same prompt and without examples.

examples:
  skill-predictor compare data
  skill-predictor compare data --against models/paper --json comparison.json
  skill-predictor compare data --setfit 10000
  skill-predictor compare data --language-models gpt-oss:120b llama4:scout \\
      --base-url http://localhost:11434/v1
"""

Systems = Iterator[tuple[str, Callable[[Sequence[str]], 'np.ndarray']]]


def add_parser(subparsers) -> None:
    """Add the sub-command to the parser."""
    parser = subparsers.add_parser(
        'compare', help='compare a model with other systems', epilog=_EXAMPLES,
        description='Compare a model with its single encoders, with simple systems, with other '
                    'models and with language models.')
    parser.add_argument('data', type=Path, metavar='DATA', help="the dataset's folder")
    parser.add_argument('--splits', nargs='+', default=[TEST, TEST_DOMAINS], metavar='SPLIT',
                        help='tasks to compare on (default: test test_domains)')
    parser.add_argument('--against', nargs='+', default=[], metavar='MODEL',
                        help='other released models, as folders or names')
    parser.add_argument('--no-baselines', action='store_true',
                        help='leave out the systems that are fitted here')
    parser.add_argument('--setfit', type=_pairs, default=0, metavar='PAIRS',
                        help='fit SetFit on both encoders too, with this many pairs of tasks '
                             '(default: 0, not at all; 10000 take about 45 minutes on 2 cores)')
    parser.add_argument('--language-models', nargs='+', default=[], metavar='NAME',
                        help='language models to ask (default: none)')
    parser.add_argument('--base-url', metavar='URL', help='their server, up to /v1 '
                        '(default: $OPENAI_BASE_URL, else OpenAI\'s)')
    parser.add_argument('--answer-format', choices=('json_schema', 'json_object', 'none'),
                        default='json_schema', help='how the server is held to JSON '
                        '(default: json_schema)')
    parser.add_argument('--json', metavar='FILE', help='write figures and every decision to FILE')
    add_model_options(parser)
    add_prediction_options(parser)


def _pairs(text: str) -> int:
    pairs = int(text)
    if pairs < 0:
        raise argparse.ArgumentTypeError(f'{pairs} is below 0')
    return pairs


def run(args: argparse.Namespace) -> int:
    """Compare, and print a table per split."""
    import numpy as np
    from ..evaluation.comparison import markdown
    from ..evaluation.metrics import scikit_learn
    scikit_learn()
    if args.setfit and importlib.util.find_spec('setfit') is None:
        raise ImportError(f'--setfit needs the setfit library: {install("train", "setfit")}')
    judged = read_chosen(args.data, args.splits)
    texts = {name: [task.text for task in tasks] for name, tasks in judged.items()}
    answers: dict[str, dict[str, np.ndarray]] = {name: {} for name in judged}
    unanswered: dict[str, dict[str, int]] = {name: {} for name in judged}
    for name, predict in _systems(args, judged):
        print(f'predicting: {name}', file=sys.stderr, flush=True)
        for split, tasks in judged.items():
            flags = predict(texts[split])
            missing = np.ma.getmaskarray(flags).any(axis=1)
            # Without an answer every flag is wrong.
            flags = np.where(missing[:, None], ~label_flags(tasks), np.asarray(flags))
            answers[split][name], unanswered[split][name] = flags, int(missing.sum())
        if args.json and args.json != '-':
            _write(args.json, judged, answers, unanswered)  # what is there, should another fail
    if not args.language_models:
        print('no language model was named (--language-models), so none is compared',
              file=sys.stderr)
    if args.json:
        _write(args.json, judged, answers, unanswered)
    if args.json != '-':
        for split, tasks in judged.items():
            print(f'{split}, {len(tasks)} tasks\n\n{markdown(_compare(tasks, answers[split]))}\n')
    return 0


def _compare(tasks, answers: dict[str, np.ndarray]):
    from ..evaluation.comparison import compare
    return compare(answers, label_flags(tasks), next(iter(answers)),
                   [task.group for task in tasks])


def _write(path: str, judged, answers, unanswered) -> None:
    found = {split: {
        'tasks': [task.id for task in tasks],
        'systems': [row.to_dict() for row in _compare(tasks, answers[split])],
        'unanswered': unanswered[split],
        'decisions': {name: flags.astype(int).tolist() for name, flags in answers[split].items()}}
        for split, tasks in judged.items()}
    with output(path) as stream:
        stream.write(json.dumps(found) + '\n')


def _systems(args: argparse.Namespace, judged) -> Systems:
    yield from _models(args, judged)
    splits = read_splits(args.data)
    if not args.no_baselines:
        yield from _baselines(args, splits[TRAIN], splits[VALIDATION])
    if args.setfit:
        yield from _setfit(args, splits[TRAIN])
    for name in args.language_models:
        yield f'{name}, zero-shot', lambda texts, name=name: _ask(args, name, texts)


def _models(args: argparse.Namespace, judged) -> Systems:
    """The model, its single encoders, and other models."""
    seen = set()
    for model in [args.model, *args.against]:
        args.model = model
        with closing(load_predictor(args)) as predictor:
            # Two models may have one name; their versions differ.
            name = predictor.model.name
            name = predictor.model.version if name in seen else name
            seen.add(name)
            _check_texts(predictor, judged)
            yield name, lambda texts: _decide(predictor, texts)
            for index, encoder in enumerate(predictor.model.encoders):
                if len(predictor.model.encoders) > 1:
                    yield f'{name}, {encoder.name} alone', (
                        lambda texts, index=index: _decide(predictor, texts, index))


def _check_texts(predictor, judged) -> None:
    """All systems are compared on the same texts, so each must be one that the model reads."""
    for split, tasks in judged.items():
        for task in tasks:
            try:
                predictor.tokenize(task.text)
            except TextError as error:
                raise UsageError(f'{split}, task {task.id}: {error}') from error


def _decide(predictor, texts: Sequence[str], encoder: int | None = None) -> np.ndarray:
    """Decisions, one task at a time, as a robot would ask."""
    import numpy as np
    found = []
    for text in texts:
        each = predictor.probabilities_by_encoder([predictor.tokenize(text)])[:, 0]
        found.append(predictor.averaged(each) if encoder is None else each[encoder])
    return np.array(found) >= np.asarray(predictor.thresholds, dtype=np.float32)


def _baselines(args: argparse.Namespace, train, validation) -> Systems:
    """Simple systems; what can be set of them is chosen by validation, as it is for the model."""
    from functools import partial
    from ..evaluation import baselines
    from ..inference.known_encoders import KNOWN_ENCODERS
    from .data.options import embedder
    texts = [task.text for task in train]
    targets = label_flags(train)
    yield 'most frequent skill set', baselines.majority(texts, targets)
    best = partial(baselines.best_on, [task.text for task in validation], label_flags(validation))
    c, fitted = best(partial(baselines.tfidf_logistic, texts, targets), baselines.REGULARISATIONS)
    yield f'TF-IDF, logistic regression (C = {c:g})', fitted
    for known in KNOWN_ENCODERS:
        embed = embedder(argparse.Namespace(
            encoder=known.name, encoders=args.encoders, offline=args.offline))
        c, fitted = best(partial(baselines.frozen_logistic, texts, targets, embed),
                         baselines.REGULARISATIONS)
        # As scikit-learn takes it: by the number of features.
        yield (f'frozen {known.name}, logistic regression (C = {c / known.architecture.hidden:.2g})',
               fitted)
        count, fitted = best(partial(baselines.nearest_neighbours, texts, targets, embed),
                             baselines.NEIGHBOURS)
        yield f'frozen {known.name}, nearest neighbours (k = {count})', fitted


def _setfit(args: argparse.Namespace, train) -> Systems:
    from ..inference.known_encoders import KNOWN_ENCODERS
    from ..training.few_shot import setfit, TASKS
    texts = [task.text for task in train]
    for known in KNOWN_ENCODERS:
        print(f'fitting SetFit on {known.name}', file=sys.stderr, flush=True)
        used = min(TASKS, len(texts))
        yield (f'SetFit on {known.name}, {args.setfit:,} pairs of {used:,} tasks', setfit(
            texts, label_flags(train), known.name, args.setfit, folder=args.encoders,
            offline=args.offline))


def _ask(args: argparse.Namespace, name: str, texts: Sequence[str]) -> np.ndarray:
    import numpy as np
    from ..evaluation.language_model import predict
    options = argparse.Namespace(
        model=name, base_url=args.base_url, temperature=0.0, max_tokens=None,
        answer_format=args.answer_format, timeout=180.0, per_minute=0, price=(0.0, 0.0),
        max_cost=0.0)

    async def work() -> tuple[np.ndarray, list[int]]:
        async with chat_model(options) as model:
            return await predict(model, texts)
    flags, unanswered = asyncio.run(work())
    if unanswered:
        print(f'{name}: no usable answer for {len(unanswered)} of {len(texts)} tasks, which count '
              'as wrong', file=sys.stderr)
    missing = np.zeros(flags.shape, dtype=bool)
    missing[unanswered] = True
    return np.ma.array(flags, mask=missing)
