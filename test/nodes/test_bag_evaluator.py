"""Recordings played into real nodes in processes of their own."""

from __future__ import annotations

import json
import signal

import pytest

for module in ('rosbags', 'sklearn', 'scipy', 'matplotlib', 'jinja2'):
    pytest.importorskip(module)

from rosgraph_msgs.msg import Clock  # noqa: E402
from std_msgs.msg import String  # noqa: E402

from skill_predictor.dataset.records import TaskRecord  # noqa: E402
from skill_predictor.evaluation.bags.messages import own_types, TASK  # noqa: E402
from skill_predictor.evaluation.bags.events import RecordedTask  # noqa: E402
from skill_predictor.evaluation.bags.writing import write_bag  # noqa: E402
from skill_predictor.msg import SkillVector, TaskDescription  # noqa: E402
from skill_predictor.nodes import qos  # noqa: E402
from skill_predictor.nodes.recorded_tasks import recorded_task  # noqa: E402
from skill_predictor.taxonomy import SKILLS  # noqa: E402

pytestmark = pytest.mark.ros


def tasks(count: int) -> list[TaskRecord]:
    return [TaskRecord(f't-{number}', f'sweep deck {number}', ('wheels',))
            for number in range(count)]


@pytest.fixture
def bag(tmp_path):
    write_bag(tmp_path / 'bag', tasks(20), period_s=0.1)
    return tmp_path / 'bag'


@pytest.fixture
def evaluate(start, tmp_path, bag):
    """Run the evaluator to its end: exit code, what it said, its JSON."""
    def run(*arguments, **parameters):
        process = start('bag_evaluator_node', *arguments,
                        **{'bag': str(bag), 'json': str(tmp_path / 'out.json'), **parameters})
        code = process.wait(60)
        path = tmp_path / 'out.json'
        return code, process.log, json.loads(path.read_text()) if path.exists() else None
    return run


@pytest.fixture(scope='module')
def predictor(start_for_module, client, tiny_model):
    """The real node; wheels, always."""
    thresholds = {f'thresholds.{skill}': 1e-9 if skill == 'wheels' else 1.0 for skill in SKILLS}
    node = start_for_module('skill_predictor_node', model=str(tiny_model.folder), precision='fp32',
                            encoders_folder=str(tiny_model.encoders), **thresholds)
    client.wait_for_state('skill_predictor', 'active')
    return node


def test_nobody_there_is_said(evaluate):
    code, log, result = evaluate('-r', '__ns:=/empty', timeout_s=1.0)
    assert code == 1 and result is None
    assert 'nobody subscribes to tasks, nobody publishes skill_vectors in namespace /empty' in log


@pytest.mark.parametrize('given, said', [
    ({'bag': ''}, 'say which recording'), ({'bag': '/nowhere'}, 'there is no bag at /nowhere'),
    ({'rate': -1.0}, 'parameter rate must be from 0'), ({'labels': '/nowhere'}, '/nowhere'),
    ({'report': '/nowhere/page.html'}, 'parameter report: there is no folder /nowhere'),
    ({'report': '/tmp'}, 'parameter report: /tmp is a folder'),
    ({'json': '/tmp/same', 'report': '/tmp/./same'}, 'parameters json and report need a file each'),
    ({'vector_topic': '/vectors'}, 'has no skill vectors on /vectors; it has: /task_labels'),
    ({'label_topic': 'task_labels'}, 'has no skill vectors on task_labels; it has: /task_labels'),
    ({'text_topics': ['/speech']}, 'has no topic /speech; it has: /task_labels, /tasks')])
def test_wrong_parameters_end_it_with_one_line(evaluate, given, said):
    code, log, _ = evaluate(**given)
    assert code == 1 and said in log and 'Traceback' not in log


