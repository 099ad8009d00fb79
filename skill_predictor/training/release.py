"""Writes a model folder, the one that :mod:`skill_predictor.inference.store` reads."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from .. import taxonomy
from ..inference.errors import ModelError
from ..inference.smoothing import RANGE
from ..inference.spelling import write_words
from ..inference.store import (ATTENTION, Example, FORMAT, FORMAT_WITHOUT_WORDS, MEAN, read_model, ReleasedModel,
                               sha256_file)
from .heads import Head
from ..inference.known_encoders import KnownEncoder, MAX_TOKENS

VOCABULARY_FILE = 'vocab.txt'
WORDS_FILE = 'words.txt'
CARD_FILE = 'README.md'

# The name becomes part of file names, and of the model's version in messages.
_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]*')


@dataclass(frozen=True)
class TrainedEncoder:
    """A published encoder, the head that was fitted to it, and what training changed in it.

    Attributes
    ----------
    changes : mapping of str to numpy.ndarray, float32
        See :func:`skill_predictor.training.trainable.changes`; empty: the encoder is as published.
    unfrozen : tuple of str
        The changed parts, in words.
    query : numpy.ndarray, float32, shape (6, hidden), or None
        Of attention pooling; ``None``: the tokens' mean is taken.
    ranges : mapping of str to numpy.ndarray, float32
        See :func:`skill_predictor.training.ranges.activation_ranges`; empty: int8 does without.
    weight : float
        In the mean of all encoders, above 0.
    """

    known: KnownEncoder
    head: Head
    changes: Mapping[str, np.ndarray] = field(default_factory=dict)
    unfrozen: tuple[str, ...] = ()
    query: np.ndarray | None = None
    ranges: Mapping[str, np.ndarray] = field(default_factory=dict)
    weight: float = 1.0


def check_target(folder: str | os.PathLike, name: str, overwrite: bool = False) -> None:
    """Refuse, before any work is done, a release that could not be written.

    Raises
    ------
    ModelError
        When the name cannot be one, or the folder exists and must not be replaced.
    """
    folder = Path(folder)
    if not _NAME.fullmatch(name):
        raise ModelError(f'{name!r} cannot name a model; use letters, digits, dots, hyphens and '
                         'underscores, and start with a letter or digit')
    if not (folder.exists() or folder.is_symlink()):
        return
    if not folder.is_dir() or folder.is_symlink():
        raise ModelError(f'{folder} is no folder; choose another place for the model')
    if not any(folder.iterdir()):
        return
    if not (folder / 'config.json').is_file():
        raise ModelError(f'{folder} holds something that is no model; choose another place')
    if not overwrite:
        raise ModelError(f'there is already a model in {folder}; choose another place, or allow '
                         'it to be replaced (--overwrite)')


def write_release(folder: str | os.PathLike, name: str, encoders: Sequence[TrainedEncoder],
                  vocabulary: str | os.PathLike, card: str, *, max_tokens: int = MAX_TOKENS,
                  thresholds: Mapping[str, float] | None = None,
                  data_sha256: Mapping[str, str] | None = None,
                  words: Mapping[str, int] | None = None,
                  examples: Callable[[ReleasedModel], Sequence[Example]] | None = None,
                  overwrite: bool = False) -> ReleasedModel:
    """Write a model folder whole or not at all, and read it back.

    Parameters
    ----------
    folder
        The folder to make; its parents are made as well.
    name
        Name of the model.
    encoders
        At least one, each with a name of its own.
    vocabulary
        WordPiece vocabulary that is copied into the folder.
    card
        Text of the model card, Markdown.
    max_tokens
        Most tokens of one text, the two special ones included.
    thresholds
        Per skill, above 0 and at most 1; ``None``: the default one for all.
    data_sha256
        By split, the files that it was fitted to and chosen by; ``None``: they are not noted.
    words
        Of the training tasks, with how many have each, by which mistyped ones are read as meant; ``None``:
        they are not.
    examples
        What the finished model answers, by which engines are checked; ``None``: they are not.
    overwrite
        Whether a model that is already there is replaced.

    Raises
    ------
    ModelError
        When a head does not lead from its encoder to the six skills, a weight is not finite in
        half precision, the names clash, the folder must not be replaced or cannot be written.
    """
    folder = Path(folder)
    check_target(folder, name, overwrite)
    _check_encoders(encoders)
    if thresholds is None:
        thresholds = dict.fromkeys(taxonomy.SKILLS, taxonomy.DEFAULT_THRESHOLD)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix='.partial-') as scratch:
            draft = Path(scratch) / 'model'
            draft.mkdir()
            shutil.copyfile(vocabulary, draft / VOCABULARY_FILE)
            config = {
                'format': FORMAT if words else FORMAT_WITHOUT_WORDS,
                'name': name,
                'skills': list(taxonomy.SKILLS),
                'thresholds': {skill: float(thresholds[skill]) for skill in taxonomy.SKILLS},
                'max_tokens': max_tokens,
                **({'data_sha256': dict(data_sha256)} if data_sha256 else {}),
                'vocabulary': {
                    'file': VOCABULARY_FILE, 'sha256': sha256_file(draft / VOCABULARY_FILE)},
                **({'words': _write_words(draft, words)} if words else {}),
                'encoders': [_write_encoder(draft, encoder) for encoder in encoders]}
            _write_config(draft, config)
            (draft / CARD_FILE).write_text(card, encoding='utf-8')
            if examples is not None:
                config['examples'] = [
                    {'text': example.text, 'probabilities': [
                        [round(value, 6) for value in row] for row in example.probabilities]}
                    for example in examples(read_model(draft))]
                _write_config(draft, config)
            read_model(draft)
            _put_in_place(draft, folder, Path(scratch) / 'replaced')
    except OSError as error:
        raise ModelError(f'cannot write {folder}: {error}') from error
    return read_model(folder)


def _write_words(folder: Path, words: Mapping[str, int]) -> dict:
    write_words(folder / WORDS_FILE, words)
    return {'file': WORDS_FILE, 'sha256': sha256_file(folder / WORDS_FILE)}


def _write_config(folder: Path, config: Mapping) -> None:
    (folder / 'config.json').write_text(json.dumps(config, indent=2) + '\n')


def _check_encoders(encoders: Sequence[TrainedEncoder]) -> None:
    names = [encoder.known.name for encoder in encoders]
    if not names or len(set(names)) < len(names):
        raise ModelError(f'a model needs encoders with different names, not {names}')
    for encoder in encoders:
        name, widths = encoder.known.name, encoder.head.widths
        if not _NAME.fullmatch(name):
            raise ModelError(f'{name!r} cannot name an encoder')
        hidden = encoder.known.architecture.hidden
        if (widths[0], widths[-1]) != (hidden, taxonomy.NUM_SKILLS):
            raise ModelError(f'encoder {name}: the head must lead from {hidden} to '
                             f'{taxonomy.NUM_SKILLS}, not {widths}')
        shapes = list(zip(widths[1:], widths))
        if ([weight.shape for weight in encoder.head.weights] != shapes
                or [bias.shape for bias in encoder.head.biases] != [(out,) for out, _ in shapes]):
            raise ModelError(f'encoder {name}: the layers of the head do not fit each other')


def _write_encoder(folder: Path, encoder: TrainedEncoder) -> dict:
    from safetensors.numpy import save
    known, head = encoder.known, encoder.head
    path = folder / f'{known.name}.safetensors'
    # Not save_file: that hides the file from everybody but its owner.
    path.write_bytes(save(tensors_of(encoder)))
    return {
        'name': known.name,
        'base': asdict(known.base),
        'architecture': asdict(known.architecture),
        'token_ids': asdict(known.token_ids),
        'pooling': MEAN if encoder.query is None else ATTENTION,
        'head_layers': list(head.widths),
        'unfrozen': list(encoder.unfrozen),
        'weight': encoder.weight,
        'tuned': {'file': path.name, 'sha256': sha256_file(path)}}


def tensors_of(encoder: TrainedEncoder) -> dict[str, np.ndarray]:
    """What is written of an encoder, float16, by name.

    Raises
    ------
    ModelError
        When a weight is not finite in half precision.
    """
    name = encoder.known.name
    tensors = dict(encoder.changes)
    for index, (weight, bias) in enumerate(zip(encoder.head.weights, encoder.head.biases)):
        tensors[f'head.{index}.weight'] = weight
        tensors[f'head.{index}.bias'] = bias
    if encoder.query is not None:
        tensors['pool.query'] = encoder.query
    tensors.update((RANGE + product, values) for product, values in encoder.ranges.items())
    return {part: _half(values, f'encoder {name}: {part}') for part, values in tensors.items()}


def _half(values: np.ndarray, what: str) -> np.ndarray:
    with np.errstate(over='ignore'):
        half = np.ascontiguousarray(values, dtype=np.float16)
    if not np.isfinite(half).all():
        raise ModelError(f'{what} is not finite in half precision; train with a lower learning '
                         'rate')
    return half


def _put_in_place(draft: Path, folder: Path, replaced: Path) -> None:
    """Rename the finished folder; the one it replaces goes only when the new one is there."""
    if folder.exists():
        os.rename(folder, replaced)
    try:
        os.rename(draft, folder)
    except BaseException:  # Ctrl-C, too: what was replaced is about to be deleted
        if replaced.exists() and not folder.exists():
            os.rename(replaced, folder)
        raise
