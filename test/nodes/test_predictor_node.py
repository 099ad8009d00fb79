"""The predictor node serving: topics, services, order, bad input. One node for the whole module."""

from __future__ import annotations

import time

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParametersAtomically
from std_msgs.msg import String

from skill_predictor import taxonomy
from skill_predictor.inference.backends import BackendOptions
from skill_predictor.inference.predictor import SkillPredictor
from skill_predictor.msg import SkillVector, TaskDescription
from skill_predictor.nodes import qos
from skill_predictor.srv import GetModelInfo, PredictSkills

pytestmark = pytest.mark.ros

WORDS = ('bring', 'me', 'the', 'red', 'box', 'to', 'bridge', 'deck', 'sweep', 'dive', 'anchor')


def text_number(number: int) -> str:
    """Different texts for different numbers."""
    return ' '.join(WORDS[number // 11 ** place % 11] for place in range(4)) + f' {number}'


@pytest.fixture(scope='module')
def offline(tiny_model):
    """The same model without ROS."""
    predictor = SkillPredictor.load(tiny_model.folder, options=BackendOptions(
        precision='fp32', encoders_folder=tiny_model.encoders))
    yield predictor
    predictor.close()


@pytest.fixture(scope='module')
def node(start_for_module, client, tiny_model):
    node = start_for_module(
        'skill_predictor_node', model=str(tiny_model.folder), precision='fp32',
        encoders_folder=str(tiny_model.encoders), queue_size=1500, max_batch=16,
        task_topics=['tasks', 'more_tasks'], diagnostics_period_s=0.1)
    client.wait_for_state('skill_predictor', 'active')
    return node


@pytest.fixture(scope='module')
def vectors(client, node):
    return client.collect(SkillVector, 'skill_vectors', qos.results())


@pytest.fixture(scope='module')
def diagnostics(client, node):
    return client.diagnostics('skill_predictor')


@pytest.fixture(scope='module')
def publishers(client, node):
    made = {'tasks': client.node.create_publisher(TaskDescription, 'tasks', qos.tasks(2000)),
            'more_tasks': client.node.create_publisher(TaskDescription, 'more_tasks', 10),
            'task_text': client.node.create_publisher(String, 'task_text', 10)}
    for publisher in made.values():
        client.connected(publisher)
    return made


def predict(client, *texts: str) -> PredictSkills.Response:
    request = PredictSkills.Request(tasks=[TaskDescription(text=text) for text in texts])
    return client.call(PredictSkills, 'predict_skills', request)


@pytest.mark.parametrize('count', [1, 32, 1000])
def test_service_answers_every_task_in_order(client, node, offline, count):
    texts = [text_number(number) for number in range(count)]
    tasks = [TaskDescription(task_id=f'id-{number}', text=text)
             for number, text in enumerate(texts)]
    response = client.call(PredictSkills, 'predict_skills', PredictSkills.Request(tasks=tasks))
    assert response.success, response.message
    assert [vector.task_id for vector in response.vectors] == [task.task_id for task in tasks]
    assert [vector.task.text for vector in response.vectors] == texts
    assert response.errors == [''] * count
    expected = np.stack([prediction.probabilities for prediction in offline.predict(texts)])
    found = np.stack([vector.probabilities for vector in response.vectors])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    # The texts really differ, so that a mixed-up order would show.
    assert count == 1 or np.abs(np.diff(expected, axis=0)).max(axis=1).min() > 1e-4


def test_no_task_gives_an_empty_answer(client, node):
    response = client.call(PredictSkills, 'predict_skills')
    assert response.success and not response.vectors and not response.errors


def test_vector_carries_its_meaning(client, node, offline):
    task = TaskDescription(text='sweep the deck', priority=3, payload_kg=2.5)
    vector = client.call(PredictSkills, 'predict_skills',
                         PredictSkills.Request(tasks=[task])).vectors[0]
    assert tuple(vector.skills) == taxonomy.SKILLS
    assert vector.task_id and vector.task.task_id == vector.task_id
    assert vector.task.priority == 3 and vector.task.payload_kg == 2.5
    assert vector.task.header.stamp.sec > 0 and vector.header.stamp.sec > 0
    assert list(vector.thresholds) == [0.5] * 6
    assert list(vector.required) == [p >= 0.5 for p in vector.probabilities]
    assert vector.model_version == offline.model.version
    assert vector.latency_ms >= vector.inference_ms > 0
    assert vector.batch_size == 1


@pytest.mark.parametrize('topic', ['tasks', 'more_tasks'])
def test_task_topics(client, publishers, vectors, offline, topic):
    before = len(vectors)
    publishers[topic].publish(TaskDescription(task_id=f'on-{topic}', text='dive to the anchor'))
    assert client.spin_until(lambda: len(vectors) > before)
    assert vectors[-1].task_id == f'on-{topic}'
    np.testing.assert_allclose(
        vectors[-1].probabilities, offline.predict(['dive to the anchor'])[0].probabilities,
        atol=1e-5)


def test_plain_text_topic_makes_an_id(client, publishers, vectors):
    before = len(vectors)
    for _ in range(2):
        publishers['task_text'].publish(String(data='sweep the bridge'))
    assert client.spin_until(lambda: len(vectors) >= before + 2)
    first, second = vectors[-2:]
    assert first.task_id and second.task_id and first.task_id != second.task_id
    assert first.task.text == 'sweep the bridge'


def test_a_burst_is_answered_whole(client, publishers, vectors):
    wanted = {f'burst-{number}' for number in range(400)}
    for name in sorted(wanted):
        publishers['tasks'].publish(TaskDescription(task_id=name, text='bring me the box'))
    assert client.spin_until(lambda: wanted <= {vector.task_id for vector in vectors})
    found = [vector.task_id for vector in vectors if vector.task_id in wanted]
    assert len(found) == len(wanted), 'a task was answered twice'


def test_late_joiner_gets_the_last_vectors(client, publishers, vectors):
    ids = [f'for-latecomers-{number}' for number in range(5)]
    for task_id in ids:
        publishers['tasks'].publish(TaskDescription(task_id=task_id, text='red box'))
    assert client.spin_until(lambda: vectors and vectors[-1].task_id == ids[-1])
    late = client.collect(SkillVector, 'skill_vectors', qos.results())
    assert client.spin_until(lambda: late and late[-1].task_id == ids[-1])
    assert [vector.task_id for vector in late] == [
        vector.task_id for vector in vectors[-len(late):]]
    assert [vector.task_id for vector in late[-5:]] == ids


BAD_TEXTS = {
    'empty': ('', 'empty'), 'blank': (' \t\n', 'empty'),
    'too long': ('box ' * 300, 'characters'),
    'too many tokens': ('b-' * 150, 'tokens'),
    'no word': ('?!... --', 'no word'), 'emoji': ('🚁🚁', 'no word'),
    'not UTF-8': ('the b\ufffdx', 'UTF-8'),
    'another script': ('桥梁检查', 'English')}


@pytest.mark.parametrize('name', BAD_TEXTS)
def test_bad_text_costs_only_its_own_answer(client, node, name):
    text, reason = BAD_TEXTS[name]
    response = predict(client, 'sweep the deck', text, 'dive')
    assert not response.success and reason in response.message
    assert [bool(error) for error in response.errors] == [False, True, False]
    assert reason in response.errors[1]
    assert np.isnan(response.vectors[1].probabilities).all()
    assert not any(response.vectors[1].required) and response.vectors[1].batch_size == 0
    assert np.isfinite(response.vectors[0].probabilities).all()
    assert np.isfinite(response.vectors[2].probabilities).all()
    assert node.alive


def test_bad_text_on_a_topic_gives_a_warning_and_no_vector(
        client, node, publishers, vectors, diagnostics):
    diagnostics.statuses.clear()
    before = len(vectors)
    publishers['task_text'].publish(String(data=''))
    # Before the next bad text: of warnings within a second the node gives the first only.
    node.wait_for_log('not predicted: the text is empty')
    publishers['tasks'].publish(TaskDescription(task_id='bad', text='x' * 5000))
    publishers['tasks'].publish(TaskDescription(task_id='good', text='red box'))
    assert client.spin_until(lambda: any(v.task_id == 'good' for v in vectors[before:]))
    assert not any(vector.task_id == 'bad' for vector in vectors)
    assert client.spin_until(lambda: any(
        'not read' in message for message in diagnostics.messages))


def test_undecodable_bytes_do_not_end_the_node(
        client, node, publishers, domain, diagnostics, tmp_path):
    """A writer in another language can put any bytes into a string."""
    import subprocess
    import sys
    script = tmp_path / 'bytes.py'
    # rclpy publishes serialised messages as they are: CDR header, length, bytes that are no UTF-8.
    script.write_text(
        'import rclpy, time\nfrom std_msgs.msg import String\n'
        'rclpy.init()\nnode = rclpy.create_node("bytes")\n'
        'publisher = node.create_publisher(String, "task_text", 10)\n'
        'while not publisher.get_subscription_count(): time.sleep(0.05)\n'
        'publisher.publish(bytes([0, 1, 0, 0, 6, 0, 0, 0]) + b"ab\\xff\\xfe\\xe9\\0" + bytes(2))\n'
        'time.sleep(0.5)\n')
    diagnostics.statuses.clear()
    subprocess.run([sys.executable, str(script)], check=True, timeout=30)
    # What rclpy makes of them differs from version to version.
    assert client.spin_until(lambda: 'a callback failed' in node.log or any(
        'UTF-8' in message for message in diagnostics.messages))
    assert node.alive
    assert predict(client, 'red box').success


@pytest.mark.parametrize('kind, name', [
    (PredictSkills, 'predict_skills'), (GetModelInfo, 'get_model_info')])
def test_requests_that_come_all_at_once_are_all_answered(client, node, kind, name):
    request = kind.Request()
    if kind is PredictSkills:
        request.tasks = [TaskDescription(text='red box')]
    answers = client.call_at_once(kind, name, [request] * 200)
    assert len(answers) == 200 and all(answer.success for answer in answers)


def test_full_queue_is_refused_whole_and_clearly(client, node):
    response = predict(client, *['red box'] * 1501)
    assert not response.success and not response.vectors
    assert 'queue is full' in response.message and '1500' in response.message
    assert predict(client, 'red box').success


def test_small_request_is_not_held_up_by_a_large_one(client, node):
    """The queue takes from each request in turn."""
    done = []
    slow = client.node.create_client(PredictSkills, 'predict_skills')
    assert slow.wait_for_service()
    many = PredictSkills.Request(
        tasks=[TaskDescription(text=text_number(n)) for n in range(1400)])
    first = slow.call_async(many)
    first.add_done_callback(lambda _: done.append('many'))
    second = slow.call_async(PredictSkills.Request(tasks=[TaskDescription(text='red box')]))
    second.add_done_callback(lambda _: done.append('one'))
    assert client.spin_until(lambda: len(done) == 2)
    assert done == ['one', 'many']


def test_model_info(client, node, tiny_model, offline):
    info = client.call(GetModelInfo, 'get_model_info')
    assert info.success
    assert info.model_version == offline.model.version and info.sha256 == offline.model.sha256
    assert info.name == 'tiny' and info.path == str(tiny_model.folder)
    assert info.backend == 'onnxruntime' and info.device.startswith('CPU, fp32')
    assert tuple(info.skills) == taxonomy.SKILLS and list(info.thresholds) == [0.5] * 6
    assert len(info.encoders) == len(info.encoder_sha256) == 2


def test_diagnostics_tell_how_the_node_is(client, node, diagnostics):
    predict(client, 'red box')
    client.spin(0.3)
    diagnostics.statuses.clear()
    assert client.spin_until(lambda: diagnostics.statuses)
    status, values = diagnostics.statuses[-1], diagnostics.values
    assert status.level == DiagnosticStatus.OK and status.message == 'active'
    assert values['backend'] == 'onnxruntime' and values['model'].startswith('tiny+')
    assert 0 < float(values['latency p50 [ms]']) <= float(values['latency p99 [ms]'])
    assert values['queue depth'] == '0' and values['queue size'] == '1500'
    assert int(values['tasks answered']) > 0


def test_thresholds_change_while_running(client, node):
    probabilities = predict(client, 'red box').vectors[0].probabilities
    try:
        result = client.set_parameter('skill_predictor', 'thresholds.hands', 1.0)
        assert result.successful, result.reason
        assert client.set_parameter('skill_predictor', 'thresholds.fly', 1e-6).successful
        vector = predict(client, 'red box').vectors[0]
        assert list(vector.thresholds) == pytest.approx([1e-6, 0.5, 0.5, 0.5, 0.5, 1.0])
        assert vector.required[0] and not vector.required[5]
        np.testing.assert_allclose(vector.probabilities, probabilities, atol=1e-6)
    finally:
        for skill in ('hands', 'fly'):
            assert client.set_parameter('skill_predictor', f'thresholds.{skill}', 0.0).successful
    assert list(predict(client, 'red box').vectors[0].thresholds) == [0.5] * 6


@pytest.mark.parametrize('name, value', [
    ('thresholds.hands', 1.5), ('thresholds.hands', -0.1), ('thresholds.hands', float('nan')),
    ('thresholds.hands', 'often'), ('thresholds.swim', 0.4), ('max_batch', 8),
    ('model', 'another'), ('autostart', 'no')])
def test_wrong_parameters_are_refused_with_a_reason(client, node, name, value):
    result = client.set_parameter('skill_predictor', name, value)
    assert not result.successful and result.reason
    assert list(predict(client, 'red box').vectors[0].thresholds) == [0.5] * 6


@pytest.mark.parametrize('name, value', [('autostart', False), ('diagnostics_period_s', 2.0)])
def test_read_only_parameters_never_change(client, node, name, value):
    result = client.set_parameter('skill_predictor', name, value)
    assert not result.successful and 'read-only' in result.reason


def test_a_set_that_is_refused_changes_nothing(client, node):
    values = [('thresholds.fly', ParameterType.PARAMETER_DOUBLE, {'double_value': 0.9}),
              ('model', ParameterType.PARAMETER_STRING, {'string_value': 'another'})]
    request = SetParametersAtomically.Request(parameters=[
        Parameter(name=name, value=ParameterValue(type=kind, **value))
        for name, kind, value in values])
    result = client.call(SetParametersAtomically,
                         '/skill_predictor/set_parameters_atomically', request).result
    assert not result.successful and 'model' in result.reason
    assert list(predict(client, 'red box').vectors[0].thresholds) == [0.5] * 6


def test_idle_node_takes_little_processor_time(node):
    """Nobody polls: a waiting service or queue must not spin."""
    def used() -> float:
        fields = open(f'/proc/{node.process.pid}/stat').read().rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / 100.0

    before = used()
    time.sleep(2.0)
    assert used() - before < 0.6
