"""How one encoder is trained: a recipe, read from a YAML file.

The files in ``recipes/`` are our own and those of the published method (Bong et al. 2026); a copy of
one of them is where own experiments start.
"""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from ..inference import known_encoders

RECIPES = Path(__file__).parent / 'recipes'
POOLINGS = ('mean', 'attention')


class RecipeError(ValueError):
    """A recipe that cannot be read, or a value in it that makes no sense."""


@dataclass(frozen=True)
class Recipe:
    """How an encoder and its head are trained.

    Attributes
    ----------
    encoder : str
        Name in :data:`skill_predictor.inference.known_encoders.KNOWN_ENCODERS`.
    adapter_rank : int
        Rank of the low-rank adapters (Hu et al. 2022) of all linear layers of the trained
        transformer layers; 0: the layers themselves are trained.
    adapter_scale : float
        What adapters' products are multiplied by; only with ``adapter_rank``.
    trained_layers : int
        So many top transformer layers are trained, the others stay as published; 0: none.
    pooling : str
        ``mean``: of all tokens (Reimers and Gurevych 2019). ``attention``: for every skill a mean of
        its own, weighted by attention to the tokens (Yang et al. 2016).
    head_layers : tuple of int
        Widths between the encoder's hidden size and the skills.
    dropout : float
        In the encoder, 0 to below 1.
    head_dropout : float
        Before every layer of the head, 0 to below 1.
    max_positive_weight : float
        Cap of the weight that makes up for a skill being rare; 1: all weigh the same.
    label_smoothing : float
        Targets are moved this far towards one half (Szegedy et al. 2016), 0 to below 1.
    consistency : float
        Weight of the divergence between two passes with different dropout (R-Drop, Liang et al.
        2021); 0: one pass only, in half the time.
    epochs, batch_size : int
    encoder_rate, head_rate : float
        Peak learning rates.
    layer_decay : float
        Each transformer layer's rate is that of the layer above times this (Howard and Ruder 2018),
        above 0 and at most 1.
    warm_up : float
        Share of all steps in which the rates rise to their peak; then they fall to 0.
    weight_decay : float
    max_gradient : float
        Gradients are clipped to this norm.
    average_decay : float
        What is judged and kept is a running mean of the weights, of which each step leaves this share,
        less in the first steps (Polyak and Juditsky 1992), 0 to below 1; 0: the weights themselves.
    patience : int
        Training ends after so many epochs without a better exact match on validation; 0: never.
    pairs_together : bool
        Whether the tasks of a contrast pair are in one batch.
    typos, no_punctuation, distractor, joined : float
        Probability that a text is changed so in training, see
        :mod:`skill_predictor.dataset.variants`.
    mixed_precision : bool
        Whether the network's matrix products are made in bfloat16, with float32 weights (Micikevicius
        et al. 2018), where the processor or GPU has instructions for it; nearly twice as fast.
    calibrate : bool
        Whether validation chooses a temperature for the logits, and the encoder's weight in the mean
        (only where all encoders of a model do so).
    correct_spelling : bool
        Whether the released model reads mistyped words as those of the training tasks that were meant, see
        :mod:`skill_predictor.inference.spelling`; training itself leaves them as they are. The same for
        all encoders of a model.
    """

    encoder: str
    adapter_rank: int = 0
    adapter_scale: float = 2.0
    trained_layers: int = 12
    pooling: str = 'mean'
    head_layers: tuple[int, ...] = (512, 256, 128)
    dropout: float = 0.1
    head_dropout: float = 0.1
    max_positive_weight: float = 1.0
    label_smoothing: float = 0.0
    consistency: float = 0.0
    epochs: int = 4
    batch_size: int = 32
    encoder_rate: float = 3e-5
    head_rate: float = 1e-3
    layer_decay: float = 1.0
    warm_up: float = 0.06
    weight_decay: float = 1e-2
    max_gradient: float = 1.0
    average_decay: float = 0.0
    patience: int = 0
    pairs_together: bool = False
    typos: float = 0.0
    no_punctuation: float = 0.0
    distractor: float = 0.0
    joined: float = 0.0
    mixed_precision: bool = True
    calibrate: bool = True
    correct_spelling: bool = True

    def __post_init__(self) -> None:
        known = [encoder.name for encoder in known_encoders.KNOWN_ENCODERS]
        if self.encoder not in known:
            raise RecipeError(f'encoder is {self.encoder!r}; choose one of {", ".join(known)}')
        if self.pooling not in POOLINGS:
            raise RecipeError(f'pooling is {self.pooling!r}; choose one of {", ".join(POOLINGS)}')
        for name, (least, below) in _RANGES.items():
            value = getattr(self, name)
            if not least <= value < below:
                limits = f'at least {least:g}' + ('' if below == _ANY else f' and below {below:g}')
                raise RecipeError(f'{name} is {value}; it must be {limits}')
        if not 0 < self.layer_decay <= 1:
            raise RecipeError(f'layer_decay is {self.layer_decay}; it must be above 0, at most 1')
        if any(width < 1 for width in self.head_layers):
            raise RecipeError(f'head_layers holds a width below 1: {list(self.head_layers)}')


