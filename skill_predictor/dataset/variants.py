"""Changes of a text that leave its label as it is, or make a label of two.

Wei and Zou 2019 and Ribeiro et al. 2020 (robustness to typos) are the models; what a speller or a
recogniser does to a text is imitated, nothing is replaced by synonyms, which the guide's labels
would not survive.
"""

from __future__ import annotations

import random

_KEYS = ('qwertyuiop', 'asdfghjkl', 'zxcvbnm')
_NEIGHBOURS = {key: row[max(0, index - 1):index] + row[index + 1:index + 2]
               for row in _KEYS for index, key in enumerate(row)}


def with_typos(text: str, rng: random.Random, share: float = 0.12) -> str:
    """Some words with a letter doubled, left out, swapped with the next, or hit beside the key.

    Words under four letters, and words with anything but letters, stay as they are.

    Parameters
    ----------
    text
        Any text.
    rng
        Source of chance.
    share
        Probability that a word is changed, 0 to 1.
    """
    return ' '.join(_mistyped(word, rng) if rng.random() < share else word
                    for word in text.split(' '))


def _mistyped(word: str, rng: random.Random) -> str:
    if len(word) < 4 or not word.isascii() or not word.isalpha():
        return word
    at = rng.randrange(1, len(word) - 1)
    kind = rng.randrange(4)
    if kind == 0:
        return word[:at] + word[at + 1:]
    if kind == 1:
        return word[:at] + word[at] + word[at:]
    if kind == 2:
        return word[:at] + word[at + 1] + word[at] + word[at + 2:]
    near = _NEIGHBOURS.get(word[at].lower(), word[at])
    return word[:at] + rng.choice(near) + word[at + 1:]


def without_punctuation(text: str) -> str:
    """As a speech recogniser writes it: lower case, without sentence marks."""
    kept = ''.join(' ' if letter in ',.;:!?"()' and not _in_number(text, index) else letter
                   for index, letter in enumerate(text))
    return ' '.join(kept.lower().split()) or text


def _in_number(text: str, index: int) -> bool:
    return (text[index] in ',.:' and 0 < index < len(text) - 1
            and text[index - 1].isdigit() and text[index + 1].isdigit())


def with_distractor(text: str, sentence: str, rng: random.Random) -> str:
    """A sentence that asks for nothing before the text, or, one time in three, after it."""
    before = rng.random() < 2 / 3
    first, second = (sentence, text) if before else (text, sentence)
    return f'{first.rstrip()}{"" if first.rstrip()[-1:] in ".!?" else "."} {second.lstrip()}'


_LINKS = ('{0}, then {1}', '{0}. After that, {1}', 'First {2}; then {1}', '{0} and after that {1}',
          '{0}. Then {1}', '{0}; when that is done, {1}')


def joined(first: str, second: str, rng: random.Random) -> str:
    """Two tasks as the stages of one."""
    bare = first.rstrip().rstrip('.')
    return rng.choice(_LINKS).format(bare, _lower(second), _lower(bare))


def _lower(text: str) -> str:
    word = text.split(' ', 1)[0]
    return text if word.isupper() or not word[:1].isupper() else text[0].lower() + text[1:]
