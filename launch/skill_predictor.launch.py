"""Starts predictor and allocator: ``ros2 launch skill_predictor skill_predictor.launch.py``."""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

HERE = Path(__file__).parent
PARTS = ('allocator', 'predictor')


def generate_launch_description() -> LaunchDescription:
    """Has the arguments of both parts; only params_file needs a name for each."""
    declared = {}
    for part in PARTS:
        for argument in _arguments(part):
            declared.setdefault(_outer_name(part, argument.name), argument)
    return LaunchDescription([
        *(DeclareLaunchArgument(name, default_value=argument.default_value,
                                description=argument.description)
          for name, argument in declared.items()),
        OpaqueFunction(function=_include),
    ])


def _include(context: LaunchContext) -> list:
    # Launch leaves a node that it has begun to start behind when an error comes after it. So what
    # can go wrong comes first: this, and the allocator's choice of a fleet.
    for part in PARTS:
        path = context.launch_configurations[_outer_name(part, 'params_file')]
        if not Path(path).is_file():
            raise RuntimeError(f'there is no parameter file {path}')
    return [IncludeLaunchDescription(_source(part), launch_arguments=[
        (argument.name, LaunchConfiguration(_outer_name(part, argument.name)))
        for argument in _arguments(part)]) for part in PARTS]


def _arguments(part: str) -> list:
    return _source(part).get_launch_description(LaunchContext()).get_launch_arguments()


def _source(part: str) -> PythonLaunchDescriptionSource:
    return PythonLaunchDescriptionSource(str(HERE / f'{part}.launch.py'))


def _outer_name(part: str, name: str) -> str:
    return f'{part}_{name}' if name == 'params_file' else name
