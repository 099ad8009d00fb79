"""Parameters with descriptors: a description, a range, and whether they can change."""

from __future__ import annotations

import difflib
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter

_TYPE_NAMES = {bool: 'boolean', int: 'whole number', float: 'number', str: 'string', list: 'list of strings'}


class ParameterError(ValueError):
    """A parameter that was given on start-up cannot be used."""


class Settings:
    """The parameters of one node, which was made with all given parameters declared.

    (``automatically_declare_parameters_from_overrides``: so that a misspelt one can be found.)
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._names: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        """Value of a declared parameter."""
        return self._node.get_parameter(name).value

    def declare(self, name: str, default: Any, description: str, *,
                between: tuple[float, float] | None = None, read_only: bool = False,
                constraints: str = '') -> None:
        """Declare a parameter.

        Parameters
        ----------
        name, default
            As in ``Node.declare_parameter``; the default's type is the parameter's.
        description
            One sentence for ``ros2 param describe``.
        between
            Smallest and largest value allowed, for numbers.
        read_only
            Whether it is fixed once the node runs.
        constraints
            Further conditions, in words.

        Raises
        ------
        ParameterError
            When the value that was given on start-up has another type or is out of range.
        """
        self._names.add(name)
        descriptor = ParameterDescriptor(
            description=description, read_only=read_only, additional_constraints=constraints)
        if between is not None:
            _set_range(descriptor, default, *between)
        value = default
        if self._node.has_parameter(name):
            value = _checked(name, self._node.get_parameter(name).value, default, between)
            self._node.undeclare_parameter(name)
        self._node.declare_parameter(name, value, descriptor, ignore_override=True)

    def unknown(self, *known_prefixes: str) -> list[str]:
        """Sentences about given parameters that the node does not have.

        Parameters
        ----------
        known_prefixes
            Beginnings of names that are read in another way.
        """
        others = ('use_sim_time', 'start_type_description_service')
        sentences = []
        for name in self._node.get_parameters_by_prefix(''):
            if (name in self._names or name in others
                    or name.startswith(('qos_overrides.', *known_prefixes))):
                continue
            near = difflib.get_close_matches(name, self._names, 1)
            sentences.append(f'there is no parameter {name}' + (
                f'; did you mean {near[0]}?' if near else ''))
        return sentences


def explain_missing_values(given: dict[str, Parameter], error: Exception) -> None:
    """Say which of the given parameters have no value; rclpy does not name them.

    Raises
    ------
    ParameterError
        When there is one, as a consequence of ``error``.
    """
    names = sorted(name for name, parameter in given.items()
                   if parameter.type_ == Parameter.Type.NOT_SET)
    if names:
        raise ParameterError(
            f'no value was given for {", ".join(names)} (for ROS, an empty list is none: '
            "for no topics write [''])") from error


def topic_names(value: list[str]) -> list[str]:
    """Topic names of a list parameter; ROS has no empty list in a file, so ``['']`` stands for it."""
    return [name for name in value if name]


def _set_range(descriptor: ParameterDescriptor, default: Any, low: float, high: float) -> None:
    if isinstance(default, float):
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(low), to_value=float(high), step=0.0)]
    else:
        descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high), step=1)]


def _checked(name: str, value: Any, default: Any, between: tuple[float, float] | None) -> Any:
    if isinstance(default, float) and type(value) is int:
        value = float(value)  # "5" for "5.0" is what people write
    good = type(value) is type(default) and (
        not isinstance(default, list) or all(isinstance(item, str) for item in value))
    if not good:
        raise ParameterError(
            f'parameter {name} must be a {_TYPE_NAMES[type(default)]}, not {value!r}')
    if between is not None and not between[0] <= value <= between[1]:
        raise ParameterError(
            f'parameter {name} must be from {between[0]} to {between[1]}, not {value!r}')
    return value
