"""The six physical skills, their order and their thresholds: the only place that knows them.

Everything that handles a skill vector (messages, models, datasets, fleets) takes names and order
from here. The meaning of each skill is fixed by the labelling guide, ``data/LABELING.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

SKILLS: tuple[str, ...] = (
    'fly', 'wheels', 'legs', 'surface_water', 'under_water', 'hands')
"""Skill names in the order of every skill vector."""

NUM_SKILLS: int = len(SKILLS)

DEFAULT_THRESHOLD: float = 0.5
"""A skill is required when its probability is at least this, unless the model or user says otherwise."""

_INDEX = {name: index for index, name in enumerate(SKILLS)}


class UnknownSkillError(ValueError):
    """A name that is not one of the six skills."""

    def __init__(self, name: object) -> None:
        super().__init__(
            f'unknown skill {name!r}; the skills are {", ".join(SKILLS)}')


def skill_index(name: str) -> int:
    """Position of a skill in the vector, 0 to 5.

    Raises
    ------
    UnknownSkillError
        When ``name`` is not one of the six.
    """
    try:
        return _INDEX[name]
    except (KeyError, TypeError):
        raise UnknownSkillError(name) from None


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """Distinct skill names in vector order.

    Raises
    ------
    UnknownSkillError
        When a name is not one of the six.
    """
    return tuple(SKILLS[index] for index in sorted({skill_index(name) for name in names}))


def to_flags(names: Iterable[str]) -> tuple[bool, ...]:
    """Six booleans in vector order, true where the skill is among ``names``.

    Raises
    ------
    UnknownSkillError
        When a name is not one of the six.
    """
    wanted = {skill_index(name) for name in names}
    return tuple(index in wanted for index in range(NUM_SKILLS))


def from_flags(flags: Sequence[bool]) -> tuple[str, ...]:
    """Names of the skills whose flag is true, in vector order.

    Raises
    ------
    ValueError
        When there are not exactly six flags.
    """
    if len(flags) != NUM_SKILLS:
        raise ValueError(f'expected {NUM_SKILLS} flags, got {len(flags)}')
    return tuple(name for name, flag in zip(SKILLS, flags) if flag)
