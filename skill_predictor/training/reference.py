"""A released model in PyTorch, in float32: what every other form of it must answer like."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from ..inference import artefacts
from ..inference.backends.base import Backend, BackendOptions
from ..inference.errors import BackendError, TextError
from ..inference.store import (Architecture, ATTENTION, EncoderConfig, Example, MEAN,
                               ReleasedModel, TokenIds)
from ..inference.tokenizer import batch_ids, TaskTokenizer
from .encoders import build_encoder
from .network import SkillClassifier


EXAMPLES = (
    'Sweep the hall',
    'Inspect the underside of the bridge for cracks',
    'Bring me the fire extinguisher from the hallway',
    'Climb the stairs of the old tower and look whether the bell hangs straight',
    'Patrol the harbour basin on the surface and report every drifting log',
    'Dive to the foot of the quay wall',
    "Summarise yesterday's patrol reports",
    'Cut the net that is wrapped around the propeller',
    'Fish the drifting life ring out of the bay',
    'Fly over the field behind the farm and count the deer before the mower starts; nobody has to go there on '
    'foot, and the tractor stays where it is',
    'Carry the two crates over the scree to the hut',
    'Drive along the fence, stop at each of the nine posts with a red mark, tighten the clamp of every wire there, '
    'take a picture of it from the road side, and tell the control room when all nine are done or when a wire is '
    'broken')
"""Short and long ones that need every skill; what is right is not the question."""


def answered_examples(model: ReleasedModel, encoders_folder=None, *, offline: bool = False) -> list[Example]:
    """What a model says to :data:`EXAMPLES`; see :mod:`skill_predictor.inference.self_check`.

    Parameters
    ----------
    model
        A released model.
    encoders_folder, offline
        See :func:`skill_predictor.inference.base_weights.resolve`.
    """
    tokenizer = TaskTokenizer.of(model)
    backend = TorchBackend.load(model, BackendOptions('fp32', encoders_folder=encoders_folder, offline=offline),
                                lambda line: None)
    found = []
    for text in EXAMPLES:
        try:
            row = tokenizer.tokenize(text)
        except TextError:  # a vocabulary without words makes long rows
            continue
        said = backend.run([batch_ids([row], encoder.token_ids) for encoder in model.encoders])
        found.append(Example(text, tuple(tuple(map(float, answer[0])) for answer in said)))
    return found


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
