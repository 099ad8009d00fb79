"""Numbers on the command line, for argparse: what is none, or out of range, ends with one line."""

from __future__ import annotations

import argparse
import math

from ..inference.choices import MAX_THREADS

LARGEST_SEED = 2**32 - 1
"""That every generator of random numbers takes."""


def whole_number(text: str, least: int, meaning: str = '', most: int | None = None) -> int:
    """A whole number within its bounds.

    Parameters
    ----------
    text
        As it was given.
    least
        Smallest number that is taken.
    meaning
        What the smallest one is, for the error: a comma and words.
    most
        Largest number that is taken; ``None``: there is none.

    Raises
    ------
    argparse.ArgumentTypeError
        When it is none, or out of bounds.
    """
    wanted = f'give a whole number from {least}' + ('' if most is None else f' to {most}')
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r} is no whole number; {wanted}') from None
    if value < least:
        raise argparse.ArgumentTypeError(f'{value} is below {least}{meaning}; {wanted}')
    if most is not None and value > most:
        raise argparse.ArgumentTypeError(f'{value} is above {most}; {wanted}')
    return value


def positive(text: str) -> int:
    """A whole number from 1."""
    return whole_number(text, 1)


def count(text: str) -> int:
    """A whole number from 0."""
    return whole_number(text, 0)


def seed(text: str) -> int:
    """The start of random numbers, a whole number from 0."""
    return whole_number(text, 0, most=LARGEST_SEED)


def threads(text: str) -> int:
    """A number of CPU threads; 0: one per core.

    Raises
    ------
    argparse.ArgumentTypeError
        When it is none, or more than any machine needs.
    """
    if text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= MAX_THREADS:
        return int(text)
    raise argparse.ArgumentTypeError(
        f'{text!r} is no number of threads; give a whole number from 0 to {MAX_THREADS}')


def number(text: str, least: float, most: float = math.inf, what: str = 'number') -> float:
    """A finite number within its bounds.

    Parameters
    ----------
    text
        As it was given.
    least, most
        Smallest and largest that are taken.
    what
        What it is to be, for the error.

    Raises
    ------
    argparse.ArgumentTypeError
        When it is none, or out of bounds.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (least <= value <= most and math.isfinite(value)):
        wanted = f'{least:g} or more' if most == math.inf else f'a number from {least:g} to {most:g}'
        raise argparse.ArgumentTypeError(f'{text!r} is no {what}; give {wanted}')
    return value


def not_negative(text: str) -> float:
    """A number from 0, such as a price."""
    return number(text, 0.0)


def above_zero(text: str) -> float:
    """A number above 0, such as the longest time to wait.

    Raises
    ------
    argparse.ArgumentTypeError
        When it is none.
    """
    try:
        value = number(text, 0.0)
    except argparse.ArgumentTypeError:
        value = 0.0
    if not value:
        raise argparse.ArgumentTypeError(f'{text!r} is no number above 0')
    return value


def seconds(text: str) -> float:
    """A duration, 0 or more."""
    return number(text, 0.0, what='number of seconds')


def days(text: str) -> float:
    """A time in days, 0 or more."""
    return number(text, 0.0, what='number of days')


def temperature(text: str) -> float:
    """How freely a language model writes: from 0 to 2."""
    return number(text, 0.0, 2.0, 'temperature')


def temperature_or_server(text: str) -> float | None:
    """As :func:`temperature`; ``None`` for the word ``server``, whose own setting it leaves."""
    return None if text == 'server' else temperature(text)


def fraction(text: str) -> float:
    """A number from 0 to 1.

    Raises
    ------
    argparse.ArgumentTypeError
        When it is none.
    """
    try:
        return number(text, 0.0, 1.0)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f'{text!r} is no number from 0 to 1 (one per cent is 0.01)') from None
