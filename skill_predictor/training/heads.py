"""The head of one encoder: four linear layers, fitted to embeddings.

GELU between the layers (Hendrycks and Gimpel 2016), dropout before each (Srivastava et al. 2014),
binary cross-entropy with a weight per skill, AdamW (Loshchilov and Hutter 2019) on a one-cycle
schedule (Smith and Topin 2019).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ..taxonomy import NUM_SKILLS


@dataclass(frozen=True)
class HeadRecipe:
    """How a head is shaped and fitted."""

    hidden_layers: tuple[int, ...] = (512, 256, 128)
    """Widths between the encoder's hidden size and the six skills."""
    dropout: float = 0.3
    """Share of inputs of every layer that are left out in training, 0 to below 1."""
    epochs: int = 60
    batch_size: int = 64
    learning_rate: float = 2e-3
    """Peak of the one-cycle schedule."""
    weight_decay: float = 1e-2
    max_positive_weight: float = 3.2
    """Cap of the weight that makes up for a skill being rare."""

    def widths(self, hidden: int) -> tuple[int, ...]:
        """Widths of the head of an encoder with that hidden size."""
        return (hidden, *self.hidden_layers, NUM_SKILLS)


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


def fit_head(embeddings: np.ndarray, targets: np.ndarray, recipe: HeadRecipe | None = None,
             seed: int = 0, on_epoch: Callable[[], None] | None = None) -> Head:
    """Fit a head to the embeddings of one encoder.

    The same input and seed give the same weights, bit for bit, on the same kind of processor and
    version of PyTorch. The caller's random numbers are not touched.

    Parameters
    ----------
    embeddings
        float32, shape (n, hidden), n at least 2, all finite.
    targets
        0 or 1, shape (n, 6): the required skills.
    recipe
        ``None``: the default one.
    seed
        Start of all random numbers.
    on_epoch
        Called after every epoch.

    Raises
    ------
    ValueError
        When the arrays have other shapes or values, or all embeddings are equal.
    """
    recipe = recipe or HeadRecipe()
    x, y = _checked(embeddings, targets)
    mean, scale = standardisation(x)
    with _reproducible(seed):
        layers = _new_layers(recipe.widths(x.shape[1]))
        _fit(layers, torch.from_numpy((x - mean) / scale), torch.from_numpy(y), recipe, on_epoch)
    weights = [layer.weight.detach().numpy() for layer in layers]
    biases = [layer.bias.detach().numpy() for layer in layers]
    weights[0], biases[0] = fold_standardisation(weights[0], biases[0], mean, scale)
    return Head(tuple(weights), tuple(biases))


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


def _checked(embeddings: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x = np.asarray(embeddings, dtype=np.float32)
    y = np.asarray(targets, dtype=np.float32)
    if x.ndim != 2 or len(x) < 2:
        raise ValueError(f'embeddings have shape {x.shape}, expected (at least 2, hidden)')
    if y.shape != (len(x), NUM_SKILLS):
        raise ValueError(f'targets have shape {y.shape}, expected {(len(x), NUM_SKILLS)}')
    if not np.isfinite(x).all():
        raise ValueError('an embedding is not finite')
    if not np.isin(y, (0.0, 1.0)).all():
        raise ValueError('targets must be 0 or 1')
    return x, y


@contextmanager
def _reproducible(seed: int) -> Iterator[None]:
    """Own random numbers, and one thread: sums in another order would give other weights."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def _new_layers(widths: tuple[int, ...]) -> list[nn.Linear]:
    return [nn.Linear(inner, outer) for inner, outer in zip(widths, widths[1:])]


def _fit(layers: list[nn.Linear], x: torch.Tensor, y: torch.Tensor, recipe: HeadRecipe,
         on_epoch: Callable[[], None] | None) -> None:
    network = _with_dropout(layers, recipe.dropout).train()
    loss_of = nn.BCEWithLogitsLoss(pos_weight=torch.from_numpy(
        positive_weights(y.numpy(), recipe.max_positive_weight)))
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    steps = recipe.epochs * -(-len(x) // recipe.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.learning_rate, total_steps=steps)
    for _ in range(recipe.epochs):
        for batch in torch.randperm(len(x)).split(recipe.batch_size):
            optimiser.zero_grad()
            loss_of(network(x[batch]), y[batch]).backward()
            optimiser.step()
            schedule.step()
        if on_epoch is not None:
            on_epoch()


def _with_dropout(layers: list[nn.Linear], dropout: float) -> nn.Sequential:
    parts: list[nn.Module] = []
    for index, layer in enumerate(layers):
        if index:
            parts.append(nn.GELU())
        parts += [nn.Dropout(dropout), layer]
    return nn.Sequential(*parts)
