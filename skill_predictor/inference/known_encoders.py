"""The published sentence encoders that a model can start from, and the vocabulary they share."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import base_weights
from .errors import ModelError
from .locations import find_model
from .store import Architecture, BaseWeights, sha256_file, TokenIds

MAX_TOKENS = 256
"""Most tokens of one text, the two special ones included."""


@dataclass(frozen=True)
class KnownEncoder:
    """One published encoder: where its weights come from, its shape and its token numbers."""

    name: str
    base: BaseWeights
    architecture: Architecture
    token_ids: TokenIds


KNOWN_ENCODERS: tuple[KnownEncoder, ...] = (
    # Song et al. 2020, trained for sentence similarity.
    KnownEncoder(
        name='mpnet',
        base=BaseWeights(
            repository='sentence-transformers/all-mpnet-base-v2',
            revision='e8c3b32edf5434bc2275fc9bab85f82640a19130',
            file='model.safetensors',
            sha256='78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658'),
        architecture=Architecture(
            family='mpnet', layers=12, hidden=768, heads=12, intermediate=3072,
            layer_norm_eps=1e-5),
        token_ids=TokenIds(offset=4, begin=0, end=2, pad=1)),
    # Wang et al. 2020, trained for sentence similarity.
    KnownEncoder(
        name='minilm',
        base=BaseWeights(
            repository='sentence-transformers/all-MiniLM-L6-v2',
            revision='c9745ed1d9f207416be6d2e6f8de32d1f16199bf',
            file='model.safetensors',
            sha256='53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db'),
        architecture=Architecture(
            family='bert', layers=6, hidden=384, heads=12, intermediate=1536,
            layer_norm_eps=1e-12),
        token_ids=TokenIds(offset=0, begin=101, end=102, pad=0)),
)
"""Encoders of the ensemble, in the order of a released model."""


def known_encoder(name: str) -> KnownEncoder:
    """The encoder of that name.

    Raises
    ------
    KeyError
        When there is none.
    """
    return {encoder.name: encoder for encoder in KNOWN_ENCODERS}[name]


VOCABULARY = BaseWeights(
    repository='sentence-transformers/all-MiniLM-L6-v2',
    revision='c9745ed1d9f207416be6d2e6f8de32d1f16199bf',
    file='vocab.txt',
    sha256='07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3')
"""BERT's uncased vocabulary (Devlin et al. 2019), which all known encoders read."""


def find_vocabulary(folder: str | os.PathLike | None = None, *, offline: bool = False,
                    progress: Callable[[str], None] | None = None) -> Path:
    """Path of the verified vocabulary: that of the released model, else as base weights are found.

    Parameters
    ----------
    folder, offline, progress
        See :func:`skill_predictor.inference.base_weights.resolve`.

    Raises
    ------
    ModelError
        When no source has it.
    """
    try:
        released = find_model() / VOCABULARY.file
        if released.is_file() and sha256_file(released) == VOCABULARY.sha256:
            return released
    except ModelError:
        pass  # no released model here: as for the weights
    return base_weights.resolve(VOCABULARY, folder, offline=offline, progress=progress)
