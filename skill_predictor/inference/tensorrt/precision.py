"""In which precision an engine really computes: what was asked for may be lost on the way."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from ..errors import BackendError

_PRODUCTS = 'MATRIX_MULTIPLY'
_UNKNOWN = 'N/A'
_HALF = {'half', 'fp16', 'float16'}
_FLOATING = _HALF | {'float', 'fp32', 'float32', 'bf16', 'bfloat16', 'fp8'}
_TYPES = _FLOATING | {'int8', 'uint8', 'int32', 'int64', 'bool'}
_PRODUCT_IN_ENGINE = re.compile('gemm|matrix_?mul', re.IGNORECASE)


def of_network(network) -> Counter[tuple[str, str]]:
    """Layers of a parsed network by kind and type of output, for example ``('SOFTMAX', 'FLOAT')``."""
    return Counter((_kind(layer), _type(layer)) for layer in _layers(network))


def check_network(network, precision: str) -> None:
    """Refuse a network that is not in the precision that its graph was written for.

    Parameters
    ----------
    network
        Strongly typed, so that the builder has to keep to its types.
    precision
        ``fp16``: products of the transformer layers in half precision, and in single precision
        softmax, layer norms, sigmoid, sums of the residual stream, pooling and head; ``fp32``:
        nothing in half precision.

    Raises
    ------
    BackendError
        When something is not as it was asked for.
    """
    half = [layer for layer in _layers(network) if _type(layer) == 'HALF']
    if precision == 'fp32' and half:
        raise BackendError(f'{len(half)} layers are in half precision though fp32 was asked for, '
                           f'the first is {half[0].name!r}')
    if precision != 'fp16':
        return
    if not any(_kind(layer) == _PRODUCTS for layer in half):
        raise BackendError('half precision was lost: no matrix product is in it')
    for layer in _layers(network):
        kind, found, name = _kind(layer), _type(layer), layer.name.rpartition('/')[2]
        if kind == _PRODUCTS and name.startswith('layer.') and found != 'HALF':
            raise BackendError(f'half precision was lost: {layer.name!r} is in {found}')
        delicate = kind == 'ACTIVATION' or kind in (_PRODUCTS, 'ELEMENTWISE') and (
            name.startswith(('pool.', 'head.')) or name.endswith('.sum'))
        if (kind in ('SOFTMAX', 'NORMALIZATION', 'REDUCE') and found != 'FLOAT'
                or delicate and found == 'HALF'):
            raise BackendError(f'{layer.name!r} is in {found}, where single precision is needed')


def of_engine(layers_json: str) -> Counter[str]:
    """Layers of a built engine by the type that they compute in, as the engine inspector tells.

    It is half precision where any output is, or anything that a product reads.

    Parameters
    ----------
    layers_json
        What ``EngineInspector.get_engine_information`` gives in JSON, of an engine that was built
        with detailed profiling verbosity, and with a context whose shapes are set.

    Returns
    -------
    Counter
        Empty when the engine tells nothing; some versions of TensorRT do not, or make one node of
        most layers, and then what is left beside it says nothing of them.
    """
    try:
        layers = [layer for layer in json.loads(layers_json)['Layers'] if isinstance(layer, dict)]
        if any('ForeignNode' in str(layer.get('Name')) for layer in layers):
            return Counter()
        found = Counter(_computes_in(layer) for layer in layers)
    except (ValueError, KeyError, TypeError, AttributeError):
        return Counter()
    del found[_UNKNOWN]
    return found


def check_engine(found: Counter[str], precision: str, least: int = 1) -> None:
    """Refuse an engine without half precision where that was asked for, and the other way round.

    One that tells nothing passes: its network was strongly typed.

    Parameters
    ----------
    found
        From :func:`of_engine`.
    precision
        ``fp16`` or ``fp32``.
    least
        Transformer layers: each has a product in half precision. An engine that tells fewer layers
        of floating type has been fused to one, and tells nothing.

    Raises
    ------
    BackendError
        When the engine has other types.
    """
    if floating(found) < least:
        return
    half = sum(count for name, count in found.items() if name.lower() in _HALF)
    if precision == 'fp16' and half < least:
        raise BackendError(f'half precision was lost: the engine computes in {in_words(found)}')
    if precision == 'fp32' and half:
        raise BackendError(f'the engine computes in {in_words(found)} though fp32 was asked for')


def floating(found: Counter[str]) -> int:
    """How many layers compute in a floating type; the others move shapes, masks and constants."""
    return sum(count for name, count in found.items() if name.lower() in _FLOATING)


def in_words(found: Counter) -> str:
    """Counts by name, the most frequent first."""
    return ', '.join(f'{count} {" ".join(name) if isinstance(name, tuple) else name}'
                     for name, count in found.most_common())


def _layers(network) -> Iterable[Any]:
    return (network.get_layer(index) for index in range(network.num_layers))


def _kind(layer) -> str:
    return layer.type.name


def _type(layer) -> str:
    return layer.get_output_type(0).name


def _computes_in(layer: dict) -> str:
    """Type of one layer of an engine."""
    tensors = list(layer.get('Outputs', ()))
    if _PRODUCT_IN_ENGINE.search(str(layer.get('LayerType'))):
        tensors += layer.get('Inputs', ())
        weights = layer.get('Weights')
        if isinstance(weights, dict):
            tensors.append({'Datatype': weights.get('Type')})
    return min(map(_format, tensors), key=_rank, default=_UNKNOWN)


def _rank(name: str) -> int:
    groups = (_HALF, _FLOATING, _TYPES)
    return next((rank for rank, names in enumerate(groups) if name.lower() in names),
                len(groups) + (name == _UNKNOWN))


def _format(tensor: dict) -> str:
    """Type in a tensor's description: ``Half``, ``Half(64,1:8)``, ``Row major linear FP16 format``."""
    # The versions of TensorRT spell the names differently.
    told = {name.lower(): value for name, value in tensor.items()}
    text = told.get('datatype') or told.get('format/datatype') or _UNKNOWN
    words = [] if text.startswith(_UNKNOWN) else re.findall(r'[A-Za-z][A-Za-z0-9]*', text)
    return next((word for word in words if word.lower() in _TYPES), words[0] if words else _UNKNOWN)
