"""Which texts are task descriptions, and what becomes of them."""

from __future__ import annotations

import pytest

from skill_predictor.inference.errors import TextError
from skill_predictor.inference.text import clean_text, DEFAULT_MAX_LENGTH


@pytest.mark.parametrize('text, cleaned', [
    ('Sweep the deck.', 'Sweep the deck.'),
    ('  Sweep \t the\r\n deck ', 'Sweep the deck'),
    ('Sweep\x00the\x07deck\x1b', 'Sweep the deck'),
    ('Sweep\x85the\u2028deck\u00a0now', 'Sweep the deck now'),
    ('Swe\u200bep the\u200d deck\ufeff', 'Sweep the deck'),
    ('\u202eSweep\u202c the \u2066deck\u2069', 'Sweep the deck'),
    ('Sweep the deck \U0001f6a2!', 'Sweep the deck \U0001f6a2!'),
    ('Sweep\ue000the\U000e0fffdeck', 'Sweep the deck'),
    ('Bring me the caf\u00e9 cr\u00e8me', 'Bring me the caf\u00e9 cr\u00e8me'),
    ('\u05e0\u05e7\u05d4 \u05d0\u05ea \u05d4\u05e1\u05d9\u05e4\u05d5\u05df',
     '\u05e0\u05e7\u05d4 \u05d0\u05ea \u05d4\u05e1\u05d9\u05e4\u05d5\u05df'),
    ('7', '7'),
])
def test_cleaning(text, cleaned):
    assert clean_text(text) == cleaned


@pytest.mark.parametrize('text', [
    '', ' ', '\t\n\r', '\u00a0\u3000', '\u200b\u200d\ufeff', '\u202e\u202c', '\x00\x1f'])
def test_nothing_visible_is_empty(text):
    with pytest.raises(TextError, match='the text is empty'):
        clean_text(text)


@pytest.mark.parametrize('text', ['???', '...', '\U0001f681', '\U0001f681\u200d\U0001f525 \u2764',
                                  '-->', '\u0301'])
def test_no_word(text):
    with pytest.raises(TextError, match='the text has no word'):
        clean_text(text)


@pytest.mark.parametrize('text', ['fly \ud800', '\udfff', 'caf\udce9', 'caf\ufffd'])
def test_bytes_that_were_not_utf8(text):
    with pytest.raises(TextError, match='not valid UTF-8'):
        clean_text(text)


@pytest.mark.parametrize('text, kind', [(None, 'NoneType'), (7, 'int'), (b'fly', 'bytes'),
                                        (['fly'], 'list')])
def test_no_string(text, kind):
    with pytest.raises(TextError, match=f'the text is {kind}, not a string'):
        clean_text(text)


def test_length_is_limited_before_cleaning():
    assert clean_text('a' * DEFAULT_MAX_LENGTH) == 'a' * DEFAULT_MAX_LENGTH
    with pytest.raises(TextError, match='1001 characters, at most 1000'):
        clean_text('a' * (DEFAULT_MAX_LENGTH + 1))
    with pytest.raises(TextError, match='11 characters, at most 10'):
        clean_text('a' + ' ' * 10, max_length=10)


def test_a_text_error_is_a_value_error():
    assert issubclass(TextError, ValueError)
