"""Small encoders with random weights, in the form in which the published ones come."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from skill_predictor.inference.store import (
    Architecture, BaseWeights, EncoderConfig, sha256_file, TokenIds)

HIDDEN = 32
VOCABULARY_SIZE = 200
POSITIONS = 170
WORDS = ('go fly drive swim dive walk take put red blue box deck dock roof lake stairs the to on '
         'from under and').split()


@pytest.fixture(autouse=True)
def one_thread():
    """In products as small as here PyTorch's threads do little but wait for each other."""
    try:
        import torch
    except ImportError:  # recipes are read without it
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@dataclass(frozen=True)
class TinyEncoder:
    """An encoder of two layers: transformers' module, its weights, our description of it."""

    module: object
    weights: dict[str, np.ndarray]
    architecture: Architecture
    token_ids: TokenIds

    def config(self, head_layers: tuple[int, ...]) -> EncoderConfig:
        """As a model folder describes it."""
        base = BaseWeights(f'tiny/{self.architecture.family}', 'r', 'model.safetensors', '')
        return EncoderConfig(self.architecture.family, base, self.architecture, self.token_ids,
                             'mean', head_layers, (), '', '')


def _tiny(family: str) -> TinyEncoder:
    torch = pytest.importorskip('torch')
    transformers = pytest.importorskip('transformers')
    shape = {'vocab_size': VOCABULARY_SIZE, 'hidden_size': HIDDEN, 'num_hidden_layers': 2,
             'num_attention_heads': 4, 'intermediate_size': 64,
             'max_position_embeddings': POSITIONS}
    if family == 'bert':
        eps, token_ids = 1e-12, TokenIds(offset=0, begin=101, end=102, pad=0)
        config = transformers.BertConfig(layer_norm_eps=eps, **shape)
        module = transformers.BertModel(config, add_pooling_layer=False)
    else:
        eps, token_ids = 1e-5, TokenIds(offset=4, begin=0, end=2, pad=1)
        config = transformers.MPNetConfig(layer_norm_eps=eps, pad_token_id=1, **shape)
        module = transformers.MPNetModel(config, add_pooling_layer=False)
    # As published, biases are 0 and norms 1: every parameter must matter here.
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith('LayerNorm.weight'):
                parameter.copy_(1.0 + 0.2 * noise)
            else:
                parameter.copy_(noise * (1.0 if 'embedding' in name or 'relative' in name else 0.2))
    weights = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    architecture = Architecture(family, 2, HIDDEN, 4, 64, eps)
    return TinyEncoder(module.eval(), weights, architecture, token_ids)


@pytest.fixture(scope='session', params=['bert', 'mpnet'])
def tiny_encoder(request) -> TinyEncoder:
    """Each family in turn."""
    return _tiny(request.param)


@pytest.fixture(scope='session')
def vocabulary(tmp_path_factory) -> Path:
    """A vocabulary of fewer words than the small encoders know, in BERT's format."""
    path = tmp_path_factory.mktemp('vocabulary') / 'vocab.txt'
    tokens = ['[PAD]', '[UNK]', *WORDS, *'abcdefghijklmnopqrstuvwxyz',
              *(f'##{letter}' for letter in 'abcdefghijklmnopqrstuvwxyz')]
    path.write_text('\n'.join(tokens) + '\n', encoding='utf-8')
    return path


@pytest.fixture
def tiny_ensemble(tmp_path, vocabulary, monkeypatch) -> Path:
    """Folder with both small encoders, which stand for the published ones."""
    from safetensors.numpy import save_file
    from skill_predictor.inference import known_encoders
    folder = tmp_path / 'encoders'
    known = []
    for family in ('mpnet', 'bert'):
        tiny = _tiny(family)
        path = folder / family / 'model.safetensors'
        path.parent.mkdir(parents=True)
        save_file(tiny.weights, str(path))
        known.append(known_encoders.KnownEncoder(
            family, BaseWeights(f'tiny/{family}', 'r', path.name, sha256_file(path)),
            tiny.architecture, tiny.token_ids))
    (folder / 'vocab.txt').write_bytes(vocabulary.read_bytes())
    monkeypatch.setattr(known_encoders, 'KNOWN_ENCODERS', tuple(known))
    monkeypatch.setattr(known_encoders, 'MAX_TOKENS', 120)
    monkeypatch.setattr(known_encoders, 'VOCABULARY', BaseWeights(
        'tiny/bert', 'r', 'vocab.txt', sha256_file(vocabulary)))
    monkeypatch.setenv('SKILL_PREDICTOR_CACHE', str(tmp_path / 'cache'))
    return folder
