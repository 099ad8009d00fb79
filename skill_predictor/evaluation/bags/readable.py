"""Which texts a predictor reads, told without its encoders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...inference.errors import TextError
from ...inference.store import read_model
from ...inference.text import clean_text, DEFAULT_MAX_LENGTH
from ...inference.tokenizer import TaskTokenizer


def readable_by(model: Path | None, max_length: int = DEFAULT_MAX_LENGTH) -> Callable[[str], bool]:
    """Tells of a text whether a predictor with this model makes a vector for it.

    Parameters
    ----------
    model
        Folder of a released model; all have the same vocabulary so far. ``None``: all that a tokeniser
        would refuse counts as readable.
    max_length
        Most characters of a text.

    Raises
    ------
    ModelError
        When the model cannot be read.
    """
    tokenize = None
    if model is not None:
        tokenize = TaskTokenizer.of(read_model(model)).tokenize

    def is_readable(text: str) -> bool:
        try:
            cleaned = clean_text(text, max_length)
            if tokenize is not None:
                tokenize(cleaned)
        except TextError:
            return False
        return True
    return is_readable
