"""The systems that ``skill-predictor compare`` puts beside each other, fitted and loaded one by one."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import load_predictor, UsageError
from ..dataset.manifest import read_splits, TRAIN, VALIDATION
from ..dataset.records import label_flags, TaskRecord
from ..inference.errors import TextError
from .data.options import embedder

if TYPE_CHECKING:
    import numpy as np
    from ..dataset.chat import ChatOptions

LANGUAGE_MODEL_TIMEOUT_S = 180.0


@dataclass(frozen=True)
class System:
    """One of the systems.

    Attributes
    ----------
    name : str
    decide : callable
        From texts to decisions, bool, shape (n, 6), masked where there is none.
    version : str
        Of a released model, else empty.
    data_sha256 : mapping of str to str
        What a released model notes of the data that it was fitted to, by split.
    """

    name: str
    decide: Callable[[Sequence[str]], np.ndarray]
    version: str = ''
    data_sha256: Mapping[str, str] = field(default_factory=dict)


Systems = Iterator[System]


def systems(args: argparse.Namespace, judged: Mapping[str, Sequence[TaskRecord]]) -> Systems:
    """All systems that the arguments name, each made when it is asked for.

    Parameters
    ----------
    args
        Of the command.
    judged
        Tasks by split; the model must be able to read their texts.

    Raises
    ------
    UsageError
        When it cannot.
    """
    yield from _models(args, judged)
    splits = read_splits(args.data)
    if not args.no_baselines:
        yield from _baselines(args, splits[TRAIN], splits[VALIDATION])
    if args.setfit:
        yield from _setfit(args, splits[TRAIN])
    for name in args.language_models:
        yield System(f'{name}, zero-shot', lambda texts, name=name: _ask(args, name, texts))


def _models(args: argparse.Namespace, judged) -> Systems:
    """The model, its single encoders, and other models."""
    seen = set()
    for model in [args.model, *args.against]:
        args.model = model
        with closing(load_predictor(args)) as predictor:
            # Two models may have one name; their versions differ.
            name = predictor.model.name
            name = predictor.version if name in seen else name
            seen.add(name)
            _check_texts(predictor, judged)
            yield System(name, lambda texts: _decide(predictor, texts), predictor.version,
                         predictor.model.data_sha256)
            for index, encoder in enumerate(predictor.model.encoders):
                if len(predictor.model.encoders) > 1:
                    yield System(f'{name}, {encoder.name} alone',
                                 lambda texts, index=index: _decide(predictor, texts, index),
                                 predictor.version, predictor.model.data_sha256)


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
    texts = [task.text for task in train]
    targets = label_flags(train)
    yield System('most frequent skill set', baselines.majority(texts, targets))
    best = partial(baselines.best_on, [task.text for task in validation], label_flags(validation))
    c, fitted = best(partial(baselines.tfidf_logistic, texts, targets), baselines.REGULARISATIONS)
    yield System(f'TF-IDF, logistic regression (C = {c:g})', fitted)
    for known in KNOWN_ENCODERS:
        embed = embedder(known.name, args.encoders, args.offline)
        c, fitted = best(partial(baselines.frozen_logistic, texts, targets, embed),
                         baselines.REGULARISATIONS)
        # As scikit-learn takes it: by the number of features.
        yield System(f'frozen {known.name}, logistic regression '
                     f'(C = {c / known.architecture.hidden:.2g})', fitted)
        count, fitted = best(partial(baselines.nearest_neighbours, texts, targets, embed),
                             baselines.NEIGHBOURS)
        yield System(f'frozen {known.name}, nearest neighbours (k = {count})', fitted)


def _setfit(args: argparse.Namespace, train) -> Systems:
    from ..inference.known_encoders import KNOWN_ENCODERS
    from ..training.few_shot import setfit, TASKS
    texts = [task.text for task in train]
    for known in KNOWN_ENCODERS:
        print(f'fitting SetFit on {known.name}', file=sys.stderr, flush=True)
        used = min(TASKS, len(texts))
        yield System(f'SetFit on {known.name}, {args.setfit:,} pairs of {used:,} tasks', setfit(
            texts, label_flags(train), known.name, args.setfit, folder=args.encoders,
            offline=args.offline))


def reason_not_to_ask(args: argparse.Namespace) -> str:
    """Why no language model can be asked (a package or a key is missing); empty: nothing is known.

    Told before the other systems are fitted, which takes long.
    """
    from ..dataset.chat import ChatError, ChatModel
    try:
        ChatModel(_chat_options(args, args.language_models[0]))
    except (ImportError, ChatError) as error:
        return str(error)
    return ''


def _chat_options(args: argparse.Namespace, name: str) -> ChatOptions:
    from ..dataset.chat import ChatOptions
    return ChatOptions(name, args.base_url, temperature=args.temperature,
                       answer_format=args.answer_format, timeout_s=LANGUAGE_MODEL_TIMEOUT_S)


def _ask(args: argparse.Namespace, name: str, texts: Sequence[str]) -> np.ndarray:
    import numpy as np
    from ..dataset.chat import ChatModel, Usage
    from ..evaluation.language_model import predict

    async def work() -> tuple[np.ndarray, list[int]]:
        async with ChatModel(_chat_options(args, name), Usage()) as model:
            return await predict(model, texts)
    flags, unanswered = asyncio.run(work())
    if unanswered:
        print(f'{name}: no usable answer for {len(unanswered)} of {len(texts)} tasks, which count '
              'as wrong', file=sys.stderr)
    missing = np.zeros(flags.shape, dtype=bool)
    missing[unanswered] = True
    return np.ma.array(flags, mask=missing)
