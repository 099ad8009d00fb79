"""In which precision an engine really computes: what was asked for may be lost on the way."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from ..errors import BackendError

_PRODUCTS = 'MATRIX_MULTIPLY'
_UNKNOWN = 'N/A'


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
        ``fp16``: products of the transformer layers in half, softmax and layer norms in single
        precision; ``fp32``: nothing in half precision.

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
        kind, found = _kind(layer), _type(layer)
        belongs_to_a_layer = layer.name.rpartition('/')[2].startswith('layer.')
        if kind == _PRODUCTS and belongs_to_a_layer and found != 'HALF':
            raise BackendError(f'half precision was lost: {layer.name!r} is in {found}')
        if kind in ('SOFTMAX', 'NORMALIZATION', 'REDUCE') and found != 'FLOAT':
            raise BackendError(f'{layer.name!r} is in {found}, where single precision is needed')


def of_engine(layers_json: str) -> Counter[str]:
    """Layers of a built engine by type of output, as the engine inspector tells.

    Parameters
    ----------
    layers_json
        What ``EngineInspector.get_engine_information`` gives in JSON, of an engine that was built
        with detailed profiling verbosity, and with a context whose shapes are set.

    Returns
    -------
    Counter
        Empty when the engine tells nothing; some versions of TensorRT do not.
    """
    try:
        layers = json.loads(layers_json)['Layers']
        found = Counter(_format(output) for layer in layers if isinstance(layer, dict)
                        for output in layer.get('Outputs', ())[:1])
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
        Transformer layers: each has a product in half precision. An engine that tells fewer layers has
        been fused to one, and tells nothing.

    Raises
    ------
    BackendError
        When the engine has other types.
    """
    if sum(found.values()) < least:
        return
    half = sum(count for name, count in found.items() if name in ('Half', 'FP16'))
    if precision == 'fp16' and half < least:
        raise BackendError(f'half precision was lost: the engine computes in {in_words(found)}')
    if precision == 'fp32' and half:
        raise BackendError(f'the engine computes in {in_words(found)} though fp32 was asked for')


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


def _format(output: dict) -> str:
    """Type in an output's description: ``Half`` or ``Row major linear FP16 format``."""
    # The versions of TensorRT spell the names differently.
    told = {name.lower(): value for name, value in output.items()}
    text = told.get('datatype') or told.get('format/datatype') or _UNKNOWN
    words = text.split()
    if words[0] == _UNKNOWN:
        return _UNKNOWN
    return next((word for word in words if word in ('FP16', 'FP32', 'INT64', 'INT32', 'INT8',
                                                    'BF16', 'BOOL')), words[0])
