"""Starts the fleet allocator: ``ros2 launch skill_predictor allocator.launch.py``."""

import json
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument, GroupAction, IncludeLaunchDescription, OpaqueFunction)
from launch.substitutions import LaunchConfiguration
from launch.utilities.type_utils import perform_typed_substitution

SHARE = Path(get_package_share_directory('skill_predictor'))
CONFIG = SHARE / 'config'


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([
        DeclareLaunchArgument(
            'params_file', default_value=str(CONFIG / 'allocator.yaml'),
            description='Parameter file of the allocator.'),
        DeclareLaunchArgument(
            'fleet_file', default_value='fleet_search_and_rescue.yaml',
            description=f'The robots: path of a parameter file, or one of {_fleets()}.'),
        DeclareLaunchArgument(
            'simulate', default_value='false',
            description='true or false: whether a simulation of these robots is started, too.'),
        DeclareLaunchArgument(
            'time_factor', default_value='1.0',
            description='With simulate: how many simulated seconds pass in one second.'),
        DeclareLaunchArgument(
            'namespace', default_value='',
            description='Namespace of the nodes, their topics and their services.'),
        DeclareLaunchArgument(
            'autostart', default_value='',
            description='true or false: whether a node configures and activates itself; empty: as '
                        'the parameter file says (true, if it is silent).'),
        DeclareLaunchArgument(
            'log_level', default_value='info',
            description='debug, info, warn, error or fatal; of one logger only: <logger>:=debug.'),
        DeclareLaunchArgument(
            'respawn', default_value='false',
            description='true or false: whether a node is started again when it dies.'),
        OpaqueFunction(function=_start),
    ])


def _start(context: LaunchContext) -> list:
    given = context.launch_configurations
    fleet = str(find_fleet(given['fleet_file']))
    actions = [_node('fleet_allocator', [fleet, given['params_file']])]
    if perform_typed_substitution(context, [LaunchConfiguration('simulate')], bool):
        time_factor = perform_typed_substitution(
            context, [LaunchConfiguration('time_factor')], float)
        actions.append(_node('simulated_fleet', [fleet], time_factor=time_factor))
    return actions


def _node(name: str, parameter_files: list, **overrides) -> GroupAction:
    return GroupAction([IncludeLaunchDescription(
        str(SHARE / 'launch/managed_node.launch.py'),
        launch_arguments=[('node', name), ('parameter_files', json.dumps(parameter_files)),
                          ('overrides', json.dumps(overrides))])])


def find_fleet(named: str) -> Path:
    """The file of a fleet: one of the package's by its name, or any by its path."""
    for path in (CONFIG / named, CONFIG / f'{named}.yaml', Path(named).expanduser()):
        if path.is_file():
            return path
    raise RuntimeError(f'there is no fleet file {named}. Give a path, or one of {_fleets()}')


def _fleets() -> str:
    return ', '.join(sorted(path.stem for path in CONFIG.glob('fleet_*.yaml')))
