"""What is built from a model and kept in the user's cache: ONNX graphs, in several precisions.

An artefact lies under a key of everything it depends on, so a stale one is never found.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from . import base_weights, built_files, graph
from .built_files import Progress
from .choices import GRAPHS
from .errors import ModelError
from .locations import artefacts_dir
from .smoothing import RANGE
from .store import EncoderConfig, ReleasedModel

OWN_TENSORS = ('head.', 'pool.', RANGE)
"""Beginnings of the names of tensors that the published encoder does not have."""


def onnx_file(model: ReleasedModel, encoder: EncoderConfig, precision: str = 'int8', *,
              encoders_folder: str | os.PathLike | None = None, rebuild: bool = False,
              offline: bool = False, progress: Progress | None = None) -> Path:
    """Path of an encoder's ONNX file, which is built first unless a sound one is in the cache.

    Parameters
    ----------
    model, encoder
        A released model and one of its encoders.
    precision
        ``int8``: dynamic quantisation of the matrix products, weights per channel, smoothed where
        the model brings what that needs, but for those that do not bear it
        (:func:`graph.delicate_products`); ``fp32``; ``fp16``: mixed precision
        for a GPU, see :func:`graph.build_graph`.
    encoders_folder
        Where the base weights are looked for, see :func:`base_weights.resolve`.
    rebuild
        Build even when the cache has one.
    offline
        Never download base weights.
    progress
        Called with a line of text at every step that takes time.

    Raises
    ------
    ModelError
        When the base weights cannot be had, or the cache cannot be written.
    ValueError
        When ``precision`` is unknown.
    """
    if precision not in GRAPHS:
        raise ValueError(f'unknown precision {precision!r}; choose from {", ".join(GRAPHS)}')
    say = progress or (lambda line: None)
    ingredients = _ingredients(model, encoder, precision)
    folder = artefacts_dir() / f'{model.name}-{built_files.key(ingredients)[:16]}'
    return built_files.ensure(
        folder / f'{encoder.name}.{precision}.onnx',
        {'model': model.version, 'depends_on': ingredients},
        lambda path: _build(model, encoder, precision, path, encoders_folder, offline, say), say,
        rebuild=rebuild)


def encoder_weights(model: ReleasedModel, encoder: EncoderConfig,
                    encoders_folder: str | os.PathLike | None = None, *, offline: bool = False,
                    progress: Progress | None = None) -> dict[str, np.ndarray]:
    """All weights of an encoder as float32: the published ones, what training added, the head.

    Raises
    ------
    ModelError
        When the base weights cannot be had, or a trained tensor is not of the base.
    """
    from safetensors.numpy import load_file
    path = base_weights.resolve(encoder.base, encoders_folder, offline=offline, progress=progress)
    return with_changes(load_file(str(path)), model.tuned_weights(encoder),
                        f'{encoder.tuned_file} for {encoder.base.repository}')


def with_changes(published: Mapping[str, np.ndarray], tuned: Mapping[str, np.ndarray],
                 source: str) -> dict[str, np.ndarray]:
    """Published weights with what training added to them.

    Parameters
    ----------
    published
        Tensors by name.
    tuned
        Differences by the same names, and tensors of :data:`OWN_TENSORS`.
    source
        Where they come from, for the error.

    Raises
    ------
    ModelError
        When a trained tensor is not of the published encoder.
    """
    weights = {name: np.asarray(tensor) for name, tensor in published.items()}
    for name, tensor in tuned.items():
        if name.startswith(OWN_TENSORS):
            weights[name] = tensor
        elif name in weights and weights[name].shape == tensor.shape:
            weights[name] = weights[name].astype(np.float32) + tensor
        else:
            raise ModelError(f'{source}: {name} {tensor.shape} does not fit the encoder')
    return weights


def _build(model: ReleasedModel, encoder: EncoderConfig, precision: str, path: Path,
           encoders_folder, offline: bool, say: Progress) -> None:
    import onnx
    started = time.monotonic()
    weights = encoder_weights(model, encoder, encoders_folder, offline=offline, progress=say)
    say(f'building {encoder.name} in {precision}')
    proto = graph.build_graph(encoder, weights, model.max_tokens, half=precision == 'fp16',
                              smooth=precision == 'int8')
    if precision == 'int8':
        plain = path.with_name('fp32.onnx')
        onnx.save(proto, plain)
        del proto, weights
        _quantise(plain, path)
    else:
        onnx.save(proto, path)
    say(f'built {encoder.name} in {precision} ({path.stat().st_size / 1e6:.0f} MB) '
        f'in {time.monotonic() - started:.0f} s')


def _quantise(source: Path, target: Path) -> None:
    import logging
    from onnxruntime.quantization import QuantType, quantize_dynamic
    # The quantiser advises a pre-processing step, by a logger of its own, that changes nothing here.
    logging.getLogger().addFilter(_drop_preprocessing_advice)
    try:
        quantize_dynamic(source, target, weight_type=QuantType.QInt8, per_channel=True,
                         reduce_range=reduce_range(), op_types_to_quantize=['MatMul'],
                         nodes_to_exclude=graph.delicate_products(source))
    finally:
        logging.getLogger().removeFilter(_drop_preprocessing_advice)


def _drop_preprocessing_advice(record) -> bool:
    return 'pre-processing' not in record.getMessage()


def reduce_range() -> bool:
    """Whether int8 weights must keep to 7 bits on this processor.

    x86 without VNNI adds pairs of int8 products in 16 bits, which overflow with full 8-bit weights.
    """
    if platform.machine().lower() not in ('x86_64', 'amd64', 'i686'):
        return False
    try:
        flags = Path('/proc/cpuinfo').read_text()
    except OSError:
        return True
    return 'vnni' not in flags


def _ingredients(model: ReleasedModel, encoder: EncoderConfig, precision: str) -> dict:
    import onnx
    try:
        import onnxruntime
        quantiser = onnxruntime.__version__
    except ModuleNotFoundError:
        if precision == 'int8':
            raise
        quantiser = ''  # int8 alone is made with it: engines are built where it is not installed
    return {
        'model_sha256': model.sha256, 'encoder': encoder.name, 'precision': precision,
        'graph_version': graph.VERSION, 'onnx': onnx.__version__,
        'onnxruntime': quantiser,
        'reduce_range': precision == 'int8' and reduce_range()}
