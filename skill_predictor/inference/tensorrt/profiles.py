"""For which shapes an engine is built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST_TASKS = 64
"""Tasks of the largest batch."""

LEAST_TOKENS = 3
"""A word between the two special tokens."""

EXPECTED_TOKENS = 24
"""The mean of the dataset's training tasks (median 22, 95 % have at most 45, 99 % at most 59)."""


@dataclass(frozen=True)
class Profile:
    """Shapes that one optimisation profile covers: least, expected and most.

    Attributes
    ----------
    tasks, tokens : tuple of three int
    """

    tasks: tuple[int, int, int]
    tokens: tuple[int, int, int]

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Least, expected and most as (tasks, tokens)."""
        return tuple(zip(self.tasks, self.tokens))


def profiles(max_tokens: int) -> tuple[Profile, ...]:
    """A single task, as robots ask; a few; and large batches.

    Parameters
    ----------
    max_tokens
        Of the model, special tokens included.
    """
    tokens = (LEAST_TOKENS, min(EXPECTED_TOKENS, max_tokens), max_tokens)
    return (Profile((1, 1, 1), tokens), Profile((1, 4, 8), tokens),
            Profile((1, 32, MOST_TASKS), tokens))


def fitting(choices: Sequence[Profile], tasks: int) -> int:
    """Index of the first profile that holds so many tasks.

    Raises
    ------
    ValueError
        When none does.
    """
    for index, profile in enumerate(choices):
        if tasks <= profile.tasks[2]:
            return index
    raise ValueError(f'{tasks} tasks do not fit, at most {choices[-1].tasks[2]} do')
