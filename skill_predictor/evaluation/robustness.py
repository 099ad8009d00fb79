"""The same tasks as somebody else would have typed them: does the answer stay?"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from ..dataset.variants import with_typos, without_punctuation

PLAIN, TYPOS, UPPER_CASE, NO_PUNCTUATION, DISTRACTOR = (
    'as written', 'typos', 'upper case', 'no punctuation', 'distractor in front')


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
        TYPOS: with_typos,
        UPPER_CASE: lambda text, rng: text.upper(),
        NO_PUNCTUATION: lambda text, rng: without_punctuation(text)}
    if distractors:
        changes[DISTRACTOR] = lambda text, rng: f'{rng.choice(distractors)} {text}'
    return {name: [change(text, random.Random(f'{seed} {index}'))
                   for index, text in enumerate(texts)] for name, change in changes.items()}
