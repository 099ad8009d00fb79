"""An encoder in the form that sentence-transformers calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from ..inference.store import TokenIds
from ..inference.text import clean_text
from ..inference.tokenizer import batch_ids, TaskTokenizer

Pool = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class SentenceModule(nn.Module):
    """First and only module of a ``SentenceTransformer``.

    Parameters
    ----------
    encoder
        From :func:`skill_predictor.training.encoders.build_encoder`.
    tokenizer, numbering
        Make its token ids.
    pool
        Maps hidden states, shape (texts, tokens, hidden), and the mask to what ``encode`` returns,
        shape (texts, width).
    """

    modalities = ('text',)

    def __init__(self, encoder: nn.Module, tokenizer: TaskTokenizer, numbering: TokenIds,
                 pool: Pool) -> None:
        super().__init__()
        self.encoder = encoder
        self._tokenizer, self._numbering, self._pool = tokenizer, numbering, pool

    def preprocess(self, inputs: Sequence[str], prompt: str | None = None,
                   **_) -> dict[str, torch.Tensor]:
        """Token ids and attention mask, int64, shape (texts, tokens)."""
        rows = [self._tokenizer.tokenize(clean_text(text)) for text in inputs]
        ids, mask = batch_ids(rows, self._numbering)
        return {'input_ids': torch.from_numpy(ids), 'attention_mask': torch.from_numpy(mask)}

    tokenize = preprocess

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """``features`` with ``sentence_embedding`` added."""
        mask = features['attention_mask']
        hidden = self.encoder(input_ids=features['input_ids'], attention_mask=mask)
        return {**features, 'sentence_embedding': self._pool(hidden.last_hidden_state, mask)}

    def get_sentence_embedding_dimension(self) -> int:
        """Hidden size of the encoder."""
        return self.encoder.config.hidden_size