def test_as_fast_as_answered(evaluate, predictor, tmp_path):
    code, log, result = evaluate(rate=0.0, most_pending=4, report=str(tmp_path / 'page.html'),
                                 misspelt=1)
    assert code == 0, log
    assert 'there is no parameter misspelt' in log
    assert '20 of 20 played tasks were answered once' in log
    live, figures = result['live'], result['figures']
    assert live['asked'] == live['answered_once'] == 20
    assert live['unanswered'] == live['answered_too_often'] == 0
    assert figures['accuracy']['exact_match'] == 1.0, 'labels from the topic of the recording'
    assert figures['latency_ms']['now']['calls'] == 20
    assert result['model'].startswith('tiny+') and len(result['rows']) == 20
    assert 'answered once' in (tmp_path / 'page.html').read_text()


def test_at_a_rate_and_again(evaluate, predictor):
    """At ten times; a second run is not confused by the first's vectors."""
    for _ in range(2):
        code, log, result = evaluate(rate=10.0)
        assert code == 0, log
        assert result['live']['seconds'] < 11.0
        assert result['live']['answered_once'] == 20 and result['live']['of_others'] == 0


def test_a_long_pause_is_shortened(evaluate, predictor, tmp_path):
    write_bag(tmp_path / 'slow', tasks(3), period_s=3600.0)
    code, log, result = evaluate(bag=str(tmp_path / 'slow'), longest_pause_s=0.2)
    assert code == 0 and result['live']['seconds'] < 30.0


def test_texts_that_nobody_can_read_and_repeated_ids(evaluate, predictor, tmp_path):
    write_bag(tmp_path / 'odd', [TaskRecord('a', 'sweep'), TaskRecord('b', ' '),
                                 TaskRecord('a', 'sweep')], period_s=0.01)
    code, log, result = evaluate(bag=str(tmp_path / 'odd'), rate=0.0)
    assert code == 0, log
    assert result['live']['asked'] == 2 and result['live']['unreadable'] == 1
    assert result['figures']['duplicates'] == 1 and result['figures']['unreadable'] == 1


def test_texts_that_the_predictor_refuses_are_not_waited_for(evaluate, predictor, tmp_path):
    """Another alphabet, and more words than a model reads. (Else this would take most of an hour.)"""
    write_bag(tmp_path / 'odd', [TaskRecord('a', 'sweep'), TaskRecord('b', 'Протри палубу'),
                                 TaskRecord('c', 'sweep ' * 300)], period_s=0.01)
    code, log, result = evaluate(bag=str(tmp_path / 'odd'), rate=0.0, timeout_s=3000.0, most_pending=1,
                                 max_text_length=5000)
    live = result['live']
    assert code == 0, log
    assert (live['answered_once'], live['unreadable'], live['unanswered']) == (1, 2, 0)


def test_a_damaged_bag_is_played_as_far_as_it_goes(evaluate, predictor, bag):
    (bag / 'metadata.yaml').unlink()
    code, log, result = evaluate(rate=0.0)
    assert code == 3 and 'trouble: ' in log and result['live']['answered_once'] == 20


def test_listening_while_another_plays(start, client, predictor, tmp_path):
    """Ids as recorded; one task comes as a plain text. Twice: what was answered before is no answer."""
    write_bag(tmp_path / 'mixed', [*tasks(5), TaskRecord('plain', 'sweep the hall', ('wheels',))])
    publisher = client.node.create_publisher(TaskDescription, 'tasks', qos.tasks(10))
    texts = client.node.create_publisher(String, 'task_text', qos.tasks(10))
    for turn in range(2):
        node = start('bag_evaluator_node', bag=str(tmp_path / 'mixed'), play=False,
                     json=str(tmp_path / f'{turn}.json'), longest_pause_s=3.0)
        node.wait_for_log('listening')
        # The predictor has found the listener: it has answered it, through what was announced later.
        for topic in (publisher, texts):
            assert client.spin_until(lambda: topic.get_subscription_count() == 2)
        for record in tasks(5):
            publisher.publish(TaskDescription(task_id=record.id, text=record.text))
        texts.publish(String(data='sweep the hall'))
        code = node.wait(60)
        result = json.loads((tmp_path / f'{turn}.json').read_text())
        assert code == 0, node.log
        assert result['live']['asked'] == result['live']['answered_once'] == 6
        assert result['live']['of_others'] == 0
        assert [row['right'] for row in result['rows'][:5]] == [True] * 5
        for topic in (publisher, texts):
            assert client.spin_until(lambda: topic.get_subscription_count() == 1)


