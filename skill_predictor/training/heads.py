"""The head of one encoder as plain arrays, and the scales it is fitted with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn


@dataclass(frozen=True)
class Head:
    """A fitted head: plain linear layers with GELU between them.

    Attributes
    ----------
    weights : tuple of numpy.ndarray, float32, shape (out, in)
    biases : tuple of numpy.ndarray, float32, shape (out,)
    """

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]

    @property
    def widths(self) -> tuple[int, ...]:
        """Sizes from the input to the output."""
        return (self.weights[0].shape[1], *(weight.shape[0] for weight in self.weights))

    def probabilities(self, embeddings: np.ndarray) -> np.ndarray:
        """Skill probabilities.

        Parameters
        ----------
        embeddings
            float32, shape (n, hidden), from :func:`skill_predictor.training.encoders.embed`.

        Returns
        -------
        numpy.ndarray, float32 in 0..1, shape (n, 6)
        """
        x = torch.from_numpy(np.asarray(embeddings, dtype=np.float32))
        with torch.inference_mode():
            for index, (weight, bias) in enumerate(zip(self.weights, self.biases)):
                if index:
                    x = nn.functional.gelu(x)
                x = nn.functional.linear(x, torch.from_numpy(weight), torch.from_numpy(bias))
            return torch.sigmoid(x).numpy()


def standardisation(embeddings: np.ndarray) -> tuple[np.ndarray, np.float32]:
    """Mean of every feature, and one standard deviation for all of them.

    One scale keeps the features' relative sizes, which say how much the encoder uses each.

    Parameters
    ----------
    embeddings
        float32, shape (n, hidden).

    Returns
    -------
    mean : numpy.ndarray, float32, shape (hidden,)
    scale : numpy.float32, above 0

    Raises
    ------
    ValueError
        When all embeddings are equal.
    """
    mean = embeddings.mean(axis=0, dtype=np.float64).astype(np.float32)
    scale = np.float32(np.std(embeddings - mean, dtype=np.float64))
    if not scale > 0:
        raise ValueError('all embeddings are equal; there is nothing to learn from them')
    return mean, scale


def fold_standardisation(weight: np.ndarray, bias: np.ndarray, mean: np.ndarray,
                         scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights that take plain inputs, from weights that take ``(x - mean) / scale``.

    Parameters
    ----------
    weight
        float32, shape (out, in).
    bias
        float32, shape (out,).
    mean
        float32, shape (in,).
    scale
        Above 0.

    Returns
    -------
    weight, bias : numpy.ndarray, float32, shapes as given
    """
    folded = weight.astype(np.float64) / float(scale)
    shifted = bias - folded @ mean.astype(np.float64)
    return folded.astype(np.float32), shifted.astype(np.float32)


def positive_weights(targets: np.ndarray, most: float) -> np.ndarray:
    """Weight per skill of the tasks that require it: the root of absent to present, capped.

    Parameters
    ----------
    targets
        0 or 1, shape (n, 6).
    most
        Upper cap; the lower one is its inverse.

    Returns
    -------
    numpy.ndarray, float32, shape (6,)
    """
    present = targets.mean(axis=0, dtype=np.float64)
    with np.errstate(divide='ignore'):
        weights = np.sqrt((1.0 - present) / present)
    return np.clip(weights, 1.0 / most, most).astype(np.float32)
