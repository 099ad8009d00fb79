"""Mistyped words, read as the words that were meant.

A mistyped word falls into pieces that mean nothing to an encoder ("inpsect" is "in ##ps ##ect"). Most typing
errors are one letter too much, too few, wrong or swapped with its neighbour (Damerau 1964), seldom the first
one (Pollock and Zamora 1984). So a word that is in no dictionary is read as the word of the training tasks that
one such error made it of, or as two of them where a space was lost, if it is clear which. What is spelt right
but rare must stay as it is: a skunk is not sunk.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import combinations
from pathlib import Path

from .errors import ModelError

SHORTEST, LONGEST = 4, 24
"""Letters of words that are looked at: short ones have too many neighbours."""

LEAST_FOR_ANY_ERROR = 5
"""Of words with fewer letters only the commonest slips are undone: letters swapped, doubled, or not doubled."""

SLIPS_ARE_COMMONER = 10.0
"""How much likelier these slips are than any other one error: a crosed road is crossed, not closed."""

LEAST_TASKS = 10
"""A word may be meant when so many training tasks have it."""

CLEARLY = 5.0
"""How much more frequent than any other a word must be to be the one that is meant."""

MOST_WORDS = 256
"""Of a text; a longer one is left alone, as the model refuses it anyway, and mending it would take long."""

LEAST_TASKS_OF_FIRST = 30
"""A capital at the start of a sentence may begin a name, unless the word that may be meant is so frequent."""

SHORT = 5
"""Words of at most so many letters are a letter from much that is right (a stihl is not still): the wrong one must
be a neighbour on the keyboard or sound alike, and a vowel at the end is none too many (a bento is not bent)."""

SHOUTED = 0.8
"""Share of capitals from which a text is written in capitals, and they mark no names."""

SPACES_LOST_BESIDE = frozenset(
    'the to of and for from with in on at is it its by or that this our your their then'.split())
"""Of two words that are read where a space was lost one is of these: others are joined on purpose (headgear)."""

_MARKS = '\u0300-\u036f'
WORD = re.compile(
    rf"(?<![\w{_MARKS}/\\@#=~$.])[A-Za-z]+(?:['’][A-Za-z]+)*(?![\w{_MARKS}/\\@=]|[.][A-Za-z0-9])")
"""Not beside what only units, paths and addresses have, or a lost space after a full stop."""

_PART = re.compile(r'\S+')
_CODE = re.compile(r'[/\\@#=~$_{}]|\w[.:]\w')
"""What a path, an address, a file's name or a variable has, and a word has not."""

_AFTER_NAMES = re.compile(r'[,:]| and [A-Z]')
"""What follows somebody who is spoken to, or of."""

_SENTENCE_END = re.compile(r'(?:^|[a-z]{4}[.]|[!?]|\b[0-9]{1,2}[.)])[\s"“”‘\'(\[*•–-]*$')
_ENDINGS = ('s', 'es', 'd', 'ed', 'ing', 'er', 'ers', 'r', 'rs', 'ly', 'y', 'or', 'ors', 'n', 'en')


class SpellingCorrector:
    """Reads mistyped words as those that were meant.

    Parameters
    ----------
    tasks_with
        By word, in lower case, how many training tasks have it; 0: it is right, but never meant.
    vocabulary
        More words that are right.

    Examples
    --------
    >>> corrector = SpellingCorrector({'inspect': 40, 'the': 900, 'bridge': 70})
    >>> corrector.correct('please inpsect thebridge of Brigde')
    'please inspect the bridge of Brigde'
    """

    def __init__(self, tasks_with: Mapping[str, int], vocabulary: Collection[str] = ()) -> None:
        self._tasks_with = dict(tasks_with)
        self._known = {*self._tasks_with, *vocabulary}
        self._known.update([_without_apostrophes(word) for word in self._known])  # as many type them
        self._look_up = lru_cache(maxsize=4096)(self._meant)

    def correct(self, text: str) -> str:
        """The text with every word that is taken for a typing error as it was meant, in lower case.

        Words with a capital are names or abbreviations, and stay, but at the start of a sentence, and where nearly
        all letters are capitals.
        """
        if len(WORD.findall(text)) > MOST_WORDS:
            return text
        letters = [char for char in text if char.isalpha()]
        shouted = sum(map(str.isupper, letters)) >= SHOUTED * len(letters)

        def read_part(part: re.Match) -> str:
            if _CODE.search(part.group()):
                return part.group()
            return WORD.sub(lambda found: read_word(found.group(), part.start() + found.start()), part.group())

        def read_word(written: str, start: int) -> str:
            lower = written.lower()
            if written == lower or shouted:
                return self.meant(lower) or written
            if (written.isalpha() and written[1:].islower() and _SENTENCE_END.search(text[max(0, start - 40):start])
                    and not _AFTER_NAMES.match(text, start + len(written))):
                meant = self.meant(lower)
                if meant and self.least_tasks(meant) >= LEAST_TASKS_OF_FIRST:
                    return meant
            return written
        return _PART.sub(read_part, text)

    def meant(self, word: str) -> str | None:
        """The word, or the two words, that one in lower case is a typing error of; ``None``: of none."""
        stem = word[:-2] if word.endswith(("'s", '’s')) else word
        if not SHORTEST <= len(stem) <= LONGEST or not stem.isalpha() or word in self._known:
            return None
        meant = self._look_up(stem)
        return meant and meant + word[len(stem):]

    def _meant(self, word: str) -> str | None:
        if word in self._known or self._has_other_ending(word):
            return None
        found = sorted(self._candidates(word), reverse=True)
        if not found or len(found) > 1 and found[0][0] < CLEARLY * found[1][0]:
            return None
        return found[0][1]

    def like_errors(self, words: Collection[str]) -> list[str]:
        """Those of many words for which :meth:`meant` has another, found from what may be meant: that are fewer."""
        near = {near for word, tasks in self._tasks_with.items() if tasks >= LEAST_TASKS
                for near in _one_error_away(word, any_first=True)}
        return [word for word in words if (word in near or any(self._pairs(word))) and self.meant(word)]

    def least_tasks(self, meant: str) -> int:
        """How many tasks have what :meth:`meant` returned; the rarer word's number where it is two."""
        return min(self._tasks_with[part.removesuffix("'s").removesuffix('’s')] for part in meant.split())

    def _candidates(self, word: str) -> set[tuple[int, str]]:
        """What may be meant, with how many tasks have it, a slip counted more than once."""
        slips = set(_one_slip_away(word))
        near_words = slips.union(_one_error_away(word) if len(word) >= LEAST_FOR_ANY_ERROR else ())
        found = {(tasks * (SLIPS_ARE_COMMONER if near in slips else 1), near) for near in near_words
                 if (tasks := self._tasks_with.get(near, 0)) >= LEAST_TASKS
                 and (len(word) > SHORT or near in slips or _is_near(word, near))}
        return found.union(self._pairs(word))

    def _pairs(self, word: str) -> Iterator[tuple[int, str]]:
        for at in range(2, len(word) - 1 if len(word) >= LEAST_FOR_ANY_ERROR else 0):
            pair = word[:at], word[at:]
            tasks = min(self._tasks_with.get(part, 0) for part in pair)
            if tasks >= LEAST_TASKS and not SPACES_LOST_BESIDE.isdisjoint(pair):
                yield tasks, ' '.join(pair)

    def _has_other_ending(self, word: str) -> bool:
        for ending in _ENDINGS:
            stem = word.removesuffix(ending)
            if stem == word or len(stem) < 3:
                continue
            if stem in self._known:
                return True
            if ending[0] in _VOWELS:  # hike, hiking; fog, fogging
                doubled = len(stem) > 3 and stem[-1] == stem[-2]
                if stem + 'e' in self._known or doubled and stem[:-1] in self._known:
                    return True
        return False


