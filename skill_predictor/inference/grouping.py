"""Which texts go through the encoders together."""

from __future__ import annotations

from collections.abc import Sequence

MAX_RUN_TOKENS = 2048
"""Most tokens, padding included, that go through the encoders at once: the engine keeps the memory that
its largest run took."""


def groups_of_like_length(lengths: Sequence[int], free_tokens: int = 0) -> list[list[int]]:
    """Positions of texts that go through the encoders together, shortest texts first.

    Padding costs as much as words, so a text joins a group only while it is at most a third longer
    than the group's shortest (special tokens included), and the group has room; or while the whole
    group, padding included, has no more than the tokens that cost nothing.
    """
    groups: list[list[int]] = []
    shortest = 0
    for index in sorted(range(len(lengths)), key=lambda index: lengths[index]):
        length = lengths[index] + 2
        padded = (len(groups[-1]) + 1) * length if groups else 0
        if (not groups or padded > MAX_RUN_TOKENS
                or 3 * length > 4 * shortest and padded > free_tokens):
            groups.append([])
            shortest = length
        groups[-1].append(index)
    return groups
