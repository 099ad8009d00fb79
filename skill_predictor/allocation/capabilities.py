"""What each robot of the fleet can do, and how to read that from parameters."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from numbers import Real
from pathlib import Path
from typing import Any

from skill_predictor.taxonomy import ordered, skill_index, SKILLS


class FleetError(ValueError):
    """A fleet description that cannot be used.

    Attributes
    ----------
    problems : tuple of str
        One sentence per problem; the message has them one a line.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__('\n'.join(self.problems))


@dataclass(frozen=True)
class Robot:
    """What one robot can do; it does not change while the program runs.

    Attributes
    ----------
    robot_id : str
        Name of the robot, unique in the fleet.
    skills : tuple of str
        Its skills; kept distinct and in vector order.
    payload_kg : float
        The most it can carry [kg], 0 or more. 0: it takes no task that has a payload.
    endurance_min : float
        How long a full battery lasts [min], above 0; inf: no limit.
    speed_mps : float
        How fast it travels [m/s], above 0.
    home : tuple of three floats
        Where it is while it does not report a position [m].
    home_frame : str
        Frame of ``home``.

    Raises
    ------
    UnknownSkillError
        When a skill is not one of the six.
    """

    robot_id: str
    skills: tuple[str, ...]
    payload_kg: float = 0.0
    endurance_min: float = math.inf
    speed_mps: float = 1.0
    home: tuple[float, float, float] = (0.0, 0.0, 0.0)
    home_frame: str = 'map'

    def __post_init__(self) -> None:
        object.__setattr__(self, 'skills', ordered(self.skills))

    @cached_property
    def mask(self) -> int:
        """Skills as bits, bit 0 for the first skill of the vector."""
        return skill_mask(self.skills)


def skill_mask(names: Iterable[str]) -> int:
    """Skills as bits, bit 0 for the first skill of the vector.

    Raises
    ------
    UnknownSkillError
        When a name is not one of the six.
    """
    return sum(1 << index for index in {skill_index(name) for name in names})


FIELDS = tuple(field.name for field in fields(Robot) if field.name != 'robot_id')
"""What may be written about a robot."""


def parse_robot(robot_id: str, mapping: Mapping[str, Any]) -> Robot:
    """Make a robot of a plain mapping, such as ``{'skills': ['wheels'], 'payload_kg': 30.0}``.

    Only ``skills`` is required; see `Robot` for the other fields.

    Raises
    ------
    FleetError
        With every problem of this robot.
    """
    values, problems = _read_robot(robot_id, mapping)
    if problems:
        raise FleetError(problems)
    return Robot(robot_id=robot_id, **values)


def parse_fleet(mapping: Mapping[str, Any]) -> dict[str, Robot]:
    """Make a fleet of ``{robot_id: {field: value}}``, in the same order.

    Raises
    ------
    FleetError
        With every problem of every robot, or when there are no robots.
    """
    if not isinstance(mapping, Mapping) or not mapping:
        raise FleetError(['fleet: no robots; write at least one, as in '
                          'fleet: {amr_1: {skills: [wheels]}}'])
    fleet, problems = {}, []
    for robot_id, description in mapping.items():
        values, found = _read_robot(robot_id, description)
        problems += found
        if not found:
            fleet[robot_id] = Robot(robot_id=robot_id, **values)
    if problems:
        raise FleetError(problems)
    return fleet


