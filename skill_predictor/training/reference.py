"""A released model in PyTorch, in float32: what every other form of it must answer like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..inference import artefacts
from ..inference.backends.base import Backend, BackendOptions
from ..inference.errors import BackendError
from ..inference.store import ATTENTION, EncoderConfig, ReleasedModel
from .encoders import build_encoder, mean_pool
from .network import SkillAttention


class TorchBackend(Backend):
    """All encoders as transformers' own modules, one after the other on the CPU."""

    name = 'torch'
    precisions = ('fp32',)

    def __init__(self, networks: Sequence[ReferenceNetwork]) -> None:
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
        return cls([ReferenceNetwork(encoder, artefacts.encoder_weights(
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


class ReferenceNetwork(nn.Module):
    """An encoder of a released model with its pooling and head.

    Parameters
    ----------
    config
        Its entry in the model.
    weights
        From :func:`skill_predictor.inference.artefacts.encoder_weights`.
    """

    def __init__(self, config: EncoderConfig, weights: dict[str, np.ndarray]) -> None:
        super().__init__()
        own = {name: torch.from_numpy(np.array(value)) for name, value in weights.items()
               if name.startswith(artefacts.OWN_TENSORS)}
        self.encoder = build_encoder(config.architecture, config.token_ids, {
            name: value for name, value in weights.items() if name not in own})
        self.layers = nn.ModuleList()
        for index, (inner, outer) in enumerate(zip(config.head_layers, config.head_layers[1:])):
            layer = nn.Linear(inner, outer)
            layer.load_state_dict({'weight': own[f'head.{index}.weight'],
                                   'bias': own[f'head.{index}.bias']})
            self.layers.append(layer)
        self.pool = None
        if config.pooling == ATTENTION:
            self.pool = SkillAttention(config.architecture.hidden)
            self.pool.load_state_dict({'query': own['pool.query']})
        self.requires_grad_(False).eval()

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Logits, float32, shape (texts, 6)."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        if self.pool is None:
            return self.head(mean_pool(hidden, attention_mask))
        return self.head(self.pool(hidden, attention_mask)).diagonal(dim1=1, dim2=2)

    def head(self, pooled: torch.Tensor) -> torch.Tensor:
        """Logits of pooled hidden states; the last dimension changes from hidden to 6."""
        for index, layer in enumerate(self.layers):
            pooled = layer(nn.functional.gelu(pooled) if index else pooled)
        return pooled
