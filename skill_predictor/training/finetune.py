"""Fine-tuning an encoder together with its head, all layers.

Mean pooling (Reimers and Gurevych 2019), binary cross-entropy, AdamW (Loshchilov and Hutter 2019)
with a warm-up and a linear decay (Devlin et al. 2019); batches are of texts of similar length, so
that little is padded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ..inference.store import TokenIds
from ..inference.text import clean_text
from ..inference.tokenizer import batch_ids, run_sorted, TaskTokenizer
from ..taxonomy import NUM_SKILLS


@dataclass(frozen=True)
class FineTuneRecipe:
    """How an encoder is fine-tuned.

    Attributes
    ----------
    epochs, batch_size : int
    encoder_rate, head_rate : float
        Peak learning rates.
    warm_up : float
        Share of all steps in which the rates rise to their peak.
    weight_decay : float
    head_hidden : int
        Width of the head's hidden layer; 0: that of the encoder.
    dropout : float
        In the encoder and before the head's layers.
    max_gradient : float
        Gradients are clipped to this norm.
    """

    epochs: int = 6
    batch_size: int = 32
    encoder_rate: float = 1e-4
    head_rate: float = 1e-3
    warm_up: float = 0.06
    weight_decay: float = 1e-2
    head_hidden: int = 0
    dropout: float = 0.1
    max_gradient: float = 1.0


class SkillClassifier(nn.Module):
    """An encoder, mean pooling, and a head with one hidden layer.

    Parameters
    ----------
    encoder
        From :func:`skill_predictor.training.encoders.load_encoder`; it is trained in place.
    token_ids
        How it numbers tokens.
    recipe
        Shape of the head, dropout.
    """

    def __init__(self, encoder: nn.Module, token_ids: TokenIds, recipe: FineTuneRecipe) -> None:
        super().__init__()
        hidden = encoder.config.hidden_size
        width = recipe.head_hidden or hidden
        self.encoder = encoder.requires_grad_(True)
        self.token_ids = token_ids
        for module in encoder.modules():
            if isinstance(module, nn.Dropout):
                module.p = recipe.dropout
        self.head = nn.Sequential(
            nn.Dropout(recipe.dropout), nn.Linear(hidden, width), nn.GELU(),
            nn.Dropout(recipe.dropout), nn.Linear(width, NUM_SKILLS))

    def forward(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> torch.Tensor:
        """Logits, float32, shape (texts, 6), of what :func:`batch_ids` returns."""
        mask = torch.from_numpy(attention_mask)
        hidden = self.encoder(input_ids=torch.from_numpy(input_ids),
                              attention_mask=mask).last_hidden_state
        weight = mask.unsqueeze(-1).to(hidden.dtype)
        return self.head((hidden * weight).sum(1) / weight.sum(1))


def fine_tune(encoder: nn.Module, token_ids: TokenIds, tokenizer: TaskTokenizer,
              texts: Sequence[str], targets: np.ndarray, recipe: FineTuneRecipe | None = None,
              seed: int = 0, on_done: Callable[[int], None] | None = None) -> SkillClassifier:
    """Fit an encoder and a new head to labelled texts.

    Parameters
    ----------
    encoder, token_ids
        See :class:`SkillClassifier`.
    tokenizer
        Makes the tokens.
    texts
        Task descriptions, at least 1.
    targets
        0 or 1, shape (len(texts), 6).
    recipe
        ``None``: the default one.
    seed
        Start of all random numbers; the caller's are not touched.
    on_done
        Called with the number of texts done since the last call, ``epochs`` times over all texts.

    Raises
    ------
    TextError
        When the predictor would refuse a text.
    """
    recipe = recipe or FineTuneRecipe()
    rows = [tokenizer.tokenize(clean_text(text)) for text in texts]
    wanted = torch.from_numpy(np.asarray(targets, dtype=np.float32))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = SkillClassifier(encoder, token_ids, recipe).train()
        optimiser = torch.optim.AdamW(
            [{'params': model.encoder.parameters(), 'lr': recipe.encoder_rate},
             {'params': model.head.parameters(), 'lr': recipe.head_rate}],
            weight_decay=recipe.weight_decay)
        steps = recipe.epochs * -(-len(rows) // recipe.batch_size)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: _rate(step, steps, recipe.warm_up))
        for _ in range(recipe.epochs):
            for batch in _batches(rows, recipe.batch_size):
                optimiser.zero_grad()
                loss = nn.functional.binary_cross_entropy_with_logits(
                    model(*batch_ids([rows[index] for index in batch], token_ids)), wanted[batch])
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), recipe.max_gradient)
                optimiser.step()
                schedule.step()
                if on_done is not None:
                    on_done(len(batch))
    return model.eval()


def predict(model: SkillClassifier, tokenizer: TaskTokenizer, texts: Sequence[str],
            batch_size: int = 64) -> np.ndarray:
    """Skill probabilities, float32 in 0..1, shape (len(texts), 6)."""
    def run(input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return torch.sigmoid(model(input_ids, attention_mask)).numpy()
    return run_sorted(texts, tokenizer, model.token_ids, NUM_SKILLS, run, batch_size=batch_size)


def _rate(step: int, steps: int, warm_up: float) -> float:
    """Share of the peak rate: up to 1 in the warm-up, then down to 0."""
    rising = max(1.0, warm_up * steps)
    return min((step + 1) / rising, max(0.0, (steps - step) / max(1.0, steps - rising)))


_BUCKET = 20
"""So many batches are drawn at random and then sorted by length among themselves."""


def _batches(rows: Sequence[Sequence[int]], size: int) -> Iterator[list[int]]:
    order = torch.randperm(len(rows)).tolist()
    batches = []
    for start in range(0, len(order), size * _BUCKET):
        bucket = sorted(order[start:start + size * _BUCKET], key=lambda index: len(rows[index]))
        batches += [bucket[first:first + size] for first in range(0, len(bucket), size)]
    for index in torch.randperm(len(batches)).tolist():
        yield batches[index]
