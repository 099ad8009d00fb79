"""The launch files: their arguments, and what they start with them.

Run by stand-ins where ``launch_ros`` is not installed.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

import launch_stand_ins

pytest.importorskip('skill_predictor.msg', reason='the interfaces are not built (make setup)')

from ament_index_python.packages import get_package_share_directory  # noqa: E402

LAUNCH = Path(__file__).resolve().parents[2] / 'launch'
CONFIG = Path(get_package_share_directory('skill_predictor'), 'config')
PARTS = ('predictor', 'allocator')
FILES = (*PARTS, 'skill_predictor', 'managed_node', 'evaluate_bag')

pytestmark = pytest.mark.ros


@pytest.fixture(scope='module', autouse=True)
def launch_system():
    """Make ``launch`` and ``launch_ros`` importable."""
    with pytest.MonkeyPatch.context() as patch:
        if importlib.util.find_spec('launch_ros') is None:
            launch_stand_ins.install(patch)
        yield


def read(file: str):
    from launch import LaunchContext
    from launch.launch_description_sources import PythonLaunchDescriptionSource
    source = PythonLaunchDescriptionSource(str(LAUNCH / f'{file}.launch.py'))
    return source.get_launch_description(LaunchContext())


def arguments(file: str) -> dict:
    return {argument.name: argument for argument in read(file).get_launch_arguments()}


def planned(file: str, **given: str) -> dict[str, dict]:
    """What the file would start: arguments of managed_node.launch.py by node; starts nothing."""
    from launch import LaunchContext
    from launch.actions import IncludeLaunchDescription
    from launch_ros.actions import Node
    context = LaunchContext()
    context.launch_configurations.update(given)
    nodes: dict[str, dict] = {}

    def visit(entity) -> None:
        if isinstance(entity, IncludeLaunchDescription):
            values = {_text(context, name): _text(context, value)
                      for name, value in entity.launch_arguments}
            if 'node' in values:
                nodes[values['node']] = {
                    'files': json.loads(values['parameter_files']),
                    'overrides': json.loads(values['overrides']),
                    'namespace': context.launch_configurations['namespace']}
                return
        if isinstance(entity, Node):
            return  # visited, it would start
        for child in entity.visit(context) or ():
            visit(child)

    visit(read(file))
    return nodes


def _text(context, value) -> str:
    from launch.utilities import normalize_to_list_of_substitutions, perform_substitutions
    return perform_substitutions(context, normalize_to_list_of_substitutions(value))


@pytest.mark.parametrize('file', FILES)
def test_every_argument_says_what_it_is(file):
    for name, argument in arguments(file).items():
        assert argument.description.endswith('.') and len(argument.description) > 20, name


@pytest.mark.parametrize('file', (*PARTS, 'skill_predictor'))
def test_every_argument_has_a_default(file):
    for name, argument in arguments(file).items():
        assert argument.default_value is not None, name


def test_the_whole_takes_the_arguments_of_its_parts():
    expected = set()
    for part in PARTS:
        expected |= {f'{part}_{name}' if name == 'params_file' else name
                     for name in arguments(part)}
    assert set(arguments('skill_predictor')) == expected
    assert {'fleet_file', 'simulate', 'model', 'backend', 'namespace', 'autostart', 'log_level',
            'respawn', 'predictor_params_file', 'allocator_params_file'} <= expected


def test_without_arguments_only_the_packages_own_files_speak():
    assert planned('skill_predictor') == {
        'skill_predictor': {
            'files': [str(CONFIG / 'predictor.yaml')], 'overrides': {}, 'namespace': ''},
        'fleet_allocator': {
            'files': [str(CONFIG / 'fleet_search_and_rescue.yaml'), str(CONFIG / 'allocator.yaml')],
            'overrides': {}, 'namespace': ''}}


def test_arguments_reach_the_nodes(tmp_path):
    mine = tmp_path / 'mine.yaml'
    mine.write_text('/**: {ros__parameters: {max_batch: 4}}\n')
    nodes = planned('skill_predictor', predictor_params_file=str(mine), namespace='fleet_a',
                    model='123', backend='onnxruntime', simulate='true', time_factor='60')
    assert nodes['skill_predictor'] == {
        'files': [str(mine)], 'overrides': {'model': '123', 'backend': 'onnxruntime'},
        'namespace': 'fleet_a'}
    assert nodes['fleet_allocator']['files'][1] == str(CONFIG / 'allocator.yaml')
    assert nodes['simulated_fleet']['overrides'] == {'time_factor': 60.0}
    assert nodes['simulated_fleet']['files'] == nodes['fleet_allocator']['files'][:1]


@pytest.mark.parametrize('named', ('fleet_harbour', 'fleet_harbour.yaml',
                                   str(CONFIG / 'fleet_harbour.yaml')))
def test_a_fleet_is_found_by_name_and_by_path(named):
    nodes = planned('allocator', fleet_file=named)
    assert nodes['fleet_allocator']['files'][0] == str(CONFIG / 'fleet_harbour.yaml')


def test_a_fleet_may_lie_in_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / 'ours.yaml').write_text('')
    monkeypatch.chdir(tmp_path)
    nodes = planned('allocator', fleet_file='ours.yaml')
    assert nodes['fleet_allocator']['files'][0] == 'ours.yaml'


@pytest.mark.parametrize('file', ('allocator', 'skill_predictor'))
@pytest.mark.parametrize('named', ('fleet_nowhere', '/nowhere/fleet.yaml'))
def test_a_missing_fleet_is_refused_with_those_there_are(file, named):
    with pytest.raises(RuntimeError, match=f'{named}.*fleet_harbour.*fleet_warehouse'):
        planned(file, fleet_file=named)


@pytest.mark.parametrize('part', PARTS)
def test_a_missing_parameter_file_is_refused_before_a_node_starts(part):
    with pytest.raises(RuntimeError, match='/nowhere.yaml'):
        planned('skill_predictor', **{f'{part}_params_file': '/nowhere.yaml'})


def test_the_evaluation_takes_the_arguments_of_the_predictor(tmp_path):
    assert set(arguments('predictor')) < set(arguments('evaluate_bag'))
    optional = {name for name, argument in arguments('evaluate_bag').items()
                if argument.default_value is not None}
    assert set(arguments('evaluate_bag')) - optional == {'bag'}
    nodes = planned('evaluate_bag', bag=str(tmp_path), namespace='fleet_a', model='123')
    assert nodes['skill_predictor']['overrides'] == {'model': '123'}
    assert nodes['skill_predictor']['namespace'] == 'fleet_a'
    assert planned('evaluate_bag', bag=str(tmp_path), start_predictor='false') == {}


def test_a_missing_bag_is_refused_before_a_node_starts():
    with pytest.raises(RuntimeError, match='there is no bag at /nowhere'):
        planned('evaluate_bag', bag='/nowhere')