def _without_apostrophes(word: str) -> str:
    return word.replace("'", '').replace('’', '')


def _one_slip_away(word: str) -> Iterator[str]:
    """Words with two neighbours swapped, one of two equal ones left out, or one that is not the first doubled."""
    for at in range(len(word) - 1):
        head, first, second, tail = word[:at], word[at], word[at + 1], word[at + 2:]
        yield head + first + tail if first == second else head + second + first + tail
        yield head + first + second + second + tail


def _one_error_away(word: str, any_first: bool = False) -> Iterator[str]:
    """Words with one letter added, left out, replaced or swapped; only a swap changes the first one, or any error."""
    yield from _one_slip_away(word)
    for at in range(len(word)):
        head, tail = word[:at], word[at:]
        if at or any_first:
            yield head + tail[1:]
            for letter in string.ascii_lowercase:
                yield head + letter + tail[1:]
                yield head + letter + tail
    for letter in string.ascii_lowercase:
        yield word + letter


def _is_near(word: str, meant: str) -> bool:
    """Whether a short word that is one error away may be meant; see :data:`SHORT`."""
    if len(meant) == len(word):
        pair, = (pair for pair in zip(word, meant) if pair[0] != pair[1])
        return frozenset(pair) in _TAKEN_FOR_EACH_OTHER
    return meant != word[:-1] or word[-1] not in _VOWELS


def _neighbours_on_a_keyboard() -> Iterator[frozenset[str]]:
    rows = 'qwertyuiop', 'asdfghjkl', 'zxcvbnm'
    for row in rows:
        yield from map(frozenset, zip(row, row[1:]))
    for above, below in zip(rows, rows[1:]):  # each row begins half a key further right
        yield from map(frozenset, zip(above, below))
        yield from map(frozenset, zip(above[1:], below))


_VOWELS = 'aeiouy'
_TAKEN_FOR_EACH_OTHER = frozenset((
    *_neighbours_on_a_keyboard(), *map(frozenset, combinations(_VOWELS, 2)),
    *map(frozenset, ('sc', 'ck', 'sz', 'gj', 'fv'))))  # sound alike


def count_words(texts: Iterable[str]) -> Counter[str]:
    """By word, in lower case, how many of the texts have it."""
    return Counter(word for text in texts for word in {
        found.lower().replace('’', "'") for found in WORD.findall(text)})


def read_words(path: Path) -> dict[str, int]:
    """What :func:`write_words` wrote.

    Raises
    ------
    ModelError
        When the file cannot be read or holds something else.
    """
    try:
        lines = [line.split(' ') for line in Path(path).read_text(encoding='utf-8').splitlines()]
        return {word: int(tasks) for word, tasks in lines}
    except (OSError, ValueError) as error:
        raise ModelError(f'cannot read the words {path}: {error}') from error


def write_words(path: Path, tasks_with: Mapping[str, int]) -> None:
    """Write a word and its number of tasks on each line, the frequent ones first."""
    ordered = sorted(tasks_with.items(), key=lambda item: (-item[1], item[0]))
    Path(path).write_text(''.join(f'{word} {tasks}\n' for word, tasks in ordered), encoding='utf-8')
