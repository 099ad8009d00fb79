"""Labelled tasks as the trainer wants them: changed now and then, tokenised, in batches."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from ..dataset.check import check_reported
from ..dataset.manifest import read_reported, read_splits, TRAIN, VALIDATION
from ..dataset.records import label_flags, read_sentences, RecordError, TaskRecord
from ..dataset.variants import joined, with_distractor, with_typos, without_punctuation
from ..inference.errors import TextError
from ..inference.store import sha256_file, TokenIds
from ..inference.text import clean_text
from ..inference.tokenizer import batch_ids, TaskTokenizer
from .recipe import Recipe

BUCKET = 20
"""So many batches are drawn at random and then sorted by length among themselves."""


@dataclass(frozen=True)
class Examples:
    """Labelled tasks of one split.

    Attributes
    ----------
    texts : sequence of str
        As they were written.
    targets : numpy.ndarray, float32 in 0..1, shape (len(texts), 6)
        What is wanted; 0 and 1 for labels.
    groups : sequence of str
        Name of each task's contrast pair, '' for none; empty: unknown.
    """

    texts: Sequence[str]
    targets: np.ndarray
    groups: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.texts)


DISTRACTORS = 'distractors.txt'
"""File of a dataset's folder with sentences that ask for nothing, one per line."""


def read_examples(folder: str | os.PathLike) -> tuple[dict[str, Examples], dict[str, str]]:
    """All splits of a dataset's folder, by name, and the SHA-256 of their files.

    Raises
    ------
    RecordError
        When the folder cannot be read, lacks train or validation, or a split that is for reporting
        alone repeats a task of the others.
    """
    examples, hashes = {}, {}
    splits, reported = read_splits(folder), read_reported(folder)
    repeated = check_reported(splits, reported).problems
    if repeated:
        raise RecordError(f'a test set repeats tasks: {repeated[0]} ({len(repeated)} in all); leave '
                          'them out of one of the files', os.fspath(folder))
    for name, tasks in {**splits, **reported}.items():
        if not tasks:
            if name in (TRAIN, VALIDATION):
                raise RecordError(f'there are no tasks in {name}.jsonl', os.fspath(folder))
            continue
        examples[name] = examples_of(tasks)
        hashes[name] = sha256_file(Path(folder) / f'{name}.jsonl')
    return examples, hashes


def examples_of(tasks: Sequence[TaskRecord]) -> Examples:
    """Texts, targets and groups of labelled tasks."""
    return Examples([task.text for task in tasks],
                    label_flags(tasks).astype(np.float32),
                    [task.group for task in tasks])


def read_distractors(folder: str | os.PathLike) -> list[str]:
    """Sentences that ask for nothing, from a dataset's folder; empty when it has none.

    Raises
    ------
    RecordError
        When the file cannot be read.
    """
    path = Path(folder) / DISTRACTORS
    return read_sentences(path) if path.exists() else []


def texts_sha256(texts: Sequence[str]) -> str:
    """SHA-256 of texts in their order: by it a run knows which ones it was trained with."""
    return hashlib.sha256('\n'.join(texts).encode()).hexdigest()


