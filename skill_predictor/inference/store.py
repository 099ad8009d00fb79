"""The model store: a released model is a folder, and this module reads and verifies it.

::

    models/skill-predictor-v1/
        config.json            taxonomy, thresholds, encoders, examples of answers; every other file by its sha256
        vocab.txt              WordPiece vocabulary that all encoders share
        words.txt              words of the training tasks, and how many have each: by them mistyped ones are read
                               as meant (optional, see spelling.py)
        mpnet.safetensors      what was trained: head (``head.*``), pooling (``pool.*``), changes to the
                               encoder, and ranges of its states (``range.*``, see smoothing.py)
        minilm.safetensors     (tensors named as in the base, added to it; ``<name>.lora_A`` and
                               ``<name>.lora_B`` are low-rank factors of such a tensor)
        README.md              the model card
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .. import taxonomy
from .errors import ModelError

_PLAIN_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]*')

FORMAT, FORMAT_WITHOUT_WORDS = 3, 2
"""Versions of the folder's layout that are written. In 1 encoders have no weights: all count the same; up to 2
there are no words by which spelling is corrected."""
READ_FORMATS = (1, FORMAT_WITHOUT_WORDS, FORMAT)


MEAN, ATTENTION = 'mean', 'attention'
"""Ways to make one vector of a text's tokens."""


@dataclass(frozen=True)
class BaseWeights:
    """A published sentence encoder that the model starts from."""

    repository: str
    revision: str
    file: str
    sha256: str


@dataclass(frozen=True)
class Architecture:
    """Shape of a BERT-like encoder (Devlin et al. 2019; Song et al. 2020 for MPNet)."""

    family: str
    """``bert`` (absolute positions) or ``mpnet`` (absolute positions and relative bias)."""
    layers: int
    hidden: int
    heads: int
    intermediate: int
    layer_norm_eps: float


@dataclass(frozen=True)
class TokenIds:
    """How this encoder numbers the tokens of the shared vocabulary."""

    offset: int
    """Added to the position of an ordinary token in ``vocab.txt``."""
    begin: int
    end: int
    pad: int


@dataclass(frozen=True)
class EncoderConfig:
    """One encoder of the ensemble."""

    name: str
    base: BaseWeights
    architecture: Architecture
    token_ids: TokenIds
    pooling: str
    """``mean``: of the last hidden states of all tokens, special ones included; ``attention``: for
    each skill a mean that is weighted by attention to the tokens."""
    head_layers: tuple[int, ...]
    """Widths of the head, from the encoder's hidden size to the number of skills."""
    unfrozen: tuple[str, ...]
    """Parts of the encoder that were trained; empty: only the head was."""
    tuned_file: str
    tuned_sha256: str
    weight: float = 1.0
    """How much its probabilities count in the mean, beside the weights of the others; above 0."""


@dataclass(frozen=True)
class Example:
    """A text and what the model said to it when it was released, in PyTorch and float32."""

    text: str
    probabilities: tuple[tuple[float, ...], ...]
    """Of every encoder, in the model's order: six in 0..1."""


@dataclass(frozen=True)
class ReleasedModel:
    """A verified model folder; its weights are read when asked for."""

    path: Path
    name: str
    sha256: str
    """Hash of config.json, which holds the hash of every other file."""
    skills: tuple[str, ...]
    thresholds: tuple[float, ...]
    max_tokens: int
    vocabulary: Path
    encoders: tuple[EncoderConfig, ...]
    words: Path | None = None
    """By which mistyped words are read as meant; ``None``: they are read as they are."""
    data_sha256: Mapping[str, str] = field(default_factory=dict)
    """By split, the files that it was fitted to and chosen by; empty: not noted."""
    examples: tuple[Example, ...] = ()
    """By which an engine is checked when it is loaded; empty: it is not."""

    @property
    def version(self) -> str:
        """Name and the start of the hash: changes whenever an answer can change."""
        return f'{self.name}+{self.sha256[:12]}'

    def tuned_weights(self, encoder: EncoderConfig) -> dict[str, np.ndarray]:
        """What was trained for ``encoder``, as float32 arrays by name.

        Raises
        ------
        ModelError
            When low-rank factors do not fit each other.
        """
        from safetensors.numpy import load_file
        tensors = load_file(str(self.path / encoder.tuned_file))
        return multiplied({name: tensor.astype(np.float32) for name, tensor in tensors.items()},
                          encoder.tuned_file)


FACTOR_A, FACTOR_B = '.lora_A', '.lora_B'
"""Ends of the names of the two low-rank factors of a change."""


