"""What the launch files give to each node, and what they say of its states; all by stand-ins."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

import launch_stand_ins

pytest.importorskip('skill_predictor.msg', reason='the interfaces are not built (make setup)')

from skill_predictor.nodes import (  # noqa: E402
    allocator_parameters, bag_evaluator_parameters, predictor_parameters)

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.ros


@pytest.fixture
def launch(monkeypatch):
    """Run a launch file; nothing is started. What launch logs is in ``context.said``."""
    said = []
    launch_stand_ins.install(monkeypatch, said)

    def run(file, **given):
        context = launch_stand_ins.LaunchContext()
        context.said = said
        context.launch_configurations.update(given)
        source = launch_stand_ins.PythonLaunchDescriptionSource(str(ROOT / 'launch' / f'{file}.launch.py'))
        launch_stand_ins.run(source.get_launch_description(context), context)
        return context
    return run


@pytest.fixture
def everything(launch, tmp_path):
    """Nodes by name, of two launches in which every argument is given."""
    def nodes():
        where = {'namespace': 'fleet_a', 'autostart': 'false', 'log_level': 'debug', 'respawn': 'true'}
        found = launch('skill_predictor', simulate='true', time_factor='60', model='123',
                       backend='onnxruntime', fleet_file='fleet_harbour', **where).nodes
        found += launch(
            'evaluate_bag', bag=str(tmp_path), play='false', rate='0', most_pending='3',
            longest_pause_s='5', timeout_s='7', labels='l.jsonl', json='out.json', report='out.html',
            use_sim_time='true', start_predictor='false', **where).nodes
        return {node.name: node for node in found}
    return nodes()


def declared(module) -> dict:
    """Parameters with their defaults."""
    found = {}
    module.declare_parameters(SimpleNamespace(
        declare=lambda name, default, *_, **__: found.update({name: default})))
    return found


def overrides(node) -> dict:
    return {name: value for one in node.parameters if isinstance(one, dict)
            for name, value in one.items()}


def test_every_node_is_one_that_the_package_installs(everything):
    installed = re.findall(r'scripts/nodes/(\w+)', (ROOT / 'CMakeLists.txt').read_text())
    assert sorted(everything) == [
        'bag_evaluator', 'fleet_allocator', 'simulated_fleet', 'skill_predictor']
    for name, node in everything.items():
        assert node.package == 'skill_predictor' and node.executable == f'{name}_node'
        assert node.executable in installed
        assert (ROOT / 'scripts' / 'nodes' / node.executable).is_file()


def test_arguments_for_all_reach_every_node(everything):
    for name, node in everything.items():
        assert node.node_name == f'/fleet_a/{name}'
        assert node.ros_arguments == ['--log-level', 'debug']
        assert node.respawn is (name != 'bag_evaluator'), name
        assert overrides(node).get('autostart', False) is False
        assert ('autostart' in overrides(node)) == (name != 'bag_evaluator')


def test_what_is_overridden_are_parameters_of_that_node(everything):
    assert overrides(everything['skill_predictor']) == {
        'model': '123', 'backend': 'onnxruntime', 'autostart': False}
    assert overrides(everything['fleet_allocator']) == {'autostart': False}
    assert overrides(everything['simulated_fleet']) == {'time_factor': 60.0, 'autostart': False}
    common = {'autostart', 'use_sim_time'}
    for name, module in (('skill_predictor', predictor_parameters),
                         ('fleet_allocator', allocator_parameters),
                         ('bag_evaluator', bag_evaluator_parameters)):
        types = {name: type(default) for name, default in declared(module).items()}
        for parameter, value in overrides(everything[name]).items():
            assert parameter in common or type(value) is types[parameter], (name, parameter)
    source = (ROOT / 'skill_predictor/nodes/simulated_fleet.py').read_text()
    assert "declare('time_factor'" in source


def test_the_evaluator_gets_its_arguments(everything, tmp_path):
    assert overrides(everything['bag_evaluator']) == {
        'bag': str(tmp_path), 'play': False, 'rate': 0.0, 'most_pending': 3, 'longest_pause_s': 5.0,
        'timeout_s': 7.0, 'labels': 'l.jsonl', 'json': 'out.json', 'report': 'out.html',
        'use_sim_time': True}
    assert isinstance(everything['bag_evaluator'].on_exit, launch_stand_ins.Shutdown)


def test_the_evaluators_defaults_are_those_of_its_node(launch, tmp_path):
    predictor, evaluator = launch('evaluate_bag', bag=str(tmp_path)).nodes
    assert (predictor.name, evaluator.name) == ('skill_predictor', 'bag_evaluator')
    defaults = declared(bag_evaluator_parameters)
    assert overrides(evaluator) == {
        'bag': str(tmp_path), 'use_sim_time': False,
        **{name: defaults[name] for name in ('play', 'rate', 'most_pending', 'longest_pause_s',
                                             'timeout_s')}}


def test_parameter_files_that_are_given_exist(launch):
    for node in launch('skill_predictor', simulate='true').nodes:
        files = [one for one in node.parameters if isinstance(one, str)]
        assert files and all(Path(file).is_file() for file in files), node.name
        assert overrides(node) == ({'time_factor': 1.0} if node.name == 'simulated_fleet' else {})
        assert node.node_name == f'/{node.name}' and node.respawn is False


@pytest.mark.parametrize('file', ['predictor', 'allocator'])
def test_a_missing_parameter_file_is_refused_without_the_whole_as_well(launch, file):
    with pytest.raises(RuntimeError, match='there is no parameter file /nowhere.yaml'):
        launch(file, params_file='/nowhere.yaml')


@pytest.mark.parametrize('name', ['respawn', 'autostart', 'simulate'])
def test_neither_true_nor_false_is_refused(launch, name):
    with pytest.raises(ValueError, match='maybe'):
        launch('allocator', **{name: 'maybe'})


class RosNode:
    """Launch's own ROS node: a client whose service answers what a test says, and a timer."""

    def __init__(self):
        self.asked, self.ready, self.canceled = [], False, False
        self.on_answer = self.service = self.ask = None

    def create_client(self, kind, name):
        self.service = name
        return SimpleNamespace(service_is_ready=lambda: self.ready, call_async=self._call)

    def create_timer(self, period_s, callback):
        self.ask = lambda: None if self.canceled else callback()
        return SimpleNamespace(
            cancel=lambda: setattr(self, 'canceled', True), is_canceled=lambda: self.canceled,
            reset=lambda: setattr(self, 'canceled', False))

    def _call(self, request):
        return SimpleNamespace(add_done_callback=lambda done: setattr(self, 'on_answer', done))

    def answer(self, label):
        self.on_answer(SimpleNamespace(result=lambda: SimpleNamespace(
            current_state=SimpleNamespace(label=label))))


