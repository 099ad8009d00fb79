"""How large the states of a trained encoder become, which int8 wants to know."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from ..inference import artefacts, base_weights, graph, known_encoders
from ..inference.store import multiplied
from ..inference.tokenizer import batch_ids, TaskTokenizer
from .release import TrainedEncoder

MEASURED_ON = 256
"""So many texts, spread over all, are looked at."""


def activation_ranges(encoder: TrainedEncoder, texts: Sequence[str], tokenizer: TaskTokenizer, *,
                      encoders_folder: str | os.PathLike | None = None, offline: bool = False
                      ) -> dict[str, np.ndarray]:
    """Largest magnitude of each channel that enters a matrix product, over texts.

    Parameters
    ----------
    encoder
        With what training changed in it; its head does not matter.
    texts
        Of training; at least one.
    tokenizer
        Makes the tokens.
    encoders_folder, offline
        See :func:`skill_predictor.inference.base_weights.resolve`.

    Returns
    -------
    dict of str to numpy.ndarray, float32, shape (channels,)
        By name of the product, for :mod:`skill_predictor.inference.smoothing`.

    Raises
    ------
    ModelError
        When the published weights cannot be had, or a change does not fit them.
    """
    import onnx
    from onnxruntime import InferenceSession
    from safetensors.numpy import load_file
    known = encoder.known
    published = load_file(str(base_weights.resolve(known.base, encoders_folder, offline=offline)))
    weights = artefacts.with_changes(published, multiplied(encoder.changes, known.name), known.name)
    proto = graph.build_embedding_graph(known, weights, known_encoders.MAX_TOKENS)
    products = graph.smoothable_products(proto)
    sources = sorted(set(products.values()))
    proto.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
                              for name in sources)
    session = InferenceSession(proto.SerializeToString(), providers=['CPUExecutionProvider'])
    largest = dict.fromkeys(sources, np.float32(0.0))
    for index in np.unique(np.linspace(0, len(texts) - 1, MEASURED_ON).round().astype(int)):
        ids, mask = batch_ids([tokenizer.tokenize(texts[index])], known.token_ids)
        states = session.run(sources, {'input_ids': ids, 'attention_mask': mask})
        for name, state in zip(sources, states):
            largest[name] = np.maximum(largest[name], np.abs(state).max(axis=(0, 1)))
    return {product: largest[source] for product, source in products.items()}