def multiplied(tuned: Mapping[str, np.ndarray], source: str) -> dict[str, np.ndarray]:
    """Trained tensors with each pair of low-rank factors replaced by its product.

    Parameters
    ----------
    tuned
        Tensors by name; ``<name>.lora_A``, shape (rank, in), and ``<name>.lora_B``, shape
        (out, rank), stand for the change B A of ``<name>`` (Hu et al. 2022).
    source
        Name of their file, for the error.

    Raises
    ------
    ModelError
        When a factor lacks the other, or they do not fit each other.
    """
    plain = {name: tensor for name, tensor in tuned.items()
             if not name.endswith((FACTOR_A, FACTOR_B))}
    for name in sorted({name.rpartition('.')[0] for name in tuned.keys() - plain.keys()}):
        try:
            product = tuned[name + FACTOR_B] @ tuned[name + FACTOR_A]
        except (KeyError, ValueError) as error:
            raise ModelError(f'{source}: the two factors of {name} do not fit: {error}') from error
        plain[name] = plain[name] + product if name in plain else product
    return plain


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hex digits."""
    digest = hashlib.sha256()
    with open(path, 'rb') as stream:
        while chunk := stream.read(1 << 22):
            digest.update(chunk)
    return digest.hexdigest()


def read_model(path: Path) -> ReleasedModel:
    """Read a model folder and verify the files in it.

    Raises
    ------
    ModelError
        When config.json is damaged or of another format, when the skills are not this package's,
        or when a file is missing or does not have the hash that config.json states.
    """
    path = Path(path)
    try:
        raw = (path / 'config.json').read_bytes()
    except OSError as error:
        raise ModelError(f'cannot read the model folder {path}: {error}') from error
    try:
        model = _parse(path, raw)
    except ModelError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f'{path / "config.json"} is damaged ({type(error).__name__}: {error}); '
            'fetch the model again') from error
    return model


def _parse(path: Path, raw: bytes) -> ReleasedModel:
    config = json.loads(raw)
    if config['format'] not in READ_FORMATS:
        raise ModelError(
            f'{path} has model format {config["format"]}, this version reads '
            f'formats {", ".join(map(str, READ_FORMATS))}; '
            'update skill_predictor, or use a model that was released with it')
    skills = tuple(config['skills'])
    if skills != taxonomy.SKILLS:
        raise ModelError(
            f'{path} was trained for the skills {", ".join(skills)}; '
            f'this version has {", ".join(taxonomy.SKILLS)}')
    thresholds = tuple(float(config['thresholds'][skill]) for skill in skills)
    if not all(0.0 < threshold <= 1.0 for threshold in thresholds):
        raise ModelError(f'{path}: a threshold is outside 0..1: {thresholds}')
    files = [config[kind] for kind in ('vocabulary', 'words') if kind in config]
    if config['format'] <= FORMAT_WITHOUT_WORDS and 'words' in config:
        raise ModelError(f'{path}: words need format {FORMAT}; fetch the model again')
    encoders = tuple(_parse_encoder(entry) for entry in config['encoders'])
    # They become parts of paths, and a model may come from anybody.
    for name in (config['name'], *(entry['file'] for entry in files), *(
            part for encoder in encoders for part in (encoder.name, encoder.tuned_file))):
        if not _PLAIN_NAME.fullmatch(str(name)):
            raise ModelError(f'{path}: {name!r} cannot be the name of a model, encoder or file')
    if not encoders:
        raise ModelError(f'{path} names no encoder')
    for entry in files:
        _verify(path / entry['file'], entry['sha256'])
    for encoder in encoders:
        _verify(path / encoder.tuned_file, encoder.tuned_sha256)
    return ReleasedModel(
        path=path, name=str(config['name']), sha256=hashlib.sha256(raw).hexdigest(),
        skills=skills, thresholds=thresholds, max_tokens=int(config['max_tokens']),
        vocabulary=path / config['vocabulary']['file'], encoders=encoders,
        words=path / config['words']['file'] if 'words' in config else None,
        data_sha256={str(split): str(value) for split, value in config.get('data_sha256', {}).items()},
        examples=tuple(_parse_example(entry, len(encoders)) for entry in config.get('examples', ())))


def _parse_example(entry: dict, encoders: int) -> Example:
    example = Example(str(entry['text']), tuple(
        tuple(float(value) for value in row) for row in entry['probabilities']))
    if [len(row) for row in example.probabilities] != [taxonomy.NUM_SKILLS] * encoders:
        raise ValueError(f'the example {example.text!r} does not have six probabilities for every encoder')
    return example


def _parse_encoder(entry: dict) -> EncoderConfig:
    encoder = EncoderConfig(
        name=str(entry['name']),
        base=BaseWeights(**entry['base']),
        architecture=Architecture(**entry['architecture']),
        token_ids=TokenIds(**entry['token_ids']),
        pooling=str(entry['pooling']),
        head_layers=tuple(int(width) for width in entry['head_layers']),
        unfrozen=tuple(entry['unfrozen']),
        tuned_file=str(entry['tuned']['file']),
        tuned_sha256=str(entry['tuned']['sha256']),
        weight=float(entry.get('weight', 1.0)))
    if not 0.0 < encoder.weight < float('inf'):
        raise ModelError(f'encoder {encoder.name}: the weight {encoder.weight} is not above 0')
    if encoder.pooling not in (MEAN, ATTENTION):
        raise ModelError(f'encoder {encoder.name}: unknown pooling {encoder.pooling!r}')
    if (encoder.head_layers[0], encoder.head_layers[-1]) != (
            encoder.architecture.hidden, taxonomy.NUM_SKILLS):
        raise ModelError(
            f'encoder {encoder.name}: the head must lead from {encoder.architecture.hidden} '
            f'to {taxonomy.NUM_SKILLS}, not {encoder.head_layers}')
    return encoder


def _verify(path: Path, sha256: str) -> None:
    if not path.is_file():
        raise ModelError(f'{path} is missing; fetch the model again')
    try:
        found = sha256_file(path)
    except OSError as error:
        raise ModelError(f'cannot read {path}: {error}') from error
    if found != sha256:
        raise ModelError(
            f'{path} is damaged: sha256 {found[:12]}..., the model states {sha256[:12]}...; '
            'fetch the model again (with git lfs or a slow copy, check that it is whole)')