@pytest.fixture
def started(launch):
    """A context in which the predictor's process has just started."""
    context = launch('predictor', namespace='fleet_a')
    context.ros_node = RosNode()
    on_start, on_transition = context.handlers
    assert on_start.target_action is on_transition.target_lifecycle_node is context.nodes[0]

    def hear(state):
        context.locals = SimpleNamespace(event=SimpleNamespace(goal_state=state))
        launch_stand_ins.run(launch_stand_ins.LaunchDescription(on_transition.entities), context)
    context.hear, context.start = hear, lambda: on_start.on_start(None, context)
    context.start()
    return context


def test_a_state_that_nobody_announced_is_asked_for_and_told_once(started):
    node = started.ros_node
    assert node.service == '/fleet_a/skill_predictor/get_state'
    node.ask()
    assert node.on_answer is None, 'the service is not there yet'
    node.ready = True
    for label in ('unconfigured', 'configuring', 'active', 'active'):
        node.ask()
        node.answer(label)
    assert started.said == ['/fleet_a/skill_predictor is unconfigured',
                            '/fleet_a/skill_predictor is active']
    assert node.canceled, 'the same answer twice is enough'


def test_what_is_heard_ends_the_asking(started):
    node = started.ros_node
    node.ready = True
    node.ask()
    for state in ('inactive', 'activating', 'active'):
        started.hear(state)
    node.answer('unconfigured')  # of before
    assert started.said == ['/fleet_a/skill_predictor is inactive', '/fleet_a/skill_predictor is active']
    assert node.canceled


def test_a_node_that_was_started_again_is_told_of_again(started):
    started.hear('active')
    started.start()
    assert not started.ros_node.canceled
    started.hear('active')
    assert started.said == ['/fleet_a/skill_predictor is active'] * 2


def test_at_the_end_of_the_launch_nobody_is_asked(started):
    started.hear('inactive')
    started.is_shutdown = True
    started.start()
    started.hear('finalized')
    assert started.said == ['/fleet_a/skill_predictor is inactive'] and started.ros_node.canceled
