"""A complete released model in miniature, so that tests run in milliseconds without the real one.

Both encoder families, two layers, hidden size 32, a vocabulary of letters and a few words, seeded
random weights. ``conftest.py`` of each folder imports the fixtures.
"""

from __future__ import annotations

import hashlib
import json
import math
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from skill_predictor.taxonomy import SKILLS

HIDDEN, HEADS, LAYERS, WIDE, INNER = 32, 4, 2, 64, 16
MAX_TOKENS = 192
SPECIAL = ('[PAD]', '[UNK]', '[CLS]', '[SEP]')
WORDS = ('the', 'to', 'bring', 'me', 'red', 'box', 'sweep', 'deck', 'dive', 'anchor', 'bridge')
VOCABULARY = (*SPECIAL, *string.ascii_lowercase, *(f'##{c}' for c in string.ascii_lowercase),
              *string.digits, '.', ',', '-', *WORDS)
BASES = {'minilm': 'sentence-transformers/all-MiniLM-L6-v2',
         'mpnet': 'sentence-transformers/all-mpnet-base-v2'}
FAMILIES = {'minilm': 'bert', 'mpnet': 'mpnet'}
TOKEN_IDS = {'minilm': {'offset': 0, 'begin': 2, 'end': 3, 'pad': 0},
             'mpnet': {'offset': 4, 'begin': 0, 'end': 2, 'pad': 1}}
EPS = {'minilm': 1e-12, 'mpnet': 1e-5}

TEXTS = ('Bring me the red box.', 'Sweep the deck', 'Dive to the anchor, to the bridge - 2 times',
         'x', 'Inspect pump 7')


