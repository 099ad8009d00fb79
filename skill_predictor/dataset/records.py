"""Task records: JSON Lines files with one task description per line, labelled or not.

::

    {"id": "t-1", "text": "Sweep the deck", "label": ["wheels"], "domain": "port", "writer": "w1"}

Only ``text`` is required; keys that :class:`TaskRecord` does not name are ignored.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, IO, TYPE_CHECKING

from ..outputs import output
from ..taxonomy import NUM_SKILLS, ordered, to_flags, UnknownSkillError
from .lines import check_characters, decode, numbered_lines, RecordError

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class TaskRecord:
    """One task description, with its label where it is known.

    Attributes
    ----------
    id : str
        Name of the task, unique in its file.
    text : str
        The description as it was written; cleaning and judging it is the predictor's affair.
    label : tuple of str, or None
        The required skills, kept distinct and in vector order; empty: none is required; ``None``:
        not labelled.
    domain : str
        Field of work the task is from; empty: not stated.
    writer : str
        Who wrote it; empty: not stated.
    boundary : str
        Which boundary of the labelling guide it tests, a name of
        :data:`skill_predictor.dataset.boundaries.BOUNDARIES`; empty: none in particular.
    group : str
        Tasks of one group differ in a few words only (contrast pairs, paraphrases) and must stay
        in one split; empty: on its own.
    provenance : mapping of str to str
        How a generated task came about (model, request, time); empty: not stated.

    Raises
    ------
    UnknownSkillError
        When the label holds anything but the six skills.
    """

    id: str
    text: str
    label: tuple[str, ...] | None = None
    domain: str = ''
    writer: str = ''
    boundary: str = ''
    group: str = ''
    provenance: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.label is not None:
            object.__setattr__(self, 'label', ordered(self.label))


def read_tasks(source: str | os.PathLike | IO, require_label: bool = False,
               on_error: Callable[[RecordError], None] | None = None) -> Iterator[TaskRecord]:
    """Task records of a JSON Lines file, in order, one after the other.

    Blank lines are skipped. A record without an id gets ``line-<number>``; an id that is a whole
    number becomes text.

    Parameters
    ----------
    source
        Path of a UTF-8 file (a byte order mark is tolerated), or an open stream.
    require_label
        Whether a record without a label is an error.
    on_error
        Called with the error of a bad line, which is then left out. ``None``: the first bad line
        raises.

    Yields
    ------
    TaskRecord

    Raises
    ------
    RecordError
        When the file cannot be read; without ``on_error`` also for a line that is not UTF-8, not
        JSON, not an object, lacks a text, or has an unknown or repeated skill, a repeated id, or
        (with ``require_label``) no label. The message names file and line and says what to do.
    """
    seen: dict[str, int] = {}
    for name, number, line in numbered_lines(source):
        try:
            record = _parse(line, number, require_label)
            if record is None:
                continue
            if record.id in seen:
                raise ValueError(f'the id {record.id!r} is already that of line '
                                 f'{seen[record.id]}; give every task an id of its own')
        except ValueError as problem:
            error = RecordError(str(problem), name, number)
            if on_error is None:
                raise error from problem
            on_error(error)
            continue
        seen[record.id] = number
        yield record


def read_sentences(path: str | os.PathLike) -> list[str]:
    """Sentences of a text file, one per line, without the blank ones.

    Raises
    ------
    RecordError
        When the file cannot be read or is not UTF-8.
    """
    sentences = []
    for name, number, raw in numbered_lines(path):
        try:
            sentences.append(decode(raw, number).strip())
        except ValueError as error:
            raise RecordError(str(error), name, number) from error
    return list(filter(None, sentences))


def write_tasks(records: Iterable[TaskRecord], path: str | os.PathLike) -> int:
    """Write records to a JSON Lines file, which appears whole or not at all.

    Returns
    -------
    int
        How many were written.

    Raises
    ------
    OSError
        When the file cannot be written.
    UnicodeEncodeError
        When a text cannot be written as UTF-8.
    """
    return write_objects(map(as_dict, records), path)


def write_objects(objects: Iterable[Mapping[str, Any]], path: str | os.PathLike) -> int:
    """Write objects to a JSON Lines file, which appears whole or not at all; see :func:`write_tasks`."""
    count = 0
    with output(path) as stream:
        for entry in objects:
            stream.write(json.dumps(entry, ensure_ascii=False) + '\n')
            count += 1
    return count


def label_flags(records: Iterable[TaskRecord]) -> np.ndarray:
    """Labels as flags, bool, shape (records, 6); without a label no skill is required."""
    import numpy as np
    return np.array([to_flags(record.label or ()) for record in records],
                    dtype=bool).reshape(-1, NUM_SKILLS)


def as_dict(record: TaskRecord) -> dict[str, Any]:
    """A record as its JSON object: what is not stated is left out."""
    entry: dict[str, Any] = {'id': record.id, 'text': record.text}
    if record.label is not None:
        entry['label'] = list(record.label)
    for key in ('domain', 'writer', 'boundary', 'group'):
        if getattr(record, key):
            entry[key] = getattr(record, key)
    if record.provenance:
        entry['provenance'] = dict(record.provenance)
    return entry


def _parse(raw: str | bytes, number: int, require_label: bool) -> TaskRecord | None:
    """The record of one line, ``None`` for a blank one; raises ValueError with the reason."""
    line = decode(raw, number)
    if not line.strip():
        return None
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f'is not JSON ({error}); write one JSON object per line, like '
                         '{"text": "Sweep the deck"}') from error
    if not isinstance(entry, dict):
        raise ValueError(f'is a JSON {_kind(entry)}, not an object; write one object per line, '
                         'like {"text": "Sweep the deck"}')
    return TaskRecord(
        id=_id(entry, number), text=_text(entry), label=_label(entry, require_label),
        domain=_string(entry, 'domain'), writer=_string(entry, 'writer'),
        boundary=_string(entry, 'boundary'), group=_string(entry, 'group'),
        provenance=_provenance(entry))


def _id(entry: dict[str, Any], number: int) -> str:
    value = entry.get('id')
    if value is None:
        return f'line-{number}'
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if value == '':
        raise ValueError('the id is empty; use a text or a whole number, or leave it out')
    return _string(entry, 'id')


def _text(entry: dict[str, Any]) -> str:
    if entry.get('text') is None:
        keys = ', '.join(map(repr, entry)) or 'none'
        raise ValueError(f'has no "text"; put the task description there (keys found: {keys})')
    return _string(entry, 'text')


def _string(entry: dict[str, Any], key: str) -> str:
    value = entry.get(key)
    if value is None:
        return ''
    if not isinstance(value, str):
        raise ValueError(f'{key!r} is {_shown(value)}; write it as a text in double quotes')
    check_characters(value, repr(key))
    return value


def _label(entry: dict[str, Any], required: bool) -> tuple[str, ...] | None:
    value = entry.get('label')
    if value is None:
        if required:
            raise ValueError('has no "label"; list the required skills there, [] for none')
        return None
    if not isinstance(value, list):
        raise ValueError(f'the label is {_shown(value)}; write a list of skills, like '
                         '["wheels", "hands"], or [] for none')
    try:
        label = ordered(value)
    except UnknownSkillError as error:
        raise ValueError(f'{error}; correct the label') from error
    if len(label) != len(value):
        raise ValueError(f'a skill is twice in the label {_shown(value)}; name each once')
    return label


def _provenance(entry: dict[str, Any]) -> dict[str, str]:
    value = entry.get('provenance')
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(part, str) for part in value.values()):
        raise ValueError(f"'provenance' is {_shown(value)}; write an object of texts, or leave it "
                         'out')
    check_characters(value, "'provenance'")
    return value


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= 60 else f'{text[:57]}...'


def _kind(value: object) -> str:
    if value is None or isinstance(value, bool):
        return 'constant'
    names = {list: 'list', str: 'text', int: 'number', float: 'number'}
    return names[type(value)]
