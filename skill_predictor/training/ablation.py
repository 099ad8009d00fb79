"""One change of a recipe at a time, each judged on tasks of writers that it has not seen.

Runs are short: a part of the training tasks is fitted, and others of the training tasks judge, beside
validation (:mod:`skill_predictor.evaluation.ablation`). Neither test set is looked at.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ..dataset.records import TaskRecord
from ..evaluation.ablation import JUDGES
from ..inference.known_encoders import KnownEncoder
from ..inference.tokenizer import TaskTokenizer
from ..taxonomy import DEFAULT_THRESHOLD
from .examples import Examples, examples_of
from .fit import fit
from .recipe import Recipe, RecipeError

@dataclass(frozen=True)
class Division:
    """Training tasks, divided by writer.

    Attributes
    ----------
    fitted, judging : Examples
    """

    fitted: Examples
    judging: Examples


def divide(tasks: Sequence[TaskRecord], fitted: int, judging: int, seed: int = 0) -> Division:
    """Whole writers until there are enough tasks to fit; a random part of the others' judge.

    Parameters
    ----------
    tasks
        With their writers.
    fitted, judging
        How many at least, and at most.
    seed
        Of the draw.

    Raises
    ------
    ValueError
        When no writer is left to judge.
    """
    rng = np.random.default_rng(seed)
    writers = sorted({task.writer for task in tasks})
    chosen: set[str] = set()
    count = 0
    for index in rng.permutation(len(writers)):
        if count >= fitted:
            break
        chosen.add(writers[index])
        count += sum(task.writer == writers[index] for task in tasks)
    others = [task for task in tasks if task.writer not in chosen]
    if not others:
        raise ValueError(f'{count} tasks to fit take all {len(writers)} writers; ask for fewer')
    drawn = rng.permutation(len(others))[:judging]
    return Division(examples_of([task for task in tasks if task.writer in chosen]),
                    examples_of([others[index] for index in sorted(drawn)]))


def read_variants(path: str | os.PathLike) -> dict[str, list[str]]:
    """Changes by the name of the variant, from a YAML file.

    ::

        attention pooling: [pooling=attention]
        no adapters: [adapter_rank=0, encoder_rate=3e-5]

    Raises
    ------
    RecipeError
        When the file is no such list.
    """
    try:
        variants = yaml.safe_load(Path(path).read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeError(f'cannot read the variants {os.fspath(path)!r}: {error}') from error
    if not isinstance(variants, dict) or not all(
            isinstance(changes, list) for changes in variants.values()):
        raise RecipeError(f'{os.fspath(path)} holds no "name: [key=value, ...]"')
    return {str(name): [str(change) for change in changes]
            for name, changes in variants.items()}


def judge(recipe: Recipe, division: Division, validation: Examples, encoder: Any,
          known: KnownEncoder, tokenizer: TaskTokenizer, *, seed: int = 0,
          distractors: Sequence[str] = (),
          say: Callable[[str], None] | None = None) -> tuple[dict[str, float], np.ndarray]:
    """Train by a recipe, for all its epochs, and judge.

    Parameters
    ----------
    recipe, encoder, known, tokenizer, seed, distractors, say
        See :func:`skill_predictor.training.fit.fit`.
    division
        What to fit, and what judges.
    validation
        Judges as well.

    Returns
    -------
    found : dict of str to float
        Exact match and cross-entropy per flag on both, and the seconds it took.
    right : numpy.ndarray, bool, shape (judging tasks,)
        Which of the tasks of other writers were answered right.
    """
    trained = fit(encoder, known, tokenizer, recipe, division.fitted, seed=seed,
                  distractors=distractors, say=say)
    found: dict[str, float] = {}
    right: dict[str, np.ndarray] = {}
    for name, part in ((JUDGES, division.judging), ('validation', validation)):
        said = trained.predict(part.texts).astype(np.float64).clip(1e-6, 1 - 1e-6)
        truth = part.targets > 0.5
        right[name] = ((said >= DEFAULT_THRESHOLD) == truth).all(axis=1)
        found[f'exact match, {name}'] = round(float(right[name].mean()), 4)
        found[f'loss, {name}'] = round(float(-np.log(np.where(truth, said, 1 - said)).mean()), 4)
    return {**found, 'seconds': round(trained.seconds)}, right[JUDGES]