def many_texts(count: int) -> list[str]:
    """Texts of five words of the vocabulary, no two alike; 161,051 at most."""
    size = len(WORDS)
    order = (7919 * number % size**5 for number in range(count))
    return [' '.join(WORDS[place // size**word % size] for word in range(5)) for place in order]


def dividing_thresholds(probabilities: np.ndarray) -> dict[str, float]:
    """A threshold per skill with about half of the texts above it, and none near it.

    What a model of random weights decides then depends on the text, in every skill, and a rounding
    error changes no decision.

    Parameters
    ----------
    probabilities
        Of the texts, shape ``(tasks, 6)``.
    """
    thresholds = {}
    for place, skill in enumerate(SKILLS):
        ordered = np.sort(probabilities[:, place].astype(float))
        middle = ordered[len(ordered) * 2 // 5:len(ordered) * 3 // 5]
        widest = int(np.argmax(np.diff(middle)))
        thresholds[skill] = float(middle[widest:widest + 2].mean())
    return thresholds


@dataclass(frozen=True)
class TinyModel:
    """Where a tiny model lies, and the weights that its graphs are made of."""

    folder: Path
    encoders: Path
    weights: dict[str, dict[str, np.ndarray]]
    """Per encoder: base and training added up, as float32."""

    def base_file(self, name: str) -> Path:
        """File of an encoder's base weights."""
        return self.encoders / BASES[name].rpartition('/')[2] / 'model.safetensors'

    def edit_config(self, change) -> None:
        """Let ``change`` alter config.json's content."""
        path = self.folder / 'config.json'
        config = json.loads(path.read_text())
        change(config)
        path.write_text(json.dumps(config))

    def add_words(self, **tasks_with: int) -> Path:
        """Let the model read mistyped words as these, which so many tasks have; returns their file."""
        path = self.folder / 'words.txt'
        path.write_text(''.join(f'{word} {tasks}\n' for word, tasks in tasks_with.items()))
        self.edit_config(lambda config: config.update(
            format=3, words={'file': path.name, 'sha256': sha256(path)}))
        return path


def write_tiny_model(where: Path, seed: int = 0,
                     constant: Sequence[float] | None = None,
                     pooling: str = 'mean') -> TinyModel:
    """Write a released model and its base weights.

    Parameters
    ----------
    where
        Folder that gets ``model`` and ``encoders``.
    seed
        Of the random weights.
    constant
        Six probabilities that the model shall give to whatever text; ``None``: random weights.
    pooling
        ``mean`` or ``attention``.
    """
    rng = np.random.default_rng(seed)
    tiny = TinyModel(where / 'model', where / 'encoders', {})
    tiny.folder.mkdir(parents=True)
    (tiny.folder / 'vocab.txt').write_text('\n'.join(VOCABULARY) + '\n', encoding='utf-8')
    entries = [_write_encoder(tiny, name, rng, constant, pooling)
               for name in ('mpnet', 'minilm')]
    (tiny.folder / 'config.json').write_text(json.dumps({
        'format': 1, 'name': 'tiny', 'skills': SKILLS,
        'thresholds': dict.fromkeys(SKILLS, 0.5), 'max_tokens': MAX_TOKENS,
        'vocabulary': {'file': 'vocab.txt', 'sha256': sha256(tiny.folder / 'vocab.txt')},
        'encoders': entries}))
    return tiny


def sha256(path: Path) -> str:
    """Hash of a file, 64 hex digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write_encoder(tiny: TinyModel, name: str, rng, constant, pooling: str) -> dict:
    base = _bert(rng) if FAMILIES[name] == 'bert' else _mpnet(rng)
    head = {'head.0.weight': rng.normal(scale=0.3, size=(INNER, HIDDEN)),
            'head.0.bias': np.zeros(INNER),
            'head.1.weight': rng.normal(scale=0.3, size=(len(SKILLS), INNER)),
            'head.1.bias': rng.normal(size=len(SKILLS))}
    if constant is not None:
        head['head.1.weight'] = np.zeros((len(SKILLS), INNER))
        head['head.1.bias'] = np.array([math.log(p / (1 - p)) for p in constant])
    if pooling == 'attention':
        head['pool.query'] = rng.normal(size=(len(SKILLS), HIDDEN))
    changed = f'encoder.layer.{LAYERS - 1}.output.dense.weight'
    delta = {changed: rng.normal(scale=0.1, size=base[changed].shape)}
    as_floats = [{key: np.asarray(tensor, np.float32) for key, tensor in part.items()}
                 for part in (base, head, delta)]
    base, head, delta = as_floats
    tiny.weights[name] = {**base, **head, changed: base[changed] + delta[changed]}
    tiny.base_file(name).parent.mkdir(parents=True)
    save_file(base, str(tiny.base_file(name)))
    save_file({**head, **delta}, str(tiny.folder / f'{name}.safetensors'))
    return {
        'name': name,
        'base': {'repository': BASES[name], 'revision': f'{name}-revision',
                 'file': 'model.safetensors', 'sha256': sha256(tiny.base_file(name))},
        'architecture': {'family': FAMILIES[name], 'layers': LAYERS, 'hidden': HIDDEN,
                         'heads': HEADS, 'intermediate': WIDE, 'layer_norm_eps': EPS[name]},
        'token_ids': TOKEN_IDS[name], 'pooling': pooling,
        'head_layers': [HIDDEN, INNER, len(SKILLS)], 'unfrozen': ['layer.1'],
        'tuned': {'file': f'{name}.safetensors',
                  'sha256': sha256(tiny.folder / f'{name}.safetensors')}}


def _bert(rng) -> dict[str, np.ndarray]:
    weights = _embeddings(rng, len(VOCABULARY), MAX_TOKENS)
    weights['embeddings.token_type_embeddings.weight'] = rng.normal(scale=0.5, size=(2, HIDDEN))
    for layer in range(LAYERS):
        source = f'encoder.layer.{layer}'
        names = [f'{source}.attention.self.{part}' for part in ('query', 'key', 'value')]
        weights |= _layer(rng, source, [*names, f'{source}.attention.output.dense'],
                          f'{source}.attention.output.LayerNorm')
    return weights


def _mpnet(rng) -> dict[str, np.ndarray]:
    weights = _embeddings(rng, len(VOCABULARY) + 5, MAX_TOKENS + 2)
    weights['encoder.relative_attention_bias.weight'] = rng.normal(size=(32, HEADS))
    for layer in range(LAYERS):
        source = f'encoder.layer.{layer}'
        weights |= _layer(rng, source, [f'{source}.attention.attn.{part}' for part in 'qkvo'],
                          f'{source}.attention.LayerNorm')
    return weights


def _embeddings(rng, words: int, positions: int) -> dict[str, np.ndarray]:
    return {'embeddings.word_embeddings.weight': rng.normal(size=(words, HIDDEN)),
            'embeddings.position_embeddings.weight': rng.normal(size=(positions, HIDDEN)),
            **_norm(rng, 'embeddings.LayerNorm')}


def _layer(rng, source: str, squares: Sequence[str], norm: str) -> dict[str, np.ndarray]:
    weights = {}
    for name in squares:
        weights |= _linear(rng, name, HIDDEN, HIDDEN)
    return {**weights, **_norm(rng, norm), **_norm(rng, f'{source}.output.LayerNorm'),
            **_linear(rng, f'{source}.intermediate.dense', HIDDEN, WIDE),
            **_linear(rng, f'{source}.output.dense', WIDE, HIDDEN)}


def _linear(rng, name: str, inner: int, outer: int) -> dict[str, np.ndarray]:
    return {f'{name}.weight': rng.normal(scale=2 / math.sqrt(inner), size=(outer, inner)),
            f'{name}.bias': rng.normal(scale=0.1, size=outer)}


def _norm(rng, name: str) -> dict[str, np.ndarray]:
    return {f'{name}.weight': 1 + rng.normal(scale=0.1, size=HIDDEN),
            f'{name}.bias': rng.normal(scale=0.1, size=HIDDEN)}


@pytest.fixture
def tiny(tmp_path, monkeypatch) -> TinyModel:
    """A tiny model of the test's own; it is the default one, and the cache is empty."""
    monkeypatch.setenv('SKILL_PREDICTOR_CACHE', str(tmp_path / 'cache'))
    return _as_default(write_tiny_model(tmp_path), monkeypatch)


@pytest.fixture(scope='session')
def _session_tiny(tmp_path_factory) -> TinyModel:
    return write_tiny_model(tmp_path_factory.mktemp('tiny'))


@pytest.fixture
def shared_tiny(_session_tiny, monkeypatch) -> TinyModel:
    """A tiny model, and a cache, that tests share: not to be changed."""
    monkeypatch.setenv('SKILL_PREDICTOR_CACHE', str(_session_tiny.folder.parent / 'cache'))
    return _as_default(_session_tiny, monkeypatch)


def _as_default(tiny: TinyModel, monkeypatch) -> TinyModel:
    monkeypatch.setenv('SKILL_PREDICTOR_MODEL', str(tiny.folder))
    monkeypatch.setenv('SKILL_PREDICTOR_ENCODERS', str(tiny.encoders))
    return tiny
