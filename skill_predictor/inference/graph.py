"""The ONNX graph of one encoder with its head, made straight from its weights.

Writing the graph here, instead of tracing it with PyTorch, keeps PyTorch off the robot, makes the
graph the same on every machine, and leaves precision and fusion in our hands: one matrix product
makes queries, keys and values together, so that dynamic int8 quantises their input once.

Sources: BERT (Devlin et al. 2019), MPNet with T5's relative position buckets (Song et al. 2020),
mean pooling (Reimers and Gurevych 2019).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto

from .errors import ModelError
from .graph_builder import GraphBuilder
from .smoothing import EXPONENTS, kind_of
from .store import ATTENTION, EncoderConfig
from .tensor_names import ATTENTION_MASK, EMBEDDING, INPUT_IDS, PROBABILITIES

if TYPE_CHECKING:
    from .known_encoders import KnownEncoder

VERSION = 5
"""Raised with every change of this file or the builder that changes a graph; part of the artefacts' key."""

# Large enough that softmax gives a masked token exactly zero, small enough for fp16.
_MASKED = -1.0e4

_MPNET_BUCKETS = 32
_MPNET_MAX_DISTANCE = 128
# MPNet keeps RoBERTa's position numbering: padding has 1, the first token 2.
_MPNET_FIRST_POSITION = 2


def build_graph(encoder: EncoderConfig, weights: Mapping[str, np.ndarray],
                max_tokens: int, *, half: bool = False, smooth: bool = False) -> onnx.ModelProto:
    """Graph from token ids to skill probabilities, in float32 or in mixed precision.

    Inputs ``input_ids`` and ``attention_mask``, int64, shape (batch, tokens); output
    ``probabilities``, float32 in 0..1, shape (batch, 6). Batch and tokens are dynamic; tokens at most
    ``max_tokens``.

    Parameters
    ----------
    encoder
        Architecture and head.
    weights
        Tensors by the names of the published encoder, and ``head.<i>.weight`` / ``head.<i>.bias``;
        with attention pooling also ``pool.query``, shape (6, hidden).
    max_tokens
        Longest input, special tokens included.
    half
        Matrix products of the transformer layers and the embedding tables in float16; sums of the
        residual stream, layer norms, softmax, pooling and head stay in float32, where float16 would
        lose digits (Micikevicius et al. 2018).
    smooth
        Make the inputs of matrix products even, for int8, where the weights bring their ranges; see
        :mod:`skill_predictor.inference.smoothing`.

    Raises
    ------
    ModelError
        When a tensor is missing or has another shape than the architecture asks for, when the
        architecture is unknown, or when a weight is too large for float16.
    """
    builder = GraphBuilder(encoder, weights, half, smooth)
    hidden = _hidden(builder, max_tokens)
    if encoder.pooling == ATTENTION:
        logits = _own(builder, _head(builder, _attention_pool(builder, hidden),
                                     encoder.head_layers))
    else:
        logits = _head(builder, _mean_pool(builder, hidden), encoder.head_layers)
    builder.op('Sigmoid', [logits], PROBABILITIES)
    return builder.finish(PROBABILITIES, encoder.head_layers[-1])


def build_embedding_graph(encoder: KnownEncoder, weights: Mapping[str, np.ndarray],
                          max_tokens: int) -> onnx.ModelProto:
    """Graph from token ids to sentence embeddings of a published encoder, in float32.

    Inputs as for :func:`build_graph`; output ``embedding``, float32, shape (batch, hidden): the mean
    of the last hidden states, not normalised.

    Raises
    ------
    ModelError
        See :func:`build_graph`.
    """
    builder = GraphBuilder(encoder, weights)
    builder.op('Identity', [_mean_pool(builder, _hidden(builder, max_tokens))], EMBEDDING)
    return builder.finish(EMBEDDING, encoder.architecture.hidden)


def _hidden(b: GraphBuilder, max_tokens: int) -> str:
    """Last hidden states, shape (batch, tokens, hidden)."""
    if b.arch.family == 'bert':
        return _bert(b, max_tokens)
    if b.arch.family == 'mpnet':
        return _mpnet(b, max_tokens)
    raise ModelError(f'unknown encoder architecture {b.arch.family!r}')


def delicate_products(path: Path) -> list[str]:
    """Names of the matrix products of a graph that lose too much in dynamic int8.

    These are the pooling's and the head's, and the second products of the feed-forward blocks where
    they are not smoothed. Their inputs (GELU's outputs) have a few values far above the rest, and
    dynamic quantisation has one scale for the whole batch: of 1,500 tasks that a model did not know,
    271 then got another decision than in float32; with these products in float32, 105.
    """
    nodes = onnx.load(str(path), load_external_data=False).graph.node
    return [node.name for node in nodes if node.op_type == 'MatMul'
            and (node.name.startswith(('head.', 'pool.')) or node.name.endswith('.down.product')
                 and not node.input[0].endswith('.smoothed'))]


