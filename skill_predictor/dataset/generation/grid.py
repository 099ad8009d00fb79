"""The coverage grid: which tasks to ask for, spread evenly over everything that may vary."""

from __future__ import annotations

import hashlib
import math
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from ...taxonomy import ordered, UnknownSkillError
from ..boundaries import Boundary, BOUNDARIES

DEFAULT_GRID = Path(__file__).with_name('coverage.yaml')

_NONE = 'none'
_LISTS = ('explicitness', 'registers', 'voices', 'domains')

Item = TypeVar('Item')


class GridError(ValueError):
    """A grid file that cannot be used; the message says why."""


@dataclass(frozen=True)
class Cell:
    """What one task is to be like."""

    skills: tuple[str, ...]
    environment: str
    register: str
    length: tuple[int, int]
    """Fewest and most words."""
    explicitness: str


@dataclass(frozen=True)
class Request:
    """What one call of the language model asks for: cells, or contrast pairs of a boundary.

    Attributes
    ----------
    domain, voice : str
        Field of work, and the kind of person who speaks.
    cells : tuple of Cell
        One per task; empty for contrast pairs.
    boundary : Boundary, or None
        Which boundary the contrast pairs are about.
    pairs : int
        How many contrast pairs; 0 for cells.
    nonce : int
        Number of the request in its plan, so that equal requests stay two.
    """

    domain: str
    voice: str
    cells: tuple[Cell, ...] = ()
    boundary: Boundary | None = None
    pairs: int = 0
    nonce: int = 0

    @property
    def id(self) -> str:
        """12 hex digits that depend on everything the request asks for."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:12]

    @property
    def tasks(self) -> int:
        """How many tasks the answer should hold."""
        return len(self.cells) or 2 * self.pairs


@dataclass(frozen=True)
class CoverageGrid:
    """Everything that may vary; see ``coverage.yaml`` for what each axis means."""

    skill_sets: Mapping[tuple[str, ...], float]
    environments: Mapping[str, frozenset[str]]
    explicitness: tuple[str, ...]
    lengths: tuple[tuple[int, int], ...]
    registers: tuple[str, ...]
    voices: tuple[str, ...]
    domains: tuple[str, ...]

    @classmethod
    def read(cls, path: str | os.PathLike = DEFAULT_GRID) -> CoverageGrid:
        """Read a grid file.

        Raises
        ------
        GridError
            When the file cannot be read or an axis is missing, empty or malformed.
        """
        try:
            entries = yaml.safe_load(Path(path).read_text(encoding='utf-8'))
            return cls._parse(entries)
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise GridError(f'{path}: cannot be read: {error}') from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = f'lacks {error}' if isinstance(error, KeyError) else str(error)
            raise GridError(f'{path}: {reason}; compare it with {DEFAULT_GRID}') from error

    @classmethod
    def _parse(cls, entries: dict[str, Any]) -> CoverageGrid:
        axes = {name: _list(name, entries[name]) for name in _LISTS}
        lengths = tuple((int(low), int(high)) for low, high in entries['lengths'])
        skill_sets = {_skill_set(name): float(share)
                      for name, share in entries['skill_sets'].items()}
        environments = {str(name): frozenset(ordered(movers))
                        for name, movers in entries['environments'].items()}
        for name, axis in {**axes, 'lengths': lengths, 'skill_sets': skill_sets,
                           'environments': environments}.items():
            if not axis:
                raise ValueError(f'{name} is empty')
        if not all(0 < share < math.inf for share in skill_sets.values()):  # nor NaN
            raise ValueError('every share of a skill set must be a number above 0')
        if any(not 1 <= low <= high for low, high in lengths):
            raise ValueError('a length must be [fewest, most] words, from 1')
        return cls(skill_sets=skill_sets, environments=environments, lengths=lengths, **axes)

    def plan(self, tasks: int, per_request: int, seed: int) -> list[Request]:
        """Requests for so many tasks, each axis used evenly; the same seed gives the same plan.

        Parameters
        ----------
        tasks
            How many in all; the last request may ask for fewer than the others.
        per_request
            Most tasks of one request.
        seed
            Start of the random order.
        """
        rng = random.Random(seed)
        skill_sets = _by_share(self.skill_sets, tasks, rng)
        domains, voices = _around(self.domains, rng), _around(self.voices, rng)
        registers, lengths = _around(self.registers, rng), _around(self.lengths, rng)
        explicitness = _around(self.explicitness, rng)
        cells = [Cell(skills, self._environment(skills, rng), next(registers), next(lengths),
                      next(explicitness)) for skills in skill_sets]
        return [Request(next(domains), next(voices), tuple(cells[start:start + per_request]),
                        nonce=start) for start in range(0, tasks, per_request)]

    def plan_boundaries(self, pairs: int, per_request: int, seed: int,
                        kinds: Sequence[str] = tuple(BOUNDARIES)) -> list[Request]:
        """Requests for so many contrast pairs, evenly over boundaries, domains and voices.

        Raises
        ------
        KeyError
            When a kind is not in :data:`BOUNDARIES`.
        """
        rng = random.Random(seed)
        domains, voices = _around(self.domains, rng), _around(self.voices, rng)
        boundaries = _around([BOUNDARIES[kind] for kind in kinds], rng)
        return [Request(next(domains), next(voices), boundary=next(boundaries),
                        pairs=min(per_request, pairs - start), nonce=start)
                for start in range(0, pairs, per_request)]

    def _environment(self, skills: tuple[str, ...], rng: random.Random) -> str:
        movers = set(skills) - {'hands'}
        fitting = [name for name, possible in self.environments.items() if movers <= possible]
        # No single place has all the movers of a rare union: its stages are in several.
        return rng.choice(fitting) if fitting else 'several places, one for each stage'


def _list(name: str, values: Any) -> tuple[str, ...]:
    if not isinstance(values, list):  # the letters of a text are no list
        raise ValueError(f'{name} must be a list, not {values!r}')
    return tuple(str(value) for value in values)


def _skill_set(name: str) -> tuple[str, ...]:
    try:
        return () if name == _NONE else ordered(str(name).split('+'))
    except UnknownSkillError as error:
        raise ValueError(f'skill set {name!r}: {error}') from error


def _around(items: Sequence[Item], rng: random.Random) -> Iterator[Item]:
    """All items in random order, then all again in another."""
    while True:
        yield from rng.sample(list(items), len(items))


def _by_share(shares: Mapping[Item, float], count: int, rng: random.Random) -> list[Item]:
    """``count`` items in random order, each as often as its share says, to the nearest one."""
    total = sum(shares.values())
    exact = {item: count * share / total for item, share in shares.items()}
    items = [item for item, share in exact.items() for _ in range(int(share))]
    rest = sorted(exact, key=lambda item: int(exact[item]) - exact[item])
    items += rest[:count - len(items)]
    rng.shuffle(items)
    return items
