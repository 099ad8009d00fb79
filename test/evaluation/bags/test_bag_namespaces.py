"""Several fleets, or several predictors, on one graph: each answer goes to the task of its fleet."""

from __future__ import annotations

import pytest

pytest.importorskip('rosbags')

import numpy as np  # noqa: E402
from rosbags.rosbag2 import StoragePlugin, Writer  # noqa: E402

from skill_predictor.evaluation.bags.evaluation import replay  # noqa: E402
from skill_predictor.evaluation.bags.messages import ALLOCATION, own_types, TASK, TEXT, VECTOR  # noqa: E402
from skill_predictor.evaluation.bags.namespaces import fleets  # noqa: E402
from skill_predictor.evaluation.bags.reading import Bag  # noqa: E402
from skill_predictor.taxonomy import SKILLS  # noqa: E402
from recorded_events import flags, predict  # noqa: E402

STORE = own_types()
TYPES = STORE.types


def header():
    return TYPES['std_msgs/msg/Header'](TYPES['builtin_interfaces/msg/Time'](0, 0), '')


def task(name, text):
    zero = TYPES['builtin_interfaces/msg/Time'](0, 0)
    return TYPES[TASK](
        header=header(), task_id=name, text=text, priority=1, deadline=zero,
        expected_duration=TYPES['builtin_interfaces/msg/Duration'](0, 0), payload_kg=0.0,
        location=TYPES['geometry_msgs/msg/Point'](0.0, 0.0, 0.0))


def vector(name, text, *skills):
    required = np.array(flags(*skills))
    return TYPES[VECTOR](
        header=header(), task_id=name, task=task(name, text), skills=list(SKILLS), required=required,
        probabilities=required.astype(np.float32), thresholds=np.full(6, 0.5, np.float32),
        model_version='old+1', latency_ms=3.0, inference_ms=2.0, batch_size=1)


def allocation(name, text, *robots):
    return TYPES[ALLOCATION](
        header=header(), task_id=name, task=task(name, text), status=1, robot_ids=list(robots), score=1.0,
        required_skills=[], missing_skills=[], revision=0, reason='')


def text(said):
    return TYPES[TEXT](said)


def recorded(path, *messages, **options):
    """What comes of a bag of messages, a second apart, each with its topic; and its troubles."""
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        topics = {}
        for number, (topic, message) in enumerate(messages):
            kind = message.__msgtype__
            if topic not in topics:
                topics[topic] = writer.add_connection(topic, kind, typestore=STORE)
            writer.write(topics[topic], number * 10**9, STORE.serialize_cdr(message, kind))
    with Bag(path, **options) as bag:
        return replay(bag.events(), predict, label_topics=bag.label_topics), bag.troubles


def test_two_fleets_that_use_the_same_ids(tmp_path):
    found, troubles = recorded(
        tmp_path / 'bag', ('/fleet_a/tasks', task('task-1', 'fly')),
        ('/fleet_a/skill_vectors', vector('task-1', 'fly', 0)),
        ('/fleet_a/task_allocations', allocation('task-1', 'fly', 'drone_a')),
        ('/fleet_b/tasks', task('task-1', 'fly')), ('/fleet_b/skill_vectors', vector('task-1', 'fly', 1)),
        ('/fleet_b/task_allocations', allocation('task-1', 'fly', 'drone_b')),
        ('/fleet_b/task_labels', vector('task-1', 'fly', 2)))
    assert found.ids == ['task-1', 'task-1#2'] and found.recorded == [1, 2] and found.labels == [-1, 4]
    assert found.allocated == {0: ('drone_a',), 1: ('drone_b',)}
    assert (found.duplicates, found.unasked, troubles) == (0, 0, [])


def test_a_second_predictor_that_is_tried_beside_the_first(tmp_path):
    messages = (('/tasks', task('a', 'fly')), ('/shadow/skill_vectors', vector('a', 'fly', 5)),
                ('/skill_vectors', vector('a', 'fly', 0)))
    found, troubles = recorded(tmp_path / 'bag', *messages)
    assert (found.recorded, found.unasked, troubles) == ([1], 1, [])
    found, _ = recorded(tmp_path / 'other', *messages, vector_topic='/shadow/skill_vectors')
    assert (found.recorded, found.unasked) == ([32], 1)


def test_spoken_tasks_beside_a_second_predictor(tmp_path):
    found, _ = recorded(
        tmp_path / 'bag', ('/task_text', text('fly')), ('/task_text', text('fly')),
        ('/shadow/skill_vectors', vector('b1', 'fly', 5)), ('/skill_vectors', vector('a1', 'fly', 0)),
        ('/skill_vectors', vector('a2', 'fly', 0)), ('/shadow/skill_vectors', vector('b2', 'fly', 5)))
    assert found.recorded == [1, 1] and found.unasked == 2


def test_names_of_ones_own(tmp_path):
    """Tasks, vectors, labels and allocations each in another namespace, of one fleet."""
    found, troubles = recorded(
        tmp_path / 'bag', ('/operator/speech', text('fly')), ('/ai/vectors', vector('x', 'fly', 1)),
        ('/review/right', vector('x', 'fly', 2)), ('/task_allocations', allocation('x', 'fly', 'drone')),
        text_topics=['/operator/speech'], label_topic='/review/right')
    assert (found.recorded, found.labels, found.allocated) == ([2], [4], {0: ('drone',)})
    assert troubles == []


def test_whose_a_topic_is():
    vectors = ['/skill_vectors', '/a/skill_vectors', '/a/tried', '/a/more']
    found, doubts = fleets(['/speech/task_text', '/a/b/tasks', *vectors], ['/speech/task_text', '/a/b/tasks'], vectors)
    assert found == {'/speech/task_text': '', '/a/b/tasks': '/a', '/skill_vectors': '', '/a/skill_vectors': '/a',
                     '/a/tried': '/a/tried', '/a/more': '/a/more'} and doubts == []
    _, (doubt,) = fleets(['/tasks', '/one', '/two'], ['/tasks'], ['/one', '/two'])
    assert doubt.startswith('there are vectors on /one and on /two')
    _, (doubt,) = fleets(['/tasks', '/a/v', '/b/v'], ['/tasks'], ['/a/v', '/b/v'])
    assert doubt.startswith('nobody knows which of /a/v, /b/v answers the tasks of /tasks')
