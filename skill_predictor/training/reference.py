"""A released model in PyTorch, in float32: what every other form of it must answer like."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from ..inference import artefacts
from ..inference.backends.base import Backend, BackendOptions
from ..inference.errors import BackendError
from ..inference.store import (Architecture, ATTENTION, EncoderConfig, MEAN, ReleasedModel,
                               TokenIds)
from .encoders import build_encoder
from .network import SkillClassifier


class TorchBackend(Backend):
    """All encoders as transformers' own modules, one after the other on the CPU."""

    name = 'torch'
    precisions = ('fp32',)

    def __init__(self, networks: Sequence[SkillClassifier]) -> None:
        self._networks = list(networks)

    @classmethod
    def missing(cls) -> str | None:
        return None  # this module would not have been imported

    @classmethod
    def prepare(cls, model: ReleasedModel, options: BackendOptions,
                progress: Callable[[str], None], *, rebuild: bool = False) -> list[Path]:
        return []  # nothing is built

    @classmethod
    def load(cls, model: ReleasedModel, options: BackendOptions,
             progress: Callable[[str], None]) -> TorchBackend:
        options.precision_for(cls)
        return cls([released_network(encoder, artefacts.encoder_weights(
            model, encoder, options.encoders_folder, offline=options.offline, progress=progress))
            for encoder in model.encoders])

    @property
    def device(self) -> str:
        return f'CPU, PyTorch {torch.__version__}, fp32, {torch.get_num_threads()} threads'

    def run(self, inputs: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
        if not self._networks:
            raise BackendError('the backend is closed')
        with torch.inference_mode():
            return [torch.sigmoid(network(torch.from_numpy(ids), torch.from_numpy(mask))).numpy()
                    for network, (ids, mask) in zip(self._networks, inputs)]

    def close(self) -> None:
        self._networks.clear()


def released_network(config: EncoderConfig, weights: Mapping[str, np.ndarray]) -> SkillClassifier:
    """An encoder of a released model with its pooling and head, in evaluation mode.

    Parameters
    ----------
    config
        Its entry in the model.
    weights
        From :func:`skill_predictor.inference.artefacts.encoder_weights`.
    """
    return assemble(config.architecture, config.token_ids, weights)


def assemble(architecture: Architecture, token_ids: TokenIds,
             weights: Mapping[str, np.ndarray]) -> SkillClassifier:
    """An encoder with its pooling and head, in evaluation mode.

    Parameters
    ----------
    architecture, token_ids
        Of the encoder.
    weights
        All of it, the head (``head.<n>.weight`` and ``.bias``) and, for attention pooling,
        ``pool.query``.
    """
    own = {name: torch.from_numpy(np.array(value, dtype=np.float32))
           for name, value in weights.items() if name.startswith(artefacts.OWN_TENSORS)}
    encoder = build_encoder(architecture, token_ids, {
        name: value for name, value in weights.items() if name not in own})
    count = sum(name.startswith('head.') and name.endswith('.weight') for name in own)
    network = SkillClassifier(encoder, ATTENTION if 'pool.query' in own else MEAN,
                              [len(own[f'head.{index}.bias']) for index in range(count - 1)])
    for index, layer in enumerate(network.layers):
        layer.load_state_dict({'weight': own[f'head.{index}.weight'],
                               'bias': own[f'head.{index}.bias']})
    if network.pool is not None:
        network.pool.load_state_dict({'query': own['pool.query']})
    return network.requires_grad_(False).eval()
