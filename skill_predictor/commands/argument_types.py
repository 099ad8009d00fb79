"""Numbers on the command line, for argparse."""

from __future__ import annotations

import argparse


def whole_number(text: str, least: int, meaning: str = '') -> int:
    """A whole number that is large enough.

    Parameters
    ----------
    text
        As it was given.
    least
        Smallest number that is taken.
    meaning
        What the smallest one is, for the error: a comma and words.

    Raises
    ------
    argparse.ArgumentTypeError
        When it is none, or too small.
    """
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r} is no whole number') from None
    if number < least:
        raise argparse.ArgumentTypeError(f'{number} is below {least}{meaning}')
    return number


def positive(text: str) -> int:
    """A whole number from 1."""
    return whole_number(text, 1)


def fraction(text: str) -> float:
    """A number from 0 to 1.

    Raises
    ------
    argparse.ArgumentTypeError
        When it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:  # nor NaN
        raise argparse.ArgumentTypeError(f'{text!r} is no number from 0 to 1 (one per cent is 0.01)')
    return value