def smoothable_products(proto: onnx.ModelProto) -> dict[str, str]:
    """Inputs of a graph's matrix products that can be smoothed, by the product's name."""
    products = {node.name.removesuffix('.product'): node.input[0] for node in proto.graph.node
                if node.op_type == 'MatMul' and node.name.endswith('.product')}
    return {name: source for name, source in products.items()
            if name.startswith('layer.') and kind_of(name) in EXPONENTS}


def _bert(b: GraphBuilder, max_tokens: int) -> str:
    arch = b.arch
    word = b.table('word')
    positions = b.table('position')
    types = b.table('token_type')
    # There is one segment only, so its embedding joins the positions' once and for all.
    x = _embed(b, word, positions[:max_tokens] + types[0], max_tokens)
    mask = _mask_bias(b)
    for layer in range(arch.layers):
        source = f'encoder.layer.{layer}'
        x = _layer(b, x, mask, f'layer.{layer}', source, {
            'query': f'{source}.attention.self.query', 'key': f'{source}.attention.self.key',
            'value': f'{source}.attention.self.value',
            'output': f'{source}.attention.output.dense',
            'norm': f'{source}.attention.output.LayerNorm'})
    return x


def _mpnet(b: GraphBuilder, max_tokens: int) -> str:
    arch = b.arch
    word = b.table('word')
    positions = b.table('position')
    first = _MPNET_FIRST_POSITION
    x = _embed(b, word, positions[first:first + max_tokens], max_tokens)
    table = b.weight('encoder.relative_attention_bias.weight', (_MPNET_BUCKETS, arch.heads))
    relative = table[relative_buckets(max_tokens)].transpose(2, 0, 1)[None]
    length = b.length()
    cut = b.op('Slice', [b.constant('relative_bias', relative), b.ints(0, 0), b.op(
        'Concat', [length, length], 'relative_bias.ends', axis=0), b.ints(2, 3)],
        'relative_bias.cut')
    bias = b.op('Add', [cut, _mask_bias(b)], 'attention_bias')
    for layer in range(arch.layers):
        source = f'encoder.layer.{layer}'
        x = _layer(b, x, bias, f'layer.{layer}', source, {
            'query': f'{source}.attention.attn.q', 'key': f'{source}.attention.attn.k',
            'value': f'{source}.attention.attn.v', 'output': f'{source}.attention.attn.o',
            'norm': f'{source}.attention.LayerNorm'})
    return x


def relative_buckets(length: int) -> np.ndarray:
    """Bucket of every (query, key) pair: T5's bidirectional scheme (Raffel et al. 2020).

    Returns
    -------
    numpy.ndarray, int64 in 0..31, shape (length, length)
    """
    positions = np.arange(length)
    # MPNet measures from key to query: n = -(key - query).
    distance = -(positions[None, :] - positions[:, None])
    half = _MPNET_BUCKETS // 2
    buckets = np.where(distance < 0, half, 0)
    distance = np.abs(distance)
    exact = half // 2
    with np.errstate(divide='ignore'):
        # float32 like the reference, so that distances on a boundary fall into the same bucket.
        far = exact + (np.log(distance.astype(np.float32) / np.float32(exact))
                       / np.float32(np.log(_MPNET_MAX_DISTANCE / exact))
                       * np.float32(half - exact))
    far = np.minimum(np.where(distance < exact, 0, far).astype(np.int64), half - 1)
    return buckets + np.where(distance < exact, distance, far)


def _embed(b: GraphBuilder, word: np.ndarray, positions: np.ndarray, max_tokens: int) -> str:
    if positions.shape[0] < max_tokens:
        raise ModelError(f'encoder {b.encoder.name} reads at most {positions.shape[0]} tokens, '
                         f'the model asks for {max_tokens}')
    tokens = b.widen(b.op('Gather', [b.half_constant('embeddings.word', word), INPUT_IDS],
                          'embeddings.tokens', axis=0))
    places = b.op('Slice', [b.constant('embeddings.position', positions), b.ints(0), b.length(),
                            b.ints(0)], 'embeddings.places')
    total = b.op('Add', [tokens, places], 'embeddings.sum')
    return b.layer_norm(total, 'embeddings.LayerNorm', 'embeddings.norm')


def _mask_bias(b: GraphBuilder) -> str:
    """0 for a token, a large negative number for padding; shape (batch, 1, 1, tokens)."""
    mask = b.op('Cast', [ATTENTION_MASK], 'mask', to=TensorProto.FLOAT)
    wide = b.op('Unsqueeze', [mask, b.ints(1, 2)], 'mask.wide')
    inverted = b.op('Sub', [b.scalar(1.0), wide], 'mask.inverted')
    return b.op('Mul', [inverted, b.scalar(_MASKED)], 'mask.bias')


