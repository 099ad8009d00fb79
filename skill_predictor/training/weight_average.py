"""The mean of the weights over many steps, which moves less than the last of them."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel
from transformers import TrainerCallback

from .network import SkillClassifier


class WithAverage(nn.Module):
    """A network that is trained, and its running mean, which answers in evaluation mode.

    Both are in the state that checkpoints keep (Polyak and Juditsky 1992; Izmailov et al. 2018).

    Parameters
    ----------
    network
        Trained in place.
    decay
        Share of the mean that a step leaves as it was, above 0 and below 1; less in the first steps,
        so that the weights of the start are soon forgotten.
    """

    def __init__(self, network: SkillClassifier, decay: float) -> None:
        super().__init__()
        self.network = network
        self._mean = AveragedModel(network, multi_avg_fn=_running_mean(decay))
        self._mean.requires_grad_(False)

    @property
    def mean(self) -> SkillClassifier:
        """With the averaged weights."""
        return self._mean.module

    def update(self) -> None:
        """Take in the weights of now."""
        self._mean.update_parameters(self.network)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """See :meth:`SkillClassifier.forward`."""
        chosen = self.network if self.training else self.mean
        return chosen(input_ids=input_ids, attention_mask=attention_mask)


def _running_mean(decay: float):
    @torch.no_grad()
    def update(means, weights, steps) -> None:
        share = min(decay, (1 + int(steps)) / (10 + int(steps)))
        for mean, weight in zip(means, weights):
            mean.lerp_(weight, 1 - share)
    return update


class Average(TrainerCallback):
    """Takes in the weights after every step."""

    def __init__(self, averaged: WithAverage) -> None:
        self._averaged = averaged

    def on_step_end(self, args, state, control, **kwargs):
        self._averaged.update()
