"""The predictor node coming up, going down, and failing on the way."""

from __future__ import annotations

import fcntl
import shutil
import signal
import time
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from harness import wait_until

from skill_predictor.inference import artefacts
from skill_predictor.inference.store import read_model
from skill_predictor.msg import SkillVector, TaskDescription
from skill_predictor.nodes import qos
from skill_predictor.srv import GetModelInfo, PredictSkills

pytestmark = pytest.mark.ros

NODE = 'skill_predictor'
ONE = PredictSkills.Request(tasks=[TaskDescription(text='sweep the deck')])


@pytest.fixture
def start_predictor(start, tiny_model):
    def start_with(**parameters):
        return start('skill_predictor_node', **{
            'model': str(tiny_model.folder), 'precision': 'fp32',
            'encoders_folder': str(tiny_model.encoders), **parameters})
    return start_with


def test_every_transition_and_back(start_predictor, client):
    node = start_predictor(autostart=False, history_depth=5)
    assert client.state(NODE) == 'unconfigured'
    unloaded = client.call(GetModelInfo, 'get_model_info')
    assert not unloaded.success and 'unconfigured' in unloaded.message
    node.wait_for_log('waiting to be configured')
    for _ in range(2):
        assert client.change(NODE, 'configure') and client.state(NODE) == 'inactive'
        refused = client.call(PredictSkills, 'predict_skills', ONE)
        assert not refused.success and 'not active' in refused.message and not refused.vectors
        for _ in range(2):
            assert client.change(NODE, 'activate') and client.state(NODE) == 'active'
            assert client.call(PredictSkills, 'predict_skills', ONE).success
            assert client.change(NODE, 'deactivate') and client.state(NODE) == 'inactive'
        assert client.call(GetModelInfo, 'get_model_info').success
        assert client.change(NODE, 'cleanup') and client.state(NODE) == 'unconfigured'
    assert not client.change(NODE, 'activate'), 'not possible from unconfigured'
    assert client.state(NODE) == 'unconfigured' and node.alive
    assert node.stop() == 0
    assert 'Traceback' not in node.log


def test_structural_parameters_change_between_configurations(start_predictor, client):
    start_predictor(history_depth=5)
    client.wait_for_state(NODE, 'active')
    assert not client.set_parameter(NODE, 'history_depth', 2).successful
    assert client.change(NODE, 'deactivate') and client.change(NODE, 'cleanup')
    assert client.set_parameter(NODE, 'history_depth', 2).successful
    assert client.change(NODE, 'configure') and client.change(NODE, 'activate')
    publisher = client.node.create_publisher(TaskDescription, 'tasks', 10)
    client.connected(publisher)
    vectors = client.collect(SkillVector, 'skill_vectors', qos.results())
    # With a depth of two, a reader that is found late would never get six.
    publisher.publish(TaskDescription(task_id='first', text='red box'))
    assert client.spin_until(lambda: vectors)
    vectors.clear()
    for number in range(6):
        publisher.publish(TaskDescription(task_id=str(number), text='red box'))
    assert client.spin_until(lambda: len(vectors) == 6)
    late = client.collect(SkillVector, 'skill_vectors', qos.results())
    assert client.spin_until(lambda: len(late) == 2)
    client.spin(0.3)
    assert [vector.task_id for vector in late] == ['4', '5'], 'a late joiner gets the last N'


@pytest.fixture
def building(start_predictor, tiny_model, tmp_path, monkeypatch):
    """A node whose configure lasts until the yielded file is closed: it holds the cache's lock."""
    monkeypatch.setenv('SKILL_PREDICTOR_CACHE', str(tmp_path / 'cache'))
    model = read_model(tiny_model.folder)
    built = artefacts.onnx_file(model, model.encoders[0], 'fp32',
                                encoders_folder=tiny_model.encoders)
    built.unlink()
    with open(built.with_name(f'{built.name}.lock'), 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        node = start_predictor()
        node.wait_for_log('another process is building the model')
        yield node, lock


def test_state_is_answered_while_the_model_is_built(building, client):
    _, lock = building
    # The lock is still held: an answer that waited for the model would never come.
    assert client.state(NODE) == 'configuring'
    assert not client.set_parameter(NODE, 'max_batch', 4).successful
    lock.close()
    client.wait_for_state(NODE, 'active')
    assert client.call(PredictSkills, 'predict_skills', ONE).success


def test_stopping_while_the_model_is_built(building):
    node, _ = building
    assert node.stop() == 0
    assert 'stopped while configuring' in node.log


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_node_cleanly(start_predictor, client, number):
    node = start_predictor()
    client.wait_for_state(NODE, 'active')
    assert node.stop(number) == 0
    assert 'Traceback' not in node.log


def test_early_and_repeated_signals_leave_no_traceback(start_predictor, client):
    def listens() -> bool:
        """Whether the node's own code runs: Python itself does not handle SIGTERM."""
        status = Path(f'/proc/{node.process.pid}/status').read_text()
        caught = next(line for line in status.splitlines() if line.startswith('SigCgt'))
        return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)

    for delay_s in (0.0, 0.2, 0.5, 0.9):
        node = start_predictor()
        wait_until(listens)
        time.sleep(delay_s)
        node.process.send_signal(signal.SIGINT)
        time.sleep(0.05)
        assert node.stop() == 0, node.log
        assert 'Traceback' not in node.log


