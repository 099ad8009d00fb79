"""An encoder with its head, as it is trained and as it was released."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from ..inference.store import ATTENTION
from ..taxonomy import NUM_SKILLS
from .encoders import mean_pool
from .heads import standardisation


class SkillClassifier(nn.Module):
    """Encoder, pooling and head: token ids to one logit per skill.

    Parameters
    ----------
    encoder
        From :func:`skill_predictor.training.encoders.load_encoder`; it is trained in place.
    pooling
        ``mean`` or ``attention``.
    head_layers
        Widths between the encoder's hidden size and the skills.
    dropout, head_dropout
        In the encoder, and before every layer of the head, 0 to below 1.
    """

    def __init__(self, encoder: nn.Module, pooling: str, head_layers: Sequence[int], *,
                 dropout: float = 0.0, head_dropout: float = 0.0) -> None:
        super().__init__()
        hidden = encoder.config.hidden_size
        self.encoder = encoder
        for module in encoder.modules():
            if isinstance(module, nn.Dropout):
                module.p = dropout
        self.pool = SkillAttention(hidden) if pooling == ATTENTION else None
        # The head reads standardised states: those of a published encoder are so small that a deep
        # head would see nothing of them for hundreds of steps.
        self.register_buffer('mean', torch.zeros(hidden))
        self.register_buffer('scale', torch.ones(()))
        widths = (hidden, *head_layers, NUM_SKILLS)
        self.layers = nn.ModuleList(
            nn.Linear(inner, outer) for inner, outer in zip(widths, widths[1:]))
        for layer in self.layers[:-1]:
            nn.init.kaiming_normal_(layer.weight, nonlinearity='relu')  # He et al. 2015
            nn.init.zeros_(layer.bias)
        self.head_dropout = nn.Dropout(head_dropout)

    def standardise(self, pooled: torch.Tensor) -> None:
        """Take mean and scale of pooled states, shape (texts, hidden), as those of all."""
        mean, scale = standardisation(pooled.numpy())
        self.mean.copy_(torch.from_numpy(mean))
        self.scale.fill_(float(scale))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Logits, float32, shape (texts, 6).

        Parameters
        ----------
        input_ids, attention_mask
            int64, shape (texts, tokens), from :func:`skill_predictor.inference.tokenizer.batch_ids`.
        """
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask)
        hidden = hidden.last_hidden_state
        if self.pool is None:
            return self.head(mean_pool(hidden, attention_mask))
        # Each skill reads its own mean: of the six outputs for it, its own counts.
        return self.head(self.pool(hidden, attention_mask)).diagonal(dim1=1, dim2=2)

    def head(self, pooled: torch.Tensor) -> torch.Tensor:
        """Logits of pooled hidden states; the last dimension changes from hidden to 6."""
        pooled = (pooled - self.mean) / self.scale
        for index, layer in enumerate(self.layers):
            if index:
                pooled = nn.functional.gelu(pooled)
            pooled = layer(self.head_dropout(pooled))
        return pooled


class SkillAttention(nn.Module):
    """A weighted mean of the tokens for every skill; the weights are a softmax of learnt scores."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        # At the start all scores are 0: the mean.
        self.query = nn.Parameter(torch.zeros(NUM_SKILLS, hidden))

    def forward(self, hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Pooled states, shape (texts, 6, hidden)."""
        scores = hidden @ self.query.T
        scores = scores.masked_fill(attention_mask.unsqueeze(-1) == 0, -1e4)
        return torch.softmax(scores, dim=1).transpose(1, 2) @ hidden
