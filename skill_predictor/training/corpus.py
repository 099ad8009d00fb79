"""Labelled tasks in the form that training needs: texts, targets, and groups to hold out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..dataset.records import read_tasks, RecordError, TaskRecord
from ..inference.errors import TextError
from ..inference.text import clean_text
from ..inference.tokenizer import TaskTokenizer
from ..taxonomy import to_flags

MAX_FOLDS = 10
"""More writers or domains than this are held out several at a time."""


@dataclass(frozen=True)
class Corpus:
    """Labelled tasks whose texts the predictor accepts.

    Attributes
    ----------
    records : tuple of TaskRecord
    targets : numpy.ndarray, float32 0 or 1, shape (len(records), 6)
    """

    records: tuple[TaskRecord, ...]
    targets: np.ndarray

    @property
    def texts(self) -> list[str]:
        """The descriptions as they were written."""
        return [record.text for record in self.records]

    def __len__(self) -> int:
        return len(self.records)


def read_corpus(path: str | os.PathLike, tokenizer: TaskTokenizer) -> Corpus:
    """Read a file of labelled tasks.

    Raises
    ------
    RecordError
        When the file or a record cannot be used, a text is none that the predictor would accept,
        or there is no record at all. The message names the file and the task.
    """
    records = tuple(read_tasks(path, require_label=True))
    for record in records:
        try:
            tokenizer.tokenize(clean_text(record.text))
        except TextError as error:
            raise RecordError(f'task {record.id!r}: {error}', os.fspath(path)) from error
    if not records:
        raise RecordError('holds no task; write one JSON object per line', os.fspath(path))
    targets = np.array([to_flags(record.label or ()) for record in records], dtype=np.float32)
    return Corpus(records, targets)


def join(parts: Sequence[Corpus]) -> Corpus:
    """Several corpora as one, in order; at least one."""
    return Corpus(tuple(record for part in parts for record in part.records),
                  np.concatenate([part.targets for part in parts]))


def folds(records: Sequence[TaskRecord], by: str, seed: int = 0) -> np.ndarray:
    """Which fold each record is held out in.

    Parameters
    ----------
    records
        The tasks.
    by
        ``writer`` or ``domain``: all tasks of one are held out together, each writer or domain on
        its own up to :data:`MAX_FOLDS` of them, beyond that in so many folds of similar size. A
        whole number from 2: so many random folds.
    seed
        For random folds.

    Returns
    -------
    numpy.ndarray, int64 from 0, shape (len(records),)

    Raises
    ------
    ValueError
        When ``by`` is something else, a record lacks its writer or domain, or there are too few
        to hold one out.
    """
    if by in ('writer', 'domain'):
        return _grouped([getattr(record, by) for record in records], by)
    if not (by.isascii() and by.isdigit()) or int(by) < 2:
        raise ValueError(f'cannot hold out by {by!r}; choose writer, domain, or a number from 2')
    count = int(by)
    if count > len(records):
        raise ValueError(f'{len(records)} tasks cannot make {count} folds')
    order = np.random.default_rng(seed).permutation(len(records))
    numbers = np.empty(len(records), dtype=np.int64)
    numbers[order] = np.arange(len(records)) % count
    return numbers


def _grouped(names: Sequence[str], by: str) -> np.ndarray:
    if not all(names):
        raise ValueError(f'{names.count("")} tasks do not state their {by}; add it, or hold out '
                         'random tasks with a number')
    sizes = Counter(names)
    if len(sizes) < 2:
        raise ValueError(f'all tasks are of one {by}; there must be at least two to hold one out')
    filled = [0] * min(len(sizes), MAX_FOLDS)
    fold_of = {}
    for name, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        fold_of[name] = filled.index(min(filled))
        filled[fold_of[name]] += size
    return np.array([fold_of[name] for name in names], dtype=np.int64)


def shared_texts(first: Corpus, second: Corpus) -> int:
    """How many texts of ``second`` are in ``first`` as well, but for case and white space."""
    known = {' '.join(record.text.lower().split()) for record in first.records}
    return sum(' '.join(record.text.lower().split()) in known for record in second.records)
