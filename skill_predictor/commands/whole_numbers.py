"""Whole numbers on the command line."""

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
