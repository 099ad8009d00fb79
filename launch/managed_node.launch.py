"""Starts one node of the package and says which lifecycle state it is in.

The other launch files include this one.
"""

import json
from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, RegisterEventHandler
from launch.event_handlers import OnProcessStart
from launch.logging import get_logger
from launch.substitutions import LaunchConfiguration
from launch.utilities.type_utils import perform_typed_substitution
from launch_ros.actions import LifecycleNode
from launch_ros.event_handlers import OnStateTransition
from launch_ros.ros_adapters import get_ros_node
from lifecycle_msgs.srv import GetState

ASK_PERIOD_S = 0.5
RESPAWN_DELAY_S = 2.0
TOLD_STATES = ('unconfigured', 'inactive', 'active', 'finalized')


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([
        DeclareLaunchArgument(
            'node', description='skill_predictor, fleet_allocator or simulated_fleet.'),
        DeclareLaunchArgument(
            'parameter_files', description='Paths of parameter files, as a JSON array.'),
        DeclareLaunchArgument(
            'overrides', default_value='{}',
            description='Parameters that override those of the files, as a JSON object.'),
        DeclareLaunchArgument(
            'namespace', default_value='',
            description='Namespace of the node, its topics and its services.'),
        DeclareLaunchArgument(
            'autostart', default_value='',
            description='true or false: whether the node configures and activates itself; empty: '
                        'as the parameter file says.'),
        DeclareLaunchArgument(
            'log_level', default_value='info', description='Log level of the node.'),
        DeclareLaunchArgument(
            'respawn', default_value='false',
            description='true or false: whether the node is started again when it dies.'),
        OpaqueFunction(function=_start),
    ])


def _start(context: LaunchContext) -> list:
    given = context.launch_configurations
    parameters = json.loads(given['parameter_files'])
    for path in parameters:
        if not Path(path).is_file():  # launch_ros would go on without it
            raise RuntimeError(f'there is no parameter file {path}')
    overrides = json.loads(given['overrides'])
    if given['autostart']:
        overrides['autostart'] = perform_typed_substitution(
            context, [LaunchConfiguration('autostart')], bool)
    node = LifecycleNode(
        package='skill_predictor', executable=f'{given["node"]}_node', name=given['node'],
        namespace=LaunchConfiguration('namespace'),
        parameters=[*parameters, *([overrides] if overrides else [])],
        ros_arguments=['--log-level', LaunchConfiguration('log_level')],
        respawn=LaunchConfiguration('respawn'), respawn_delay=RESPAWN_DELAY_S, output='screen')
    states = _StateLog(node)
    return [
        RegisterEventHandler(OnProcessStart(target_action=node, on_start=states.on_process_start)),
        RegisterEventHandler(OnStateTransition(
            target_lifecycle_node=node, entities=[OpaqueFunction(function=states.on_transition)])),
        node,
    ]


class _StateLog:
    """Logs the primary states of a node.

    A node that brings itself up can be faster than the discovery of its subscribers, and nobody
    hears of its first transitions. So it is asked until a transition was heard, or until it gives
    the same answer twice.
    """

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._client = self._timer = None
        self._answer = self._told = ''

    def on_process_start(self, event, context: LaunchContext) -> None:
        """Begin to ask; also after a respawn."""
        if context.is_shutdown:
            return  # launch's own ROS node, of which client and timer are parts, is gone
        self._answer = self._told = ''
        if self._timer is not None:
            self._timer.reset()
            return
        ros_node = get_ros_node(context)
        self._client = ros_node.create_client(GetState, f'{self._node.node_name}/get_state')
        self._timer = ros_node.create_timer(ASK_PERIOD_S, self._ask)

    def on_transition(self, context: LaunchContext) -> None:
        """A transition was heard."""
        if self._timer is not None and not context.is_shutdown:
            self._timer.cancel()
            self._tell(context.locals.event.goal_state)

    def _ask(self) -> None:
        if self._client.service_is_ready():
            self._client.call_async(GetState.Request()).add_done_callback(
                lambda future: self._on_answer(future.result().current_state.label))

    def _on_answer(self, state: str) -> None:
        if self._timer.is_canceled():
            return  # what was heard since is newer
        if state == self._answer:
            self._timer.cancel()
        self._answer = state
        self._tell(state)

    def _tell(self, state: str) -> None:
        if state in TOLD_STATES and state != self._told:
            self._told = state
            get_logger('launch.user').info(f'{self._node.node_name} is {state}')
