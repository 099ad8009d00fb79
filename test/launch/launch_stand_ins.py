"""Stand-ins for ``launch`` and ``launch_ros``, which are not on PyPI: what our launch files use of them.

Launch files run with them as they are. Nothing is started: an action that would is noted in the context.
As in the real ones, an include's arguments stay behind in the surrounding scope, unless a group keeps
them to itself, and a wrong keyword is an error.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_BOOLEANS = {'true': True, 'True': True, 'false': False, 'False': False}


class LaunchContext:
    """Values of the arguments in force, and what was started or registered."""

    def __init__(self) -> None:
        self.launch_configurations: dict[str, str] = {}
        self.nodes: list[Node] = []
        self.handlers: list[Any] = []
        self.is_shutdown = False
        self.ros_node: Any = None


@dataclass(frozen=True)
class LaunchConfiguration:
    """The value of an argument."""

    variable_name: str

    def perform(self, context: LaunchContext) -> str:
        if self.variable_name not in context.launch_configurations:
            raise RuntimeError(f"launch configuration '{self.variable_name}' does not exist")
        return context.launch_configurations[self.variable_name]


@dataclass(frozen=True)
class _Text:
    text: str

    def perform(self, context: LaunchContext) -> str:
        return self.text


def normalize_to_list_of_substitutions(value: Any) -> list:
    if isinstance(value, str):
        return [_Text(value)]
    parts = value if isinstance(value, Iterable) else [value]
    found = [_Text(part) if isinstance(part, str) else part for part in parts]
    for part in found:
        if not hasattr(part, 'perform'):
            raise TypeError(f'{part!r} is no text and no substitution')
    return found


def perform_substitutions(context: LaunchContext, substitutions: Iterable) -> str:
    return ''.join(one.perform(context) for one in substitutions)


def perform_typed_substitution(context: LaunchContext, value: Sequence, kind: type) -> Any:
    text = perform_substitutions(context, normalize_to_list_of_substitutions(value))
    if kind is bool:
        if text not in _BOOLEANS:
            raise ValueError(f"cannot convert '{text}' to a boolean")
        return _BOOLEANS[text]
    return kind(text)


class LaunchDescription:
    """What a launch file gives."""

    def __init__(self, entities: Iterable) -> None:
        self.entities = list(entities)

    def visit(self, context: LaunchContext) -> list:
        return self.entities

    def get_launch_arguments(self) -> list[DeclareLaunchArgument]:
        return [one for one in self.entities if isinstance(one, DeclareLaunchArgument)]


class DeclareLaunchArgument:
    """Gives an argument its default, unless it has a value."""

    def __init__(self, name: str, *, default_value: Any = None, description: str = '') -> None:
        self.name, self.description = name, description
        self.default_value = None if default_value is None else normalize_to_list_of_substitutions(
            default_value)

    def visit(self, context: LaunchContext) -> None:
        if self.name in context.launch_configurations:
            return
        if self.default_value is None:
            raise RuntimeError(f"required launch argument '{self.name}' was not provided")
        context.launch_configurations[self.name] = perform_substitutions(context, self.default_value)


class PythonLaunchDescriptionSource:
    """A launch file in Python."""

    def __init__(self, path: str) -> None:
        self.path = path

    def get_launch_description(self, context: LaunchContext) -> LaunchDescription:
        content = {'__file__': self.path, '__name__': 'a_launch_file'}
        exec(compile(Path(self.path).read_text(), self.path, 'exec'), content)
        return content['generate_launch_description']()


class IncludeLaunchDescription:
    """Another launch file, with arguments."""

    def __init__(self, source: Any, *, launch_arguments: Iterable[tuple] = ()) -> None:
        self._source = PythonLaunchDescriptionSource(source) if isinstance(source, str) else source
        self.launch_arguments = tuple(launch_arguments)

    def visit(self, context: LaunchContext) -> list:
        for name, value in self.launch_arguments:
            context.launch_configurations[perform_substitutions(
                context, normalize_to_list_of_substitutions(name))] = perform_substitutions(
                    context, normalize_to_list_of_substitutions(value))
        return [self._source.get_launch_description(context)]


class _Restore:
    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    def visit(self, context: LaunchContext) -> None:
        context.launch_configurations.clear()
        context.launch_configurations.update(self._values)


class GroupAction:
    """Actions with a scope of their own."""

    def __init__(self, actions: Iterable) -> None:
        self._actions = list(actions)

    def visit(self, context: LaunchContext) -> list:
        return [*self._actions, _Restore(dict(context.launch_configurations))]


class OpaqueFunction:
    """A function that gives more actions."""

    def __init__(self, *, function: Callable) -> None:
        self.function = function

    def visit(self, context: LaunchContext) -> list | None:
        return self.function(context)


@dataclass(frozen=True)
class Shutdown:
    """The end of the launch."""


@dataclass(frozen=True)
class OnProcessStart:
    target_action: Any
    on_start: Callable


@dataclass(frozen=True)
class OnStateTransition:
    target_lifecycle_node: Any
    entities: list


@dataclass(frozen=True)
class RegisterEventHandler:
    handler: Any

    def visit(self, context: LaunchContext) -> None:
        context.handlers.append(self.handler)


@dataclass
class Node:
    """A process; visited, it is noted with all its values, and not started."""

    package: str
    executable: str
    name: str
    namespace: Any
    parameters: list = field(default_factory=list)
    ros_arguments: list = field(default_factory=list)
    output: str = 'log'
    on_exit: Any = None
    respawn: Any = False
    respawn_delay: float | None = None
    sigterm_timeout: str = '5'
    sigkill_timeout: str = '5'

    def visit(self, context: LaunchContext) -> None:
        def text(value: Any) -> str:
            return perform_substitutions(context, normalize_to_list_of_substitutions(value))
        self.namespace = text(self.namespace)
        self.ros_arguments = [text(argument) for argument in self.ros_arguments]
        if not isinstance(self.respawn, bool):
            self.respawn = perform_typed_substitution(context, [self.respawn], bool)
        context.nodes.append(self)

    @property
    def node_name(self) -> str:
        """With its namespace; known once it was visited."""
        return '/'.join(('', *filter(None, (self.namespace.strip('/'), self.name))))


class LifecycleNode(Node):
    """A process with a managed node."""


def run(description: LaunchDescription, context: LaunchContext) -> None:
    """Visit everything, as a launch would."""
    def visit(entity: Any) -> None:
        for child in entity.visit(context) or ():
            visit(child)
    visit(description)


def install(monkeypatch, said: list[str] | None = None) -> None:
    """Put them where Python finds ``launch`` and ``launch_ros``; ``said`` gets what is logged."""
    logger = types.SimpleNamespace(info=([] if said is None else said).append)
    modules = {
        'launch': [LaunchContext, LaunchDescription],
        'launch.actions': [DeclareLaunchArgument, GroupAction, IncludeLaunchDescription,
                           OpaqueFunction, RegisterEventHandler, Shutdown],
        'launch.event_handlers': [OnProcessStart],
        'launch.launch_description_sources': [PythonLaunchDescriptionSource],
        'launch.logging': [],
        'launch.substitutions': [LaunchConfiguration],
        'launch.utilities': [normalize_to_list_of_substitutions, perform_substitutions],
        'launch.utilities.type_utils': [perform_typed_substitution],
        'launch_ros': [],
        'launch_ros.actions': [LifecycleNode, Node],
        'launch_ros.event_handlers': [OnStateTransition],
        'launch_ros.ros_adapters': []}
    for name, content in modules.items():
        module = types.ModuleType(name)
        module.__path__ = []
        for thing in content:
            setattr(module, thing.__name__, thing)
        monkeypatch.setitem(sys.modules, name, module)
    sys.modules['launch.logging'].get_logger = lambda name: logger
    sys.modules['launch_ros.ros_adapters'].get_ros_node = lambda context: context.ros_node