_ANY = float('inf')
_RANGES = {
    'adapter_rank': (0, 1025), 'adapter_scale': (0, _ANY), 'trained_layers': (0, _ANY),
    'dropout': (0, 1), 'head_dropout': (0, 1), 'max_positive_weight': (1, _ANY),
    'label_smoothing': (0, 1), 'consistency': (0, _ANY), 'epochs': (1, _ANY),
    'batch_size': (1, _ANY), 'encoder_rate': (0, _ANY), 'head_rate': (0, _ANY),
    'warm_up': (0, 1), 'average_decay': (0, 1), 'weight_decay': (0, _ANY), 'max_gradient': (1e-9, _ANY),
    'patience': (0, _ANY), 'typos': (0, 1.01), 'no_punctuation': (0, 1.01),
    'distractor': (0, 1.01), 'joined': (0, 1.01)}


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package."""
    return sorted(path.stem for path in RECIPES.glob('*.yaml'))


def read_recipe(name: str | os.PathLike, changes: Iterable[str] = ()) -> Recipe:
    """A recipe by its name or file, with changes.

    Parameters
    ----------
    name
        One of :func:`recipe_names`, or the path of a YAML file.
    changes
        ``key=value``, the value as in YAML.

    Raises
    ------
    RecipeError
        When there is no such recipe, or a key or value is none.
    """
    path = RECIPES / f'{name}.yaml' if os.fspath(name) in recipe_names() else Path(name)
    try:
        values = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f'cannot read the recipe {os.fspath(name)!r} ({error}); name a YAML file '
                          f'or one of {", ".join(recipe_names())}') from error
    except yaml.YAMLError as error:
        raise RecipeError(f'{path} is not valid YAML: {error}') from error
    if not isinstance(values, dict):
        raise RecipeError(f'{path} holds no list of "key: value"')
    try:
        recipe = make_recipe(values)
        return replace(recipe, **_values(_split(change) for change in changes))
    except RecipeError as error:
        raise RecipeError(f'{path}: {error}') from error


def make_recipe(values: dict[str, Any]) -> Recipe:
    """A recipe of its values by name, as in :func:`dataclasses.asdict`.

    Raises
    ------
    RecipeError
        When a name or value is none.
    """
    if 'encoder' not in values:
        raise RecipeError('there is no "encoder"')
    return Recipe(**_values(values.items()))


def _split(change: str) -> tuple[str, Any]:
    key, equals, value = change.partition('=')
    try:
        if not equals:
            raise ValueError('there is no "="')
        return key.strip(), yaml.safe_load(value)
    except (ValueError, yaml.YAMLError) as error:
        raise RecipeError(f'{change!r} is no change such as epochs=2 ({error})') from error


def _values(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    kinds = {field.name: str(field.type) for field in fields(Recipe)}
    found = {}
    for key, value in pairs:
        if key not in kinds:
            close = difflib.get_close_matches(str(key), kinds, 1)
            hint = f'; did you mean {close[0]}?' if close else ''
            raise RecipeError(f'there is no setting {key!r}{hint}')
        found[key] = _as(kinds[key], key, value)
    return found


def _as(kind: str, key: str, value: Any) -> Any:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == 'float' and isinstance(value, str):
        try:  # YAML reads 3e-5, without a dot, as a text
            return float(value)
        except ValueError:
            pass
    if kind == 'float' and number:
        return float(value)
    if kind == 'int' and number and math.isfinite(value) and value == int(value):
        return int(value)
    if kind == 'bool' and isinstance(value, bool) or kind == 'str' and isinstance(value, str):
        return value
    if kind.startswith('tuple') and isinstance(value, (list, tuple)) and all(
            isinstance(item, int) for item in value):
        return tuple(value)
    raise RecipeError(f'{key} is {value!r}, which is no {kind}')