def test_unknown_log_level_costs_one_line(start):
    node = start('skill_predictor_node', '--log-level', 'nonsense')
    assert node.wait(20) == 1
    assert 'cannot start' in node.log and 'Traceback' not in node.log


def broken_config(folder):
    (folder / 'config.json').write_text('{"format": 1')


def damaged_weights(folder):
    weights = folder / 'mpnet.safetensors'
    weights.write_bytes(weights.read_bytes()[:-7])


def missing_weights(folder):
    (folder / 'minilm.safetensors').unlink()


@pytest.mark.parametrize('damage, reason', [
    (broken_config, 'config.json is damaged'), (damaged_weights, 'mpnet.safetensors is damaged'),
    (missing_weights, 'minilm.safetensors is missing'), (shutil.rmtree, 'no model at')])
def test_bad_model_is_said_and_can_be_put_right(
        start_predictor, client, tiny_model, tmp_path, damage, reason):
    folder = tmp_path / 'broken'
    shutil.copytree(tiny_model.folder, folder)
    damage(folder)
    diagnostics = client.diagnostics(NODE)
    node = start_predictor(model=str(folder), diagnostics_period_s=0.1)
    node.wait_for_log('cannot configure')
    assert reason in node.log and 'Traceback' not in node.log
    client.wait_for_state(NODE, 'unconfigured')
    assert client.spin_until(lambda: any(
        status.level == DiagnosticStatus.ERROR and reason in status.message
        for status in diagnostics.statuses))
    assert client.set_parameter(NODE, 'model', str(tiny_model.folder)).successful
    assert client.change(NODE, 'configure') and client.change(NODE, 'activate')
    assert client.call(PredictSkills, 'predict_skills', ONE).success
    assert client.spin_until(lambda: diagnostics.messages[-1:] == ['active'])


def test_what_is_being_built_is_told(start_predictor, client, tmp_path, monkeypatch):
    """Building takes minutes on a robot: whoever watches the diagnostics sees what goes on."""
    monkeypatch.setenv('SKILL_PREDICTOR_CACHE', str(tmp_path / 'cache'))
    diagnostics = client.diagnostics(NODE)
    # Often: what the timer publishes must not hide it.
    node = start_predictor(autostart=False, diagnostics_period_s=0.05)
    assert client.change(NODE, 'configure')
    assert client.spin_until(lambda: any(
        'building mpnet in fp32' in message for message in diagnostics.messages))
    assert 'building mpnet in fp32' in node.log
    building = [(status.message, status.level) for status in diagnostics.statuses
                if status.values[0].value == 'configuring']
    first = next(place for place, (message, _) in enumerate(building) if message != 'configuring')
    assert 'configuring' not in [message for message, _ in building[first:]]
    assert {level for _, level in building} == {DiagnosticStatus.WARN}


