"""Which parts of an encoder are trained, and what training has changed in them."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from .recipe import Recipe

_LAYER = re.compile(r'encoder\.layer\.(\d+)\.')
_ADAPTER = re.compile(r'(.+)\.(lora_[AB])\.default\.weight')


def prepare(encoder: nn.Module, recipe: Recipe) -> dict[str, np.ndarray]:
    """Mark the parameters to be trained; with adapters, put these beside the linear layers (peft).

    With adapters, the biases and layer norms of the trained layers are trained as well: they are
    few, and need no adapter.

    Returns
    -------
    dict of str to numpy.ndarray
        Copies of the published tensors that will change, by name, for :func:`changes`.
    """
    chosen = _chosen_layers(encoder, recipe)
    encoder.requires_grad_(False)
    if recipe.adapter_rank and chosen:
        _add_adapters(encoder, recipe, chosen)
    for name, parameter in encoder.named_parameters():
        if layer_of(name) in chosen:
            whole = not recipe.adapter_rank or parameter.ndim == 1 or 'lora_' in name
            parameter.requires_grad_(whole)
    return {_plain(name): array_of(parameter) for name, parameter
            in encoder.named_parameters() if parameter.requires_grad and 'lora_' not in name}


def layer_of(name: str) -> int:
    """Number of the transformer layer that a parameter is in, from 0; -1: in none."""
    found = _LAYER.search(name)
    return int(found.group(1)) if found else -1


def changes(encoder: nn.Module, recipe: Recipe,
            published: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What is to be added to the published weights, by their names, float32.

    ``<name>.lora_A``, shape (rank, in), and ``<name>.lora_B``, shape (out, rank), stand for their
    product B A; the adapters' scale is in B. The other tensors are differences.

    Parameters
    ----------
    encoder
        After training.
    recipe
        Its recipe.
    published
        From :func:`prepare`.
    """
    found: dict[str, np.ndarray] = {}
    for name, parameter in encoder.named_parameters():
        adapter = _ADAPTER.fullmatch(name)
        if adapter:
            module, kind = adapter.groups()
            scale = recipe.adapter_scale if kind == 'lora_B' else 1.0
            found[f'{module}.weight.{kind}'] = array_of(parameter) * np.float32(scale)
        elif _plain(name) in published:
            found[_plain(name)] = array_of(parameter) - published[_plain(name)]
    return found


def _plain(name: str) -> str:
    """The published name of a parameter beside which peft has put an adapter."""
    return name.replace('.base_layer.', '.')


def _chosen_layers(encoder: nn.Module, recipe: Recipe) -> set[int]:
    count = encoder.config.num_hidden_layers
    return set(range(max(0, count - recipe.trained_layers), count))


def _add_adapters(encoder: nn.Module, recipe: Recipe, chosen: set[int]) -> None:
    from peft import inject_adapter_in_model, LoraConfig
    names = [name for name, module in encoder.named_modules()
             if isinstance(module, nn.Linear) and layer_of(name) in chosen]
    inject_adapter_in_model(LoraConfig(
        r=recipe.adapter_rank, lora_alpha=recipe.adapter_scale * recipe.adapter_rank,
        target_modules=names), encoder)


def array_of(parameter: torch.Tensor) -> np.ndarray:
    """A copy of a tensor, float32."""
    return parameter.detach().to('cpu', torch.float32).numpy().copy()
