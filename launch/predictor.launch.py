"""Starts the predictor: ``ros2 launch skill_predictor predictor.launch.py``."""

import json
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument, GroupAction, IncludeLaunchDescription, OpaqueFunction)

SHARE = Path(get_package_share_directory('skill_predictor'))


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([
        DeclareLaunchArgument(
            'params_file', default_value=str(SHARE / 'config/predictor.yaml'),
            description='Parameter file of the predictor.'),
        DeclareLaunchArgument(
            'model', default_value='',
            description='Folder or name of a released model; empty: as the parameter file says.'),
        DeclareLaunchArgument(
            'backend', default_value='',
            description='Engine of the encoders: auto, onnxruntime or tensorrt; empty: as the '
                        'parameter file says.'),
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
    overrides = {name: given[name] for name in ('model', 'backend') if given[name]}
    return [GroupAction([IncludeLaunchDescription(
        str(SHARE / 'launch/managed_node.launch.py'),
        launch_arguments=[('node', 'skill_predictor'),
                          ('parameter_files', json.dumps([given['params_file']])),
                          ('overrides', json.dumps(overrides))])])]
