"""Which texts are task descriptions, and their cleaning before the tokeniser."""

from __future__ import annotations

import unicodedata

from .errors import TextError

DEFAULT_MAX_LENGTH = 1000
"""Characters; about 250 tokens of English."""


def clean_text(text: object, max_length: int = DEFAULT_MAX_LENGTH) -> str:
    """A task's text, fit for the tokeniser.

    Control characters become spaces, invisible ones (zero-width, direction marks) go, and runs of
    white space become one space.

    Parameters
    ----------
    text
        What arrived as the task's text.
    max_length
        Most characters that are accepted, counted before cleaning.

    Raises
    ------
    TextError
        When ``text`` is no string, is empty, is longer than ``max_length``, holds bytes that were
        not valid UTF-8, or has neither a letter nor a digit.
    """
    if not isinstance(text, str):
        raise TextError(f'the text is {type(text).__name__}, not a string')
    if len(text) > max_length:
        raise TextError(
            f'the text has {len(text)} characters, at most {max_length} are accepted; '
            'shorten it, or raise max_text_length')
    if any(char == '\ufffd' or 0xD800 <= ord(char) <= 0xDFFF for char in text):
        raise TextError('the text holds bytes that are not valid UTF-8; send it as UTF-8')
    cleaned = ' '.join(''.join(_visible(char) for char in text).split())
    if not cleaned:
        raise TextError('the text is empty')
    if not any(char.isalnum() for char in cleaned):
        raise TextError(f'the text has no word: {cleaned[:40]!r}')
    return cleaned


def _visible(char: str) -> str:
    category = unicodedata.category(char)
    if category == 'Cf':
        return ''
    # Cc control, Cn unassigned, Co private use.
    return ' ' if category.startswith('C') else char