def test_what_a_listener_did_not_hear_is_said(start, client, predictor, bag, tmp_path):
    publisher = client.node.create_publisher(TaskDescription, 'tasks', qos.tasks(10))
    node = start('bag_evaluator_node', bag=str(bag), play=False, json=str(tmp_path / 'out.json'),
                 longest_pause_s=3.0, timeout_s=4.0)
    node.wait_for_log('listening')
    assert client.spin_until(lambda: publisher.get_subscription_count() == 2)
    for record in tasks(3):
        publisher.publish(TaskDescription(task_id=record.id, text=record.text))
    assert node.wait(60) == 1, node.log
    live = json.loads((tmp_path / 'out.json').read_text())['live']
    assert live['answered_once'] == 3 and live['not_heard'] == 17
    assert '17 of the recording were not heard' in node.log


@pytest.fixture
def inactive(predictor, client):
    """The module's predictor, inactive; active again for the next test."""
    assert client.change('skill_predictor', 'deactivate')
    yield
    if client.state('skill_predictor') != 'active':
        assert client.change('skill_predictor', 'activate')


def test_listening_wants_an_active_predictor(start, inactive, bag):
    node = start('bag_evaluator_node', bag=str(bag), play=False, timeout_s=5.0)
    assert node.wait(60) == 1 and '/skill_predictor is not active' in node.log


def test_missing_and_doubled_answers_are_found(start, client, domain, bag, tmp_path):
    """A broken predictor of the test's own: it answers the first twice, and the second never."""
    answers = client.node.create_publisher(SkillVector, 'odd/skill_vectors', qos.results(100))

    answers.publish(SkillVector())  # makes no sense, and must do no harm

    def answer(task):
        number = int(task.task_id.partition('@')[0][2:])
        for _ in range({0: 2, 1: 0}.get(number, 1)):
            answers.publish(SkillVector(task_id=task.task_id, task=task, skills=SKILLS,
                                        required=[skill == 'fly' for skill in SKILLS]))

    client.node.create_subscription(TaskDescription, 'odd/tasks', answer, qos.tasks(100))
    node = start('bag_evaluator_node', '-r', '__ns:=/odd', bag=str(bag), rate=0.0, timeout_s=6.0,
                 json=str(tmp_path / 'out.json'))
    assert client.spin_until(lambda: not node.alive, 60.0)
    assert node.wait() == 1, node.log
    live = json.loads((tmp_path / 'out.json').read_text())['live']
    assert live['unanswered_ids'] == ['t-1'] and live['answered_too_often_ids'] == ['t-0']
    assert live['answered_once'] == 18
    assert '1 were not answered: t-1' in node.log


def test_an_inactive_predictor_is_waited_for(start, client, inactive, bag):
    node = start('bag_evaluator_node', bag=str(bag), rate=0.0)
    node.wait_for_log('20 tasks in bag')
    client.spin(1.0)
    assert client.change('skill_predictor', 'activate')
    assert node.wait(60) == 0, node.log


def test_simulated_time(start, client, predictor, bag, tmp_path):
    """The recording's two seconds pass on /clock, which runs as the test lets it."""
    node = start('bag_evaluator_node', bag=str(bag), use_sim_time=True,
                 json=str(tmp_path / 'out.json'))
    clock = client.node.create_publisher(Clock, '/clock', 10)
    client.connected(clock)
    heard = client.collect(TaskDescription, 'tasks', qos.tasks(100))

    def tell(seconds: float) -> None:
        message = Clock()
        message.clock.sec, message.clock.nanosec = int(seconds), int(seconds % 1 * 1e9)
        clock.publish(message)

    def stand_still(seconds: float) -> bool:
        tell(seconds)
        return bool(heard)

    assert client.spin_until(lambda: stand_still(100.0))
    client.spin(1.0)
    assert len(heard) == 1, 'time stands still, so only the first task is due'
    assert heard[0].header.stamp.sec == 100
    now = [100.0]

    def move() -> bool:
        now[0] += 0.05
        tell(now[0])
        return not node.alive

    assert client.spin_until(lambda: move() or len(heard) > 5)
    now[0] = 0.0  # the simulation starts again
    assert client.spin_until(move)
    assert node.wait() == 0, node.log
    assert len(heard) == 20
    assert 1.0 < heard[-1].header.stamp.sec + heard[-1].header.stamp.nanosec / 1e9 < 10.0


