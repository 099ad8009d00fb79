"""Plays a recording's tasks into the graph, and reports: ``ros2 launch skill_predictor evaluate_bag.launch.py bag:=...``.

It ends when the report is written. (For a script, which wants the exit code:
``ros2 run skill_predictor bag_evaluator_node``.)
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument, GroupAction, IncludeLaunchDescription, OpaqueFunction, Shutdown)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch.utilities.type_utils import perform_typed_substitution
from launch_ros.actions import Node

PREDICTOR = Path(__file__).parent / 'predictor.launch.py'
TYPES = {'bag': str, 'play': bool, 'rate': float, 'most_pending': int, 'longest_pause_s': float,
         'timeout_s': float, 'labels': str, 'json': str, 'report': str, 'use_sim_time': bool}


def generate_launch_description() -> LaunchDescription:
    """Has the arguments of predictor.launch.py as well."""
    return LaunchDescription([
        DeclareLaunchArgument('bag', description='Recording: folder, .mcap, .db3 or .bag.'),
        DeclareLaunchArgument(
            'play', default_value='true',
            description='true or false: whether its tasks are published; false: ros2 bag play does.'),
        DeclareLaunchArgument(
            'rate', default_value='1.0',
            description='Seconds of the recording per second; 0: as fast as answers come.'),
        DeclareLaunchArgument(
            'most_pending', default_value='32',
            description='Most tasks without an answer when the rate is 0.'),
        DeclareLaunchArgument(
            'longest_pause_s', default_value='600.0',
            description='Longer pauses of the recording are shortened to this [s].'),
        DeclareLaunchArgument(
            'timeout_s', default_value='30.0',
            description='How long to wait for an active predictor, and for an answer [s].'),
        DeclareLaunchArgument(
            'labels', default_value='',
            description='JSON Lines with what is right; empty: a topic of the recording, if any.'),
        DeclareLaunchArgument(
            'json', default_value='', description='File for all figures; empty: none.'),
        DeclareLaunchArgument(
            'report', default_value='', description='File for an HTML page; empty: none.'),
        DeclareLaunchArgument(
            'use_sim_time', default_value='false',
            description='true or false: whether the evaluator follows the time on /clock.'),
        DeclareLaunchArgument(
            'start_predictor', default_value='true',
            description='true or false: whether to start a predictor, or to use what is running.'),
        *PythonLaunchDescriptionSource(str(PREDICTOR)).get_launch_description(
            LaunchContext()).get_launch_arguments(),
        OpaqueFunction(function=_start),
    ])


def _start(context: LaunchContext) -> list:
    values = {name: perform_typed_substitution(context, [LaunchConfiguration(name)], kind)
              for name, kind in TYPES.items() if context.launch_configurations[name]}
    if 'bag' not in values:
        raise RuntimeError('say which recording: bag:=...')
    if not Path(values['bag']).exists():
        raise RuntimeError(f'there is no bag at {values["bag"]}')
    evaluator = Node(
        package='skill_predictor', executable='bag_evaluator_node', name='bag_evaluator',
        namespace=LaunchConfiguration('namespace'), parameters=[values], output='screen',
        ros_arguments=['--log-level', LaunchConfiguration('log_level')], on_exit=Shutdown(),
        # After Ctrl-C it still writes its report, which takes a while for a large recording.
        sigterm_timeout='120', sigkill_timeout='120')
    if not perform_typed_substitution(context, [LaunchConfiguration('start_predictor')], bool):
        return [evaluator]
    return [GroupAction([IncludeLaunchDescription(str(PREDICTOR))]), evaluator]
