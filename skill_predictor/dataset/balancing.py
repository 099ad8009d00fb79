"""Drawing whole units where their labels do not fit a quota exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

T = TypeVar('T')
Signature = tuple[tuple[str, int], ...]

TOLERANCE = 1
"""So many more or fewer of a kind than the quota says are let pass; ``data check`` does as well."""


def balanced(drawn: Sequence[list[T]], left: Sequence[list[T]], quota: Mapping[str, int],
             kind: Callable[[T], str], exact: bool = True) -> tuple[list[list[T]], list[list[T]]]:
    """Fill up what was drawn, then exchange units, until each kind is as often there as it should.

    Parameters
    ----------
    drawn
        Units that have been drawn, none too many of a kind.
    left
        The others; earlier ones are preferred.
    quota
        How many of each kind to draw.
    kind
        Kind of a member of a unit.
    exact
        Whether there must be as many members in all as the quota has; else there may be fewer, where
        whole units leave places empty.

    Returns
    -------
    drawn, left : list of list
        With :data:`TOLERANCE` per kind.

    Raises
    ------
    ValueError
        When that cannot be had; the message says what to do.
    """
    drawn, left = list(drawn), list(left)
    missing = Counter(quota)
    for unit in drawn:
        missing.subtract(map(kind, unit))
    room = missing.total()
    while room:
        units = _by_signature([unit for unit in left if len(unit) <= room], kind)
        if not units and not exact:
            break
        if not units:
            raise ValueError(f'whole groups leave {room} of its places empty; add tasks that are in '
                             'no group, or ask for one more or one less')
        best = min(units, key=lambda signature: _off(missing, signature))
        _move(units[best], left, drawn)
        missing.subtract(dict(best))
        room -= len(units[best])
    while any(abs(count) > TOLERANCE for count in missing.values()):
        inside, outside = _by_signature(drawn, kind), _by_signature(left, kind)
        off, out, into = min(
            ((_off(missing, into, out), out, into) for out in inside for into in outside
             if len(inside[out]) == len(outside[into])), default=(0, (), ()))
        if not out or off >= _off(missing):
            uneven = ', '.join(f'{name} by {-count:+d}' for name, count in sorted(missing.items())
                               if abs(count) > TOLERANCE)
            raise ValueError(f'its groups do not make the shares of the labels ({uneven}); add tasks '
                             'that are in no group, or ask for another size')
        _move(inside[out], drawn, left)
        _move(outside[into], left, drawn)
        missing.update(dict(out))
        missing.subtract(dict(into))
    return drawn, left


def _by_signature(units: Sequence[list[T]], kind: Callable[[T], str]) -> dict[Signature, list[T]]:
    """The first unit of each make-up."""
    found: dict[Signature, list[T]] = {}
    for unit in units:
        found.setdefault(tuple(sorted(Counter(map(kind, unit)).items())), unit)
    return found


def _off(missing: Counter, into: Signature = (), out: Signature = ()) -> int:
    """How uneven a draw is, once a unit has come and another gone: the sum of squares."""
    after = Counter(missing)
    after.subtract(dict(into))
    after.update(dict(out))
    return sum(count * count for count in after.values())


def _move(unit: list[T], source: list[list[T]], target: list[list[T]]) -> None:
    source.pop(next(index for index, other in enumerate(source) if other is unit))
    target.append(unit)