def test_control_c_reports_what_was_played(start, client, predictor, tmp_path):
    heard = client.collect(TaskDescription, 'tasks', qos.tasks(100))
    write_bag(tmp_path / 'long', tasks(1000), period_s=0.5)
    node = start('bag_evaluator_node', bag=str(tmp_path / 'long'), json=str(tmp_path / 'out.json'))
    node.wait_for_log('1,000 tasks in long')
    assert client.spin_until(lambda: len(heard) > 2)
    assert node.stop(signal.SIGINT) == 0, node.log
    result = json.loads((tmp_path / 'out.json').read_text())
    assert 0 < result['live']['asked'] == result['figures']['tasks'] < 100
    assert result['live']['unanswered'] == 0


def test_answers_that_are_still_to_come_when_it_is_ended(start, client, domain, bag, tmp_path):
    """Of four tasks on their way two are answered after Ctrl-C, two never: they were not asked."""
    heard = client.collect(TaskDescription, 'slow/tasks', qos.tasks(100))
    answers = client.node.create_publisher(SkillVector, 'slow/vectors', qos.results(100))
    node = start('bag_evaluator_node', '-r', '__ns:=/slow', '-r', 'skill_vectors:=vectors',
                 bag=str(bag), rate=0.0, most_pending=4, json=str(tmp_path / 'out.json'))
    assert client.spin_until(lambda: len(heard) == 4)
    client.spin(0.5)
    assert len(heard) == 4, 'no more than most_pending'
    node.process.send_signal(signal.SIGINT)
    for task in heard[:2]:
        answers.publish(SkillVector(task_id=task.task_id, task=task, skills=SKILLS,
                                    required=[skill == 'wheels' for skill in SKILLS]))
    assert node.wait(30) == 0, node.log
    result = json.loads((tmp_path / 'out.json').read_text())
    assert result['live']['asked'] == result['live']['answered_once'] == 2
    assert result['figures']['tasks'] == 2 and result['figures']['accuracy']['exact_match'] == 1.0


def test_a_recorded_task_is_given_again():
    from rclpy.time import Time
    types = own_types().types
    stamp = types['builtin_interfaces/msg/Time']
    old = types[TASK](
        header=types['std_msgs/msg/Header'](stamp(1000, 0), 'map'), task_id='a', text='sweep',
        priority=2, deadline=stamp(1030, 5), payload_kg=1.5,
        expected_duration=types['builtin_interfaces/msg/Duration'](60, 1),
        location=types['geometry_msgs/msg/Point'](1.0, 2.0, 3.0))
    task = RecordedTask(1001 * 10**9, '/tasks', 'a', 'sweep', old)
    message = recorded_task(task, Time(nanoseconds=50 * 10**9))
    assert (message.task_id, message.text, message.priority) == ('a', 'sweep', 2)
    assert message.header.stamp.sec == 50 and message.header.frame_id == 'map'
    assert (message.deadline.sec, message.deadline.nanosec) == (80, 5), 'half a minute later'
    assert (message.expected_duration.sec, message.expected_duration.nanosec) == (60, 1)
    assert message.payload_kg == 1.5 and (message.location.x, message.location.z) == (1.0, 3.0)
    assert recorded_task(task, Time(nanoseconds=(2**31 - 10) * 10**9)).deadline.sec == 2**31 - 1
    plain = recorded_task(RecordedTask(5, '/task_text', 'text-1', 'sweep'), Time(nanoseconds=7))
    assert (plain.task_id, plain.text, plain.priority) == ('text-1', 'sweep', 1)
    assert plain.deadline.sec == 0