class Tasks(Dataset):
    """Tokenised tasks and their targets; with a recipe, texts are changed as it says.

    Parameters
    ----------
    texts
        Task descriptions as they were written.
    targets
        Probabilities, float32 in 0..1, shape (len(texts), 6).
    tokenizer
        Makes the tokens.
    recipe
        Says how often texts are changed; ``None``: never.
    distractors
        Sentences that ask for nothing; at least one where the recipe uses them.
    seed
        Of the changes. They depend on it, on the pass and on the task alone, so they are the same in
        a run that goes on after a stop.

    Raises
    ------
    TextError
        When the predictor would refuse a text.
    """

    epoch = 0
    """Which pass it is; each changes the texts otherwise."""

    def __init__(self, texts: Sequence[str], targets: np.ndarray, tokenizer: TaskTokenizer,
                 recipe: Recipe | None = None, distractors: Sequence[str] = (),
                 seed: int = 0) -> None:
        self._texts = [clean_text(text) for text in texts]
        self._targets = np.asarray(targets, dtype=np.float32)
        self._tokenizer = tokenizer
        self._recipe = recipe
        self._distractors = distractors
        self._seed = seed
        self.rows = [tokenizer.tokenize(text) for text in self._texts]

    def __len__(self) -> int:
        return len(self.rows)

    def lengths(self) -> list[int]:
        """Tokens of every task as this pass reads it."""
        return [len(self[index][0]) for index in range(len(self))]

    def __getitem__(self, index: int) -> tuple[list[int], np.ndarray]:
        if self._recipe is None:
            return self.rows[index], self._targets[index]
        rng = random.Random(f'{self._seed} {self.epoch} {index}')
        text, target = self._changed(index, rng)
        if text == self._texts[index]:
            return self.rows[index], target
        try:
            return self._tokenizer.tokenize(clean_text(text)), target
        except TextError:  # too long now, or misspelt beyond reading
            return self.rows[index], self._targets[index]

    def _changed(self, index: int, rng: random.Random) -> tuple[str, np.ndarray]:
        recipe, text, target = self._recipe, self._texts[index], self._targets[index]
        if rng.random() < recipe.joined:
            other = rng.randrange(len(self._texts))
            text = joined(text, self._texts[other], rng)
            # Needed for one stage or for the other.
            target = 1 - (1 - target) * (1 - self._targets[other])
        if rng.random() < recipe.distractor:
            text = with_distractor(text, rng.choice(self._distractors), rng)
        if rng.random() < recipe.typos:
            text = with_typos(text, rng)
        if rng.random() < recipe.no_punctuation:
            text = without_punctuation(text)
        return text, target


class Collate:
    """Pads tokenised tasks into tensors by name, as :class:`SkillClassifier` takes them."""

    def __init__(self, token_ids: TokenIds) -> None:
        self.token_ids = token_ids

    def __call__(self, tasks: Sequence[tuple[list[int], np.ndarray]]) -> Mapping[str, torch.Tensor]:
        ids, mask = batch_ids([row for row, _ in tasks], self.token_ids)
        labels = np.stack([target for _, target in tasks])
        return {'input_ids': torch.from_numpy(ids), 'attention_mask': torch.from_numpy(mask),
                'labels': torch.from_numpy(labels)}


class LengthBatches(Sampler):
    """Random batches of tasks of similar length, so that little is padded.

    The order of a pass depends on seed and epoch alone, so it is the same in every process, and in
    a run that goes on after a stop.

    Parameters
    ----------
    count
        Number of tasks.
    lengths
        Gives the tokens of every task; asked anew for each pass, which may have changed the texts.
    size
        Tasks per batch.
    seed
        Of the order.
    groups
        Name of each task's group, '' for none: tasks of one group are in one batch, but for the few
        whose group a batch's end cuts. ``None``: groups do not matter.
    """

    epoch = 0
    """Which pass the next one is."""

    def __init__(self, count: int, lengths: Callable[[], Sequence[int]], size: int, seed: int,
                 groups: Sequence[str] | None = None) -> None:
        self._count = count
        self._lengths = lengths
        self._size = size
        self._seed = seed
        units: dict[object, list[int]] = {}
        for index in range(count):
            units.setdefault(groups[index] if groups and groups[index] else index, []).append(index)
        self._units = list(units.values())

    def __len__(self) -> int:
        return -(-self._count // self._size)

    def __iter__(self) -> Iterator[list[int]]:
        rng = np.random.default_rng([self._seed, self.epoch])
        lengths = self._lengths()
        length = {index: max(lengths[other] for other in unit)
                  for unit in self._units for index in unit}
        order = [index for unit in rng.permutation(len(self._units))
                 for index in self._units[unit]]
        batches = []
        for start in range(0, len(order), self._size * BUCKET):
            # The sort is stable and a group has one length: its tasks stay side by side.
            bucket = sorted(order[start:start + self._size * BUCKET], key=length.__getitem__)
            batches += [bucket[first:first + self._size]
                        for first in range(0, len(bucket), self._size)]
        for index in rng.permutation(len(batches)):
            yield batches[index]