def test_wrong_base_weights_are_refused(start_predictor, client, tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv('SKILL_PREDICTOR_CACHE', str(tmp_path / 'cache'))
    shutil.copytree(tiny_model.encoders, tmp_path / 'encoders')
    path = next((tmp_path / 'encoders').rglob('model.safetensors'))
    path.write_bytes(path.read_bytes() + b'!')
    node = start_predictor(encoders_folder=str(tmp_path / 'encoders'))
    node.wait_for_log('cannot configure')
    assert 'sha256' in node.log
    client.wait_for_state(NODE, 'unconfigured')


@pytest.mark.parametrize('parameter, value, reason', [
    ('backend', 'tensorrt', 'tensorrt'), ('backend', 'abacus', "unknown backend 'abacus'"),
    ('precision', 'int3', "unknown precision 'int3'")])
def test_engine_that_is_not_there(start_predictor, client, parameter, value, reason):
    node = start_predictor(**{parameter: value})
    node.wait_for_log('cannot configure')
    assert reason in node.log
    client.wait_for_state(NODE, 'unconfigured')


@pytest.mark.parametrize('parameter, value, reason', [
    ('max_batch', 'many', 'max_batch must be a whole number'),
    ('max_batch', 0, 'max_batch must be from 1 to 1024'),
    ('task_topics', [1, 2], 'task_topics must be a list of strings'),
    ('thresholds.hands', 7.0, 'thresholds.hands must be from 0.0 to 1.0')])
def test_wrong_start_parameter_costs_one_line(start_predictor, parameter, value, reason):
    node = start_predictor(**{parameter: value})
    assert node.wait(20) == 1
    assert reason in node.log and 'Traceback' not in node.log


def test_an_empty_list_as_start_parameter_is_named(start, tmp_path):
    file = tmp_path / 'parameters.yaml'
    file.write_text('/**:\n  ros__parameters:\n    task_topics: []\n')
    node = start('skill_predictor_node', '--params-file', str(file))
    assert node.wait(20) == 1
    assert 'no value was given for task_topics' in node.log and "['']" in node.log
    assert 'Traceback' not in node.log


def test_a_topic_that_is_named_twice_is_heard_once(start_predictor, client):
    node = start_predictor(task_topics=['tasks', '/tasks'])
    client.wait_for_state(NODE, 'active')
    assert 'task_topics has /tasks more than once' in node.log
    vectors = client.collect(SkillVector, 'skill_vectors', qos.results())
    publisher = client.node.create_publisher(TaskDescription, 'tasks', qos.tasks(100))
    client.connected(publisher)
    for number in range(20):
        publisher.publish(TaskDescription(text=f'red box {number}'))
    assert client.spin_until(lambda: len(vectors) >= 20)
    client.spin(0.5)
    assert len(vectors) == 20
    client.node.destroy_publisher(publisher)


def test_a_topic_of_two_types_is_refused_in_words(start_predictor, client):
    node = start_predictor(task_topics=['tasks'], text_topics=['/tasks'])
    node.wait_for_log('cannot configure: /tasks is in task_topics and in text_topics')
    client.wait_for_state(NODE, 'unconfigured')
    assert 'Traceback' not in node.log


def test_every_task_of_a_burst_is_answered_or_refused(start_predictor, client):
    """What does not fit into the queue is counted; nothing gets lost on the way to it."""
    start_predictor(queue_size=32, max_batch=1, diagnostics_period_s=0.1)
    client.wait_for_state(NODE, 'active')
    diagnostics = client.diagnostics(NODE)
    publisher = client.node.create_publisher(TaskDescription, 'tasks', qos.tasks(5000))
    client.connected(publisher)
    for number in range(2000):
        publisher.publish(TaskDescription(task_id=str(number), text='sweep the deck'))

    def counted() -> int:
        values = diagnostics.values
        return int(values.get('tasks answered', 0)) + int(values.get('requests refused', 0))
    client.spin_until(lambda: counted() >= 2000)
    assert counted() == 2000
    client.node.destroy_publisher(publisher)


def test_misspelt_parameter_is_pointed_out(start_predictor, client):
    node = start_predictor(max_bach=3)
    client.wait_for_state(NODE, 'active')
    assert 'there is no parameter max_bach; did you mean max_batch?' in node.log


def test_namespace_moves_every_name(start, client, tiny_model):
    start('skill_predictor_node', '-r', '__ns:=/fleet_a', model=str(tiny_model.folder),
          precision='fp32', encoders_folder=str(tiny_model.encoders))
    client.wait_for_state('fleet_a/skill_predictor', 'active')
    assert client.call(PredictSkills, '/fleet_a/predict_skills', ONE).success
    names = [name for name, _ in client.node.get_topic_names_and_types()]
    assert '/fleet_a/tasks' in names and '/fleet_a/skill_vectors' in names


def test_cleanup_under_traffic_leaves_a_node_that_answers(start_predictor, client):
    """Topics and services go while messages arrive; every call after that is still served."""
    node = start_predictor()
    client.wait_for_state(NODE, 'active')
    publisher = client.node.create_publisher(TaskDescription, 'tasks', 10)
    client.connected(publisher)
    vectors = client.collect(SkillVector, 'skill_vectors', qos.results())
    timer = client.node.create_timer(
        0.002, lambda: publisher.publish(TaskDescription(text='sweep the deck')))
    try:
        for _ in range(4):
            vectors.clear()
            assert client.spin_until(lambda: vectors), 'there is traffic'
            for step in ('deactivate', 'cleanup', 'configure', 'activate'):
                assert client.change(NODE, step)
        assert client.call(PredictSkills, 'predict_skills', ONE).success
    finally:
        client.node.destroy_timer(timer)
        client.node.destroy_publisher(publisher)
    assert 'a callback failed' not in node.log


def test_the_last_answers_are_of_the_model(start_predictor, client):
    """What still waits when the node is told to stop is answered with its version and thresholds."""
    vectors = client.collect(SkillVector, 'skill_vectors', qos.results(5000))
    node = start_predictor(max_batch=1)
    client.wait_for_state('skill_predictor', 'active')
    publisher = client.node.create_publisher(TaskDescription, 'tasks', qos.tasks(1000))
    client.connected(publisher)
    for number in range(300):
        publisher.publish(TaskDescription(task_id=f'end-{number}', text=f'sweep deck {number}'))
    assert client.spin_until(lambda: any(one.task_id.startswith('end-') for one in vectors))
    node.process.send_signal(signal.SIGINT)
    assert client.spin_until(lambda: not node.alive)
    client.spin(0.5)
    mine = [one for one in vectors if one.task_id.startswith('end-')]
    assert len(mine) > 1 and {one.model_version for one in mine} == {mine[0].model_version}
    assert mine[0].model_version.startswith('tiny+')
