"""A dataset as a folder: its splits, how they were made, and what must hold of them.

::

    data/
        dataset.yaml          this manifest
        train.jsonl           one file per split
        validation.jsonl
        test.jsonl
        test_domains.jsonl
        test_<name>.jsonl     others that are for reporting alone
        audit.jsonl           second labels, and decisions where the two differed
        LABELING.md           the guide
        README.md             the card
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, MISSING
from pathlib import Path
from typing import Any

import yaml

from ..outputs import output
from .records import read_tasks, RecordError, TaskRecord

FILE = 'dataset.yaml'

TRAIN, VALIDATION, TEST, TEST_DOMAINS = 'train', 'validation', 'test', 'test_domains'
SPLITS = (TRAIN, VALIDATION, TEST, TEST_DOMAINS)
"""To fit; to choose by; to report, same domains, other writers; to report, other domains."""


@dataclass(frozen=True)
class Requirements:
    """What ``data check`` demands.

    Attributes
    ----------
    tasks, domains, boundary_tasks : int
        Fewest tasks, domains, and tasks that test a boundary.
    common_sets : dict of str to int
        Fewest tasks by skill set, such as ``fly+hands`` or ``none``.
    other_sets : int
        Fewest tasks of every other skill set that occurs.
    min_words, max_words : int
        Length of a text.
    max_cosine : float
        Most alike that two tasks of different splits may be.
    audited_fraction : float
        Share of the tasks without a boundary that must have a second label.
    """

    tasks: int = 1
    domains: int = 1
    boundary_tasks: int = 0
    common_sets: Mapping[str, int] = field(default_factory=dict)
    other_sets: int = 1
    min_words: int = 4
    max_words: int = 60
    max_cosine: float = 0.95
    audited_fraction: float = 0.0


@dataclass(frozen=True)
class Manifest:
    """What a dataset's folder says of itself.

    Attributes
    ----------
    seed : int
        Of the split.
    test_tasks : int
        Size of the stratified test set.
    held_out_writers : tuple of str
        Whose tasks are in validation and test only; empty: split task by task.
    held_out_domains : tuple of str
        Domains that are in ``test_domains`` only.
    requirements : Requirements
    """

    seed: int = 0
    test_tasks: int = 200
    held_out_writers: tuple[str, ...] = ()
    held_out_domains: tuple[str, ...] = ()
    requirements: Requirements = Requirements()

    def write(self, folder: str | os.PathLike) -> None:
        """Write ``dataset.yaml`` into a folder."""
        entries = asdict(self)
        entries['held_out_writers'] = list(self.held_out_writers)
        entries['held_out_domains'] = list(self.held_out_domains)
        entries['requirements']['common_sets'] = dict(self.requirements.common_sets)
        with output(Path(folder) / FILE) as stream:  # a half one would hold out nobody
            stream.write('# Written by `skill-predictor data split`; read by `skill-predictor data '
                         'check`.\n' + yaml.safe_dump(entries, sort_keys=False, width=100))


def read_manifest(folder: str | os.PathLike) -> Manifest:
    """Read ``dataset.yaml`` of a dataset's folder.

    Raises
    ------
    RecordError
        When it cannot be read, or an entry is unknown or not of its kind.
    """
    path = Path(folder) / FILE
    try:
        return _manifest(yaml.safe_load(path.read_text(encoding='utf-8')))
    except OSError as error:
        raise RecordError(f'cannot be read: {error.strerror}; a dataset is a folder with a '
                          f'{FILE}, as `skill-predictor data split` writes it',
                          os.fspath(path)) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RecordError(f'is no manifest of a dataset: {error}', os.fspath(path)) from error


_BOUNDS = {'max_cosine': (-1, 1), 'audited_fraction': (0, 1)}


def _manifest(entries: Any) -> Manifest:
    values = _values(Manifest, entries, 'the file')
    if 'requirements' in values:
        values['requirements'] = Requirements(
            **_values(Requirements, values['requirements'], 'requirements'))
    return Manifest(**values)


def _values(kind: type, entries: Any, what: str) -> dict[str, Any]:
    """Values by field of a class, each of the kind that the field's default is."""
    if not isinstance(entries, dict):
        raise ValueError(f'{what} is {_shown(entries)}; write one line "key: value" per entry')
    defaults = {part.name: part.default_factory() if part.default is MISSING else part.default
                for part in fields(kind)}
    unknown = [str(key) for key in entries if key not in defaults]
    if unknown:
        raise ValueError(f'unknown entry {", ".join(unknown)}; there are {", ".join(defaults)}')
    return {key: _value(key, value, defaults[key]) for key, value in entries.items()}


def _value(key: str, value: Any, default: Any) -> Any:
    wanted = ''
    if isinstance(default, tuple):
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            wanted = "a list of names, each a text, like ['w3', 'w9'], or [] for none"
        else:
            value = tuple(value)
    elif isinstance(default, Mapping):
        if not isinstance(value, dict) or not all(
                isinstance(name, str) and _is_count(count) for name, count in value.items()):
            wanted = 'whole numbers by skill set, like {fly+hands: 400}, or {} for none'
    elif key == 'seed':
        wanted = '' if type(value) is int else 'a whole number'
    elif isinstance(default, int):
        wanted = '' if _is_count(value) else 'a whole number from 0'
    elif isinstance(default, float):
        low, high = _BOUNDS[key]
        if type(value) not in (int, float) or not low <= value <= high:  # nor NaN
            wanted = f'a number from {low} to {high}'
    if wanted:
        raise ValueError(f'{key} is {_shown(value)}; write {wanted}')
    return value


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _shown(value: Any) -> str:
    text = 'empty' if value is None else repr(value)
    return text if len(text) <= 60 else f'{text[:57]}...'


def read_splits(folder: str | os.PathLike) -> dict[str, list[TaskRecord]]:
    """All tasks of a dataset's folder by split, in the order of :data:`SPLITS`.

    Raises
    ------
    RecordError
        When a file is missing or holds anything but labelled tasks.
    """
    return {split: list(read_tasks(Path(folder) / f'{split}.jsonl', require_label=True))
            for split in SPLITS}


def read_reported(folder: str | os.PathLike) -> dict[str, list[TaskRecord]]:
    """Splits that are there for reporting alone: other files of the folder called ``test_*.jsonl``.

    Raises
    ------
    RecordError
        When one holds anything but labelled tasks.
    """
    return {path.stem: list(read_tasks(path, require_label=True)) for path in _reported(folder)}


def _reported(folder: str | os.PathLike) -> list[Path]:
    return [path for path in sorted(Path(folder).glob('test_*.jsonl')) if path.stem not in SPLITS]


def read_chosen(folder: str | os.PathLike, names: Sequence[str]) -> dict[str, list[TaskRecord]]:
    """Splits by name, those for reporting alone included.

    Raises
    ------
    RecordError
        When a file cannot be read, or a split is not there or empty.
    """
    files = [*(Path(folder) / f'{name}.jsonl' for name in SPLITS), *_reported(folder)]
    there = {path.stem: path for path in files if path.is_file() and path.stat().st_size}
    absent = [name for name in names if name not in there]
    if absent:
        raise RecordError(f'has no tasks in {", ".join(absent)}; it has: {", ".join(there)}',
                          os.fspath(folder))
    return {name: list(read_tasks(there[name], require_label=True)) for name in names}
