"""WordPiece tokens, made once and numbered for each encoder.

Both encoders of the ensemble read BERT's uncased vocabulary; MPNet numbers it four higher and has
other special tokens (``<s>``, ``</s>``, ``<pad>``). So one pass over the text serves all encoders.
"""

from __future__ import annotations

import copy
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from .errors import ModelError, TextError
from .spelling import read_words, SpellingCorrector
from .store import ReleasedModel, TokenIds
from .text import clean_text

UNKNOWN = '[UNK]'
LAST_LATIN_EXTENDED_B = '\u024f'
"""Letters up to this one are Latin."""

MAX_UNKNOWN_SHARE = 0.5
"""A text of which more tokens than this are unknown cannot be judged."""

MAX_FOREIGN_SHARE = 0.5
"""A text of which more letters than this are of other alphabets than the Latin one is not English; the
vocabulary knows the letters of many, and a model would answer anything."""


class TaskTokenizer:
    """Token ids of task descriptions.

    Parameters
    ----------
    vocabulary
        File with one token per line (BERT's ``vocab.txt``).
    max_tokens
        Most tokens of one text, special tokens included.

    Raises
    ------
    ModelError
        When the vocabulary cannot be read.
    """

    def __init__(self, vocabulary: Path, max_tokens: int) -> None:
        try:
            lines = Path(vocabulary).read_text(encoding='utf-8').split('\n')
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f'cannot read the vocabulary {vocabulary}: {error}') from error
        vocab = {token: index for index, token in enumerate(lines) if token}
        if UNKNOWN not in vocab:
            raise ModelError(f'{vocabulary} is no WordPiece vocabulary: it lacks {UNKNOWN}')
        self.max_tokens = max_tokens
        self._unknown = vocab[UNKNOWN]
        self.words = frozenset(token for token in vocab if token.isalpha())
        """Those of the vocabulary's tokens that are whole words."""
        self._spelling: SpellingCorrector | None = None
        self._tokenizer = Tokenizer(WordPiece(vocab, unk_token=UNKNOWN))
        self._tokenizer.normalizer = BertNormalizer(lowercase=True)
        self._tokenizer.pre_tokenizer = BertPreTokenizer()

    @classmethod
    def of(cls, model: ReleasedModel) -> TaskTokenizer:
        """As the model reads a text.

        Raises
        ------
        ModelError
            When a file of the model cannot be read.
        """
        made = cls(model.vocabulary, model.max_tokens)
        return made if model.words is None else made.correcting(read_words(model.words))

    def correcting(self, tasks_with: Mapping[str, int]) -> TaskTokenizer:
        """One that first reads mistyped words as those that were meant; see :class:`SpellingCorrector`."""
        made = copy.copy(self)
        made._spelling = SpellingCorrector(tasks_with, self.words)
        return made

    def plain(self) -> TaskTokenizer:
        """One that reads every word as it is written."""
        made = copy.copy(self)
        made._spelling = None
        return made

    def read(self, text: str) -> str:
        """A cleaned text with mistyped words as they were meant, where that is corrected."""
        return text if self._spelling is None else self._spelling.correct(text)

    def tokenize(self, text: str) -> list[int]:
        """Positions in the vocabulary of a cleaned text's tokens, without special tokens.

        Raises
        ------
        TextError
            When there are more than ``max_tokens`` tokens with the two special ones, when most
            are unknown to the vocabulary, or when most letters are not Latin.
        """
        return self.read_and_tokenize(text)[1]

    def read_and_tokenize(self, text: str) -> tuple[str, list[int]]:
        """The text as :meth:`read` has it, and what :meth:`tokenize` returns; errors as there."""
        if _foreign_share(text) > MAX_FOREIGN_SHARE:
            raise TextError('most letters of the text are not Latin; the model reads English only')
        read = self.read(text)
        ids = self._tokenizer.encode(read, add_special_tokens=False).ids
        if not ids:
            raise TextError('the text has no word that the model reads')
        if len(ids) + 2 > self.max_tokens:
            raise TextError(
                f'the text has {len(ids) + 2} tokens, the model reads at most {self.max_tokens}; '
                'shorten it')
        if ids.count(self._unknown) > MAX_UNKNOWN_SHARE * len(ids):
            raise TextError(
                'most of the text is unknown to the model, which reads English only')
        return read, ids


def _foreign_share(text: str) -> float:
    letters = [char for char in text if char.isalpha()]
    foreign = sum(char > LAST_LATIN_EXTENDED_B and 'LATIN' not in unicodedata.name(char, '')
                  for char in letters)
    return foreign / len(letters) if letters else 0.0


def batch_ids(rows: Sequence[Sequence[int]], numbering: TokenIds
              ) -> tuple[np.ndarray, np.ndarray]:
    """Padded token ids and attention mask of several texts for one encoder.

    Parameters
    ----------
    rows
        Positions in the vocabulary, per text, from :meth:`TaskTokenizer.tokenize`.
    numbering
        How the encoder numbers them.

    Returns
    -------
    input_ids, attention_mask : numpy.ndarray, int64, shape (len(rows), longest + 2)
    """
    width = max(len(row) for row in rows) + 2
    input_ids = np.full((len(rows), width), numbering.pad, dtype=np.int64)
    attention_mask = np.zeros((len(rows), width), dtype=np.int64)
    for index, row in enumerate(rows):
        end = len(row) + 1
        input_ids[index, 0] = numbering.begin
        input_ids[index, 1:end] = row
        input_ids[index, 1:end] += numbering.offset
        input_ids[index, end] = numbering.end
        attention_mask[index, :end + 1] = 1
    return input_ids, attention_mask


def run_sorted(texts: Sequence[str], tokenizer: TaskTokenizer, numbering: TokenIds, width: int,
               run: Callable[[np.ndarray, np.ndarray], np.ndarray], *, batch_size: int = 32,
               on_done: Callable[[int], None] | None = None) -> np.ndarray:
    """Run an encoder over many texts, in batches of similar length, so that little is padded.

    Parameters
    ----------
    texts
        Task descriptions as they were written; cleaned and tokenised as in serving.
    tokenizer
        Makes the tokens.
    numbering
        How the encoder numbers them.
    width
        Numbers per text in what ``run`` returns.
    run
        Maps input_ids and attention_mask, int64, shape (batch, tokens), to float32, shape
        (batch, width).
    batch_size
        Texts per run, at least 1.
    on_done
        Called with the number of texts done since the last call.

    Returns
    -------
    numpy.ndarray, float32, shape (len(texts), width)
        In the order of ``texts``.

    Raises
    ------
    TextError
        When the predictor would refuse a text.
    """
    rows = [tokenizer.tokenize(clean_text(text)) for text in texts]
    order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
    results = np.empty((len(rows), width), dtype=np.float32)
    for start in range(0, len(order), batch_size):
        batch = order[start:start + batch_size]
        results[batch] = run(*batch_ids([rows[index] for index in batch], numbering))
        if on_done is not None:
            on_done(len(batch))
    return results
