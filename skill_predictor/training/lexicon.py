"""The words by which a model tells typing errors from rare words."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache

from ..inference.spelling import count_words, SpellingCorrector, WORD

ERRORS_ARE_RARER = 50.0
"""A word of the training tasks that is in no dictionary and so many times rarer than what it may be a typing error
of is taken for one."""

OTHER_LANGUAGES = 'de', 'es', 'fr', 'it', 'nl', 'pt'
"""Of whose words some are loans in English texts; they are no errors in a training task."""


def words_of(texts: Iterable[str], vocabulary: Collection[str] = ()) -> dict[str, int]:
    """Words of the training tasks, and those English ones that could be taken for errors in them.

    Parameters
    ----------
    texts
        Training tasks.
    vocabulary
        Words that the model's tokeniser knows; they need not be listed.

    Returns
    -------
    dict of str to int
        With how many tasks have each, 0 for words that are merely right.
    """
    texts = list(texts)
    tasks_with = count_words(texts)
    capital = {word.lower() for text in texts for word in WORD.findall(text) if not word.islower()}  # may be names
    known = {*dictionary('en'), *vocabulary}
    right = SpellingCorrector({word: tasks for word, tasks in tasks_with.items() if word in known}, vocabulary)
    for word, tasks in list(tasks_with.items()):
        meant = None if word in capital else right.meant(word)
        if (meant and right.least_tasks(meant) >= ERRORS_ARE_RARER * tasks
                and not any(word in dictionary(language) for language in OTHER_LANGUAGES)):
            del tasks_with[word]
    corrector = SpellingCorrector(tasks_with, vocabulary)
    return {**tasks_with, **dict.fromkeys(sorted(corrector.like_errors(dictionary('en'))), 0)}


@lru_cache
def dictionary(language: str) -> frozenset[str]:
    """One of pyspellchecker's: words of letters a to z, in lower case; ``en`` has about 160,000, mostly American."""
    from spellchecker import SpellChecker
    words = SpellChecker(language=language, distance=1).word_frequency.words()
    # Many type contractions without their apostrophe.
    return frozenset(word for word in (word.replace("'", '') for word in words)
                     if word.isascii() and word.isalpha())
