"""The same tasks as somebody else would have typed them: does the answer stay?"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Sequence

from ..dataset.variants import with_typos, without_punctuation

PLAIN, TYPOS, OTHER_TYPOS, UPPER_CASE, NO_PUNCTUATION, DISTRACTOR = (
    'as written', 'typos', 'typos that training does not make', 'upper case', 'no punctuation',
    'distractor in front')
TYPOS_SHARE = 0.12
"""Probability that a word is mistyped."""


def variants(texts: Sequence[str], distractors: Sequence[str] = (),
             seed: int = 0) -> dict[str, list[str]]:
    """Every text in every manner of writing, by its name; the label stays the same.

    Parameters
    ----------
    texts
        Task descriptions.
    distractors
        Sentences that ask for nothing; empty: that manner is left out.
    seed
        Start of the random numbers.
    """
    changes: dict[str, Callable[[str, random.Random], str]] = {
        PLAIN: lambda text, rng: text,
        TYPOS: lambda text, rng: with_typos(text, rng, TYPOS_SHARE),
        OTHER_TYPOS: with_other_typos,
        UPPER_CASE: lambda text, rng: text.upper(),
        NO_PUNCTUATION: lambda text, rng: without_punctuation(text)}
    if distractors:
        changes[DISTRACTOR] = lambda text, rng: f'{rng.choice(distractors)} {text}'
    return {name: [change(text, random.Random(f'{seed} {index}'))
                   for index, text in enumerate(texts)] for name, change in changes.items()}


def with_other_typos(text: str, rng: random.Random, share: float = TYPOS_SHARE) -> str:
    """Some words with a strange letter in them, their first two letters swapped, or joined to the one before.

    Who is trained with :func:`skill_predictor.dataset.variants.with_typos` has not met these. Parameters
    are as there, and the same words stay as they are.
    """
    found = ''
    for index, word in enumerate(text.split(' ')):
        gap = ' ' if index else ''
        if len(word) >= 4 and word.isascii() and word.isalpha() and rng.random() < share:
            kind, at = rng.randrange(3), rng.randrange(1, len(word))
            if kind == 0:
                word = word[:at] + rng.choice(string.ascii_lowercase) + word[at:]
            elif kind == 1:
                word = word[1] + word[0] + word[2:]
            else:
                gap = ''
        found += gap + word
    return found
