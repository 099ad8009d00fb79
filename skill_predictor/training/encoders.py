"""The published encoders in PyTorch, and the embeddings that heads are trained on.

The modules are built from our own description of the encoder and its verified weights, without a
model hub, and read our tokeniser's tokens: training sees exactly what serving will.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import torch
from torch import nn

from ..inference import base_weights
from ..inference.errors import ModelError
from ..inference.store import Architecture, TokenIds
from ..inference.tokenizer import run_sorted, TaskTokenizer
from ..inference.known_encoders import KnownEncoder

# What the graph leaves out as well: the pooler is not used, positions are counted, not stored.
_UNUSED = ('pooler.', 'embeddings.position_ids')


def load_encoder(known: KnownEncoder, folder: str | os.PathLike | None = None, *,
                 offline: bool = False,
                 progress: Callable[[str], None] | None = None) -> nn.Module:
    """A published encoder with its verified weights, ready for :func:`embed`.

    Parameters
    ----------
    known
        Which encoder.
    folder, offline, progress
        See :func:`skill_predictor.inference.base_weights.resolve`.

    Raises
    ------
    ModelError
        When the weights cannot be had, or do not fit the architecture.
    """
    from safetensors.numpy import load_file
    path = base_weights.resolve(known.base, folder, offline=offline, progress=progress)
    return build_encoder(known.architecture, known.token_ids, load_file(str(path)))


def build_encoder(architecture: Architecture, token_ids: TokenIds,
                  weights: Mapping[str, np.ndarray]) -> nn.Module:
    """A transformers ``BertModel`` or ``MPNetModel`` without pooler, float32, in evaluation mode.

    Parameters
    ----------
    architecture
        Shape of the encoder; the sizes of its tables are those of the weights.
    token_ids
        How it numbers tokens; only the padding matters here.
    weights
        Tensors by the names of the published encoder.

    Raises
    ------
    ModelError
        When the family is unknown, or a tensor is missing, left over or of another shape.
    """
    module = _empty_module(architecture, token_ids, weights)
    tensors = {name: torch.from_numpy(np.array(value, dtype=np.float32))
               for name, value in weights.items() if not name.startswith(_UNUSED)}
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise ModelError(f'the weights do not fit the encoder: {error}') from error
    return module.requires_grad_(False).eval()


def _empty_module(architecture: Architecture, token_ids: TokenIds,
                  weights: Mapping[str, np.ndarray]) -> nn.Module:
    from transformers import BertConfig, BertModel, MPNetConfig, MPNetModel
    shape = {
        'vocab_size': _rows(weights, 'word'),
        'max_position_embeddings': _rows(weights, 'position'),
        'hidden_size': architecture.hidden,
        'num_hidden_layers': architecture.layers,
        'num_attention_heads': architecture.heads,
        'intermediate_size': architecture.intermediate,
        'layer_norm_eps': architecture.layer_norm_eps,
        'pad_token_id': token_ids.pad}
    # The random start is replaced at once, and must not move the caller's random numbers.
    with torch.random.fork_rng(devices=[]):
        if architecture.family == 'bert':
            config = BertConfig(type_vocab_size=_rows(weights, 'token_type'), **shape)
            return BertModel(config, add_pooling_layer=False)
        if architecture.family == 'mpnet':
            return MPNetModel(MPNetConfig(**shape), add_pooling_layer=False)
    raise ModelError(f'unknown encoder architecture {architecture.family!r}')


def _rows(weights: Mapping[str, np.ndarray], kind: str) -> int:
    name = f'embeddings.{kind}_embeddings.weight'
    if name not in weights:
        raise ModelError(f'the weights lack {name!r}')
    return weights[name].shape[0]


def embed(texts: Sequence[str], encoder: nn.Module, tokenizer: TaskTokenizer,
          token_ids: TokenIds, *, batch_size: int = 32,
          on_done: Callable[[int], None] | None = None) -> np.ndarray:
    """Mean-pooled last hidden states (Reimers and Gurevych 2019), not normalised.

    Parameters
    ----------
    texts
        Task descriptions as they were written; cleaned and tokenised as in serving.
    encoder
        From :func:`load_encoder` or :func:`build_encoder`.
    tokenizer
        Makes the tokens.
    token_ids
        How this encoder numbers them.
    batch_size
        Texts per pass, at least 1.
    on_done
        Called with the number of texts done since the last call.

    Returns
    -------
    numpy.ndarray, float32, shape (len(texts), hidden)
        In the order of ``texts``.

    Raises
    ------
    TextError
        When the predictor would refuse a text.
    """
    return run_sorted(texts, tokenizer, token_ids, encoder.config.hidden_size,
                      partial(mean_pooled, encoder), batch_size=batch_size, on_done=on_done)


def mean_pooled(encoder: nn.Module, input_ids: np.ndarray,
                attention_mask: np.ndarray) -> np.ndarray:
    """Mean of the last hidden states of the tokens that are not padding.

    Parameters
    ----------
    encoder
        From :func:`load_encoder` or :func:`build_encoder`.
    input_ids, attention_mask
        int64, shape (texts, tokens), from :func:`batch_ids`.

    Returns
    -------
    numpy.ndarray, float32, shape (texts, hidden)
    """
    mask = torch.from_numpy(attention_mask)
    with torch.inference_mode():
        output = encoder(input_ids=torch.from_numpy(input_ids), attention_mask=mask)
        return mean_pool(output.last_hidden_state, mask).numpy()


def mean_pool(hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """Mean of the hidden states of the tokens that are not padding, shape (texts, hidden)."""
    weight = attention_mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weight).sum(1) / weight.sum(1)