def load_fleet(path: str | Path) -> dict[str, Robot]:
    """Read the fleet from a ROS parameter file, without ROS.

    The parameter ``fleet`` is looked for under ``ros__parameters`` of every node in the file.

    Raises
    ------
    FleetError
        When the file cannot be read, is not YAML, has no fleet or several, or the fleet is wrong.
    """
    import yaml  # only reading files needs it
    from skill_predictor.allocation.strict_yaml import StrictLoader
    try:
        with open(path, encoding='utf-8') as file:
            content = yaml.load(file, Loader=StrictLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise FleetError([f'{path}: cannot be read: {error}']) from error
    except yaml.YAMLError as error:
        raise FleetError([f'{path}: is not valid YAML: {error}']) from error
    found = dict(_find_fleets(content, ''))
    if not found:
        raise FleetError([f'{path}: has no fleet; write it under '
                          '/**: ros__parameters: fleet:'])
    if len(found) > 1:
        raise FleetError([f'{path}: has {len(found)} fleets, under {", ".join(found)}; keep one'])
    try:
        return parse_fleet(next(iter(found.values())))
    except FleetError as error:
        raise FleetError(f'{path}: {problem}' for problem in error.problems) from None


def _find_fleets(content: Any, name: str) -> Iterable[tuple[str, Any]]:
    """Each fleet parameter in the file, with the name of the node it is for."""
    if not isinstance(content, Mapping):
        return
    for key, value in content.items():
        if key != 'ros__parameters':
            yield from _find_fleets(value, f'{name}/{key}' if name else str(key))
        elif isinstance(value, Mapping) and 'fleet' in value:
            yield name or 'ros__parameters', value['fleet']


def _read_robot(robot_id: Any, mapping: Any) -> tuple[dict[str, Any], list[str]]:
    """Checked values of one robot, and what is wrong with the others."""
    if not isinstance(robot_id, str) or not robot_id:
        return {}, [f'{robot_id!r}: a robot id must be text; write it in quotes, as in "1"']
    if not isinstance(mapping, Mapping):
        return {}, [f'{robot_id}: must have fields; write at least '
                    f'{robot_id}: {{skills: [wheels]}}, not {mapping!r}']
    values, problems = {}, []
    if 'skills' not in mapping:
        problems.append(f'{robot_id}.skills: is missing; write the list of its skills, '
                        'as in [wheels, hands]')
    for field, value in mapping.items():
        reader = _READERS.get(field) if isinstance(field, str) else None
        try:
            if reader is None:
                raise ValueError(f'is not a field; {_suggest(field, FIELDS)}')
            values[field] = reader(value)
        except ValueError as error:
            problems.append(f'{robot_id}.{field}: {error}')
    return values, problems


def _suggest(name: Any, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(str(name).lower(), known, n=1)
    return f'did you mean {near[0]}?' if near else f'write one of {", ".join(known)}'


def _skills(value: Any) -> tuple[str, ...]:
    names = _items(value)
    if not names:
        raise ValueError(f'must be a list of skills, as in [wheels, hands], not {value!r}')
    unknown = [name for name in names if name not in SKILLS]
    if unknown:
        raise ValueError('; '.join(
            f'{name!r} is not a skill, {_suggest(name, SKILLS)}' for name in unknown))
    return ordered(names)


def _number(value: Any, example: str, *, zero: bool = False, infinite: bool = False) -> float:
    # YAML reads yes and true as booleans, which Python would take for numbers.
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(f'must be a number, as in {example}, not {value!r}')
    number = float(value)
    if not (number > 0 or zero and number == 0) or math.isinf(number) and not infinite:
        raise ValueError(f'must be a {"" if infinite else "finite "}number '
                         f'{"of 0 or more" if zero else "above 0"}, '
                         f'as in {example}, not {value!r}')
    return number


def _home(value: Any) -> tuple[float, ...]:
    items = _items(value)
    good = len(items) in (2, 3) and all(
        isinstance(item, Real) and not isinstance(item, bool) and math.isfinite(item)
        for item in items)
    if not good:
        raise ValueError('must be two or three finite numbers in metres, '
                         f'as in [1.5, 0.0, 0.0], not {value!r}')
    return tuple(float(item) for item in (*items, 0.0)[:3])


def _frame(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f'must be the name of a frame, as in map, not {value!r}')
    return value


def _items(value: Any) -> list[Any]:
    """Elements of a list, tuple or array (ROS gives arrays); none for anything else."""
    if isinstance(value, (str, bytes, Mapping)) or not hasattr(value, '__iter__'):
        return []
    return list(value)


_READERS = {
    'skills': _skills,
    'payload_kg': lambda value: _number(value, '30.0', zero=True),
    'endurance_min': lambda value: _number(value, '480.0', infinite=True),
    'speed_mps': lambda value: _number(value, '1.5'),
    'home': _home,
    'home_frame': _frame,
}