def _layer(b: GraphBuilder, x: str, bias: str, name: str, source: str, names: dict[str, str]) -> str:
    """One transformer layer, layer norm after each residual sum as in both papers."""
    arch = b.arch
    hidden, wide, head = arch.hidden, arch.intermediate, arch.hidden // arch.heads
    square = (hidden, hidden)
    parts = [names[part] for part in ('query', 'key', 'value')]
    weight = np.concatenate([b.weight(f'{part}.weight', square) for part in parts])
    offset = np.concatenate([b.weight(f'{part}.bias', (hidden,)) for part in parts])
    # The softmax temperature joins the queries' weights: one operation less, the same result.
    scale = np.float32(1.0 / np.sqrt(head))
    weight[:hidden] *= scale
    offset[:hidden] *= scale
    qkv = b.linear(b.narrow(x), weight, offset, f'{name}.qkv', half=True)
    # Divided into queries, keys and values after the heads were brought to the front of all three
    # at once: on a CPU each small operation costs its call.
    heads = b.op('Reshape', [qkv, b.ints(0, 0, 3 * arch.heads, head)], f'{name}.heads')
    turned = b.op('Transpose', [heads], f'{name}.heads.first', perm=[0, 2, 1, 3])
    query, key, value = b.op('Split', [turned, b.ints(arch.heads, arch.heads, arch.heads)],
                             f'{name}.split', 3, axis=1)
    across = b.op('Transpose', [key], f'{name}.keys', perm=[0, 1, 3, 2])
    scores = b.op('MatMul', [query, across], f'{name}.scores')
    biased = b.op('Add', [b.widen(scores), bias], f'{name}.scores.biased')
    attention = b.op('Softmax', [biased], f'{name}.attention', axis=-1)
    context = b.op('MatMul', [b.narrow(attention), value], f'{name}.context')
    merged = b.op('Reshape', [b.op('Transpose', [context], f'{name}.context.heads',
                                   perm=[0, 2, 1, 3]), b.ints(0, 0, hidden)],
                  f'{name}.context.merged')
    mixed = b.linear(merged, b.weight(f'{names["output"]}.weight', square),
                     b.weight(f'{names["output"]}.bias', (hidden,)), f'{name}.mixed', half=True)
    x = b.layer_norm(b.op('Add', [b.widen(mixed), x], f'{name}.mixed.sum'), names['norm'],
                     f'{name}.attention_norm')
    up = b.linear(b.narrow(x), b.weight(f'{source}.intermediate.dense.weight', (wide, hidden)),
                  b.weight(f'{source}.intermediate.dense.bias', (wide,)), f'{name}.up', half=True)
    down = b.linear(b.gelu(up, f'{name}.gelu', half=True),
                    b.weight(f'{source}.output.dense.weight', (hidden, wide)),
                    b.weight(f'{source}.output.dense.bias', (hidden,)), f'{name}.down', half=True)
    return b.layer_norm(b.op('Add', [b.widen(down), x], f'{name}.down.sum'),
                        f'{source}.output.LayerNorm', f'{name}.norm')


def _mean_pool(b: GraphBuilder, hidden: str) -> str:
    """Mean of the hidden states of the tokens that are not padding; shape (batch, hidden)."""
    mask = b.op('Unsqueeze', ['mask', b.ints(1)], 'pool.mask')
    total = b.op('Squeeze', [b.op('MatMul', [mask, hidden], 'pool.sum'), b.ints(1)],
                 'pool.sum.flat')
    count = b.op('ReduceSum', ['mask', b.ints(1)], 'pool.count', keepdims=1)
    return b.op('Div', [total, count], 'pool.mean')


def _attention_pool(b: GraphBuilder, hidden: str) -> str:
    """For every skill a mean weighted by attention (Yang et al. 2016), shape (batch, 6, hidden)."""
    skills = b.encoder.head_layers[-1]
    query = b.weight('pool.query', (skills, b.arch.hidden))
    scores = b.op('MatMul', [hidden, b.constant('pool.query', query.T)], 'pool.scores')
    wide = b.op('Unsqueeze', ['mask', b.ints(2)], 'pool.mask')
    inverted = b.op('Sub', [b.scalar(1.0), wide], 'pool.mask.inverted')
    masked = b.op('Add', [scores, b.op('Mul', [inverted, b.scalar(_MASKED)], 'pool.mask.bias')],
                  'pool.scores.masked')
    weights = b.op('Softmax', [masked], 'pool.weights', axis=1)
    return b.op('MatMul', [b.op('Transpose', [weights], 'pool.weights.skills', perm=[0, 2, 1]),
                           hidden], 'pool.means')


def _own(b: GraphBuilder, logits: str) -> str:
    """Of the six logits of each skill's mean its own; (batch, 6, 6) to (batch, 6)."""
    own = b.constant('pool.own', np.eye(b.encoder.head_layers[-1], dtype=np.float32))
    return b.op('ReduceSum', [b.op('Mul', [logits, own], 'pool.own.logits'), b.ints(2)],
                'pool.logits', keepdims=0)


def _head(b: GraphBuilder, x: str, widths: tuple[int, ...]) -> str:
    """Logits: a multi-layer perceptron with GELU between its layers."""
    last = len(widths) - 2
    for index, (inner, outer) in enumerate(zip(widths, widths[1:])):
        x = b.linear(x, b.weight(f'head.{index}.weight', (outer, inner)),
                     b.weight(f'head.{index}.bias', (outer,)), f'head.{index}')
        if index < last:
            x = b.gelu(x, f'head.{index}.gelu')
    return x
