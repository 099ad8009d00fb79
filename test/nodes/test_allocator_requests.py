"""What is asked of the fleet allocator node by its services, and of the predictor by it."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from allocator_scene import fleet_parameters, NODE, playing, vector
from skill_predictor.msg import TaskAllocation, TaskDescription
from skill_predictor.nodes import qos
from skill_predictor.nodes.deferred import answer_later
from skill_predictor.srv import AllocateTasks, CancelTask, PredictSkills

pytestmark = pytest.mark.ros


@pytest.fixture
def scene(start, client):
    with playing(start, client) as scene:
        yield scene


def test_answers_are_in_the_order_of_the_request(scene):
    vectors = [vector(f't{number}', 'wheels', priority=number % 4) for number in range(20)]
    response = scene.allocate(*vectors)
    assert response.success
    assert [a.task_id for a in response.allocations] == [v.task_id for v in vectors]
    served = {a.task_id for a in response.allocations if a.robot_ids}
    assert served == {'t3', 't7', 't11'}, 'three wheeled robots take the most urgent, oldest first'


def test_dry_run_changes_nothing(scene):
    planned = scene.allocate(vector('x', 'fly'), vector('y', 'fly'), dry_run=True)
    assert [a.status for a in planned.allocations] == [
        TaskAllocation.STATUS_ASSIGNED, TaskAllocation.STATUS_WAITING]
    assert list(scene.allocate(vector('z', 'fly')).allocations[0].robot_ids) == ['drone_1']
    assert scene.client.spin_until(lambda: scene.latest('z'))
    assert scene.latest('x') is None


def test_an_allocation_names_its_task_in_the_task_as_well(scene):
    nameless = vector('x', 'fly')
    nameless.task.task_id = ''
    allocation, = scene.allocate(nameless).allocations
    assert allocation.task_id == 'x' and allocation.task.task_id == 'x'


def test_cancellations_that_come_all_at_once_are_all_made(scene):
    names = [f'job {number}' for number in range(200)]
    assert scene.allocate(*(vector(name, 'wheels') for name in names)).success
    answers = scene.client.call_at_once(
        CancelTask, 'cancel_task', [CancelTask.Request(task_id='no such task')]
        + [CancelTask.Request(task_id=name) for name in names])
    assert [answer.success for answer in answers] == [False] + [True] * 200


def test_tasks_and_vectors_together_are_refused(scene):
    response = scene.client.call(AllocateTasks, 'allocate_tasks', AllocateTasks.Request(
        vectors=[vector('v', 'fly')], tasks=[TaskDescription(text='fly')]))
    assert not response.success and 'not both' in response.message and not response.allocations


def test_without_a_predictor_tasks_are_refused_clearly(scene):
    response = scene.client.call(AllocateTasks, 'allocate_tasks', AllocateTasks.Request(
        tasks=[TaskDescription(text='look from above')]))
    assert not response.success and 'predict_skills' in response.message


def test_tasks_in_words_go_through_the_predictor(scene):
    def answer(request, response):
        response.vectors = [vector(task.task_id, 'fly' if 'above' in task.text else 'wheels')
                            for task in request.tasks]
        response.errors = [''] * len(request.tasks)
        response.success = True
        return response

    service = scene.client.node.create_service(PredictSkills, 'predict_skills', answer)
    try:
        response = scene.client.call_until_known(
            AllocateTasks, 'allocate_tasks', AllocateTasks.Request(
                tasks=[TaskDescription(text='look from above'), TaskDescription(text='sweep')]),
            'there is no service')
        assert response.success, response.message
        assert [list(a.robot_ids) for a in response.allocations] == [['drone_1'], ['rover_1']]
    finally:
        scene.client.node.destroy_service(service)


def test_a_predictor_that_refuses_or_answers_nonsense(scene):
    """The caller is told why, nothing is allocated, and the next request is served."""
    def answer(request, response):
        text = request.tasks[0].text
        if text == 'refuse':
            response.message = 'the queue is full'
            return response
        response.success = True
        response.vectors = [vector(task.task_id, 'fly') for task in request.tasks]
        response.errors = [''] * (len(request.tasks) - (text == 'forget the errors'))
        if text == 'drop one':
            response.vectors.pop()
        return response

    def ask(text: str) -> AllocateTasks.Response:
        return scene.client.call_until_known(
            AllocateTasks, 'allocate_tasks', AllocateTasks.Request(
                tasks=[TaskDescription(text=text), TaskDescription(text='another')]),
            'there is no service')
    service = scene.client.node.create_service(PredictSkills, 'predict_skills', answer)
    try:
        for text, said in (('refuse', 'the predictor refused: the queue is full'),
                           ('drop one', 'the predictor refused'),
                           ('forget the errors',
                            "the predictor's answer is of no use: IndexError")):
            response = ask(text)
            assert not response.success and said in response.message
            assert not response.allocations
        last = ask('answer')
        assert last.success
        assert scene.client.spin_until(lambda: len(scene.seen) >= 2)
        served = [allocation.task_id for allocation in last.allocations]
        assert [message.task_id for message in scene.seen] == served
    finally:
        scene.client.node.destroy_service(service)


def test_silent_predictor_times_out(start, client):
    start('fleet_allocator_node', '-r', '__ns:=/slow', **fleet_parameters(), predict_timeout_s=0.5)
    client.wait_for_state('slow/fleet_allocator', 'active')
    service = answer_later(client.node.create_service(
        PredictSkills, '/slow/predict_skills', lambda request, response: Future()),
        client.node.get_logger())
    try:
        response = client.call_until_known(
            AllocateTasks, '/slow/allocate_tasks', AllocateTasks.Request(
                tasks=[TaskDescription(text='look from above')]), 'there is no service')
        assert not response.success and 'within 0.5 s' in response.message
        # This parameter can change while the node runs.
        assert client.set_parameter('slow/fleet_allocator', 'predict_timeout_s', 1.0).successful
        response = client.call(AllocateTasks, '/slow/allocate_tasks', AllocateTasks.Request(
            tasks=[TaskDescription(text='look from above')]))
        assert not response.success and 'within 1.0 s' in response.message
    finally:
        client.node.destroy_service(service)


def test_tasks_that_come_all_at_once_are_all_decided(scene):
    """The predictor answers all of them in one go, as it does after a batch."""
    client, asked = scene.client, []

    def predict(request, response):
        response.success, response.errors = True, ['']
        response.vectors = [vector(request.tasks[0].task_id, 'wheels')]
        if request.tasks[0].text == 'wait':
            asked.append((Future(), response))
            if len(asked) == 100:
                for future, answer in asked:
                    future.set_result(answer)
            return asked[-1][0]
        return response
    service = answer_later(client.node.create_service(
        PredictSkills, 'predict_skills', predict, qos_profile=qos.services()),
        client.node.get_logger())

    def request(text: str) -> AllocateTasks.Request:
        return AllocateTasks.Request(tasks=[TaskDescription(text=text)], dry_run=True)
    try:
        client.call_until_known(AllocateTasks, 'allocate_tasks', request('now'), 'there is no service')
        answers = client.call_at_once(AllocateTasks, 'allocate_tasks',
                                      [request('now')] + [request('wait')] * 100)
        assert len(answers) == 101 and all(answer.success for answer in answers)
    finally:
        client.node.destroy_service(service)


def test_a_request_that_waits_for_the_predictor_is_answered_when_the_allocator_stops(scene):
    client, asked = scene.client, []
    service = answer_later(client.node.create_service(
        PredictSkills, 'predict_skills', lambda request, response: asked.append(Future()) or asked[-1]),
        client.node.get_logger())
    waiting = client.node.create_client(AllocateTasks, 'allocate_tasks')
    answers = []

    def ask() -> bool:
        """Again and again, until the allocator has found the predictor."""
        if not answers or answers[-1].done():
            answers.append(waiting.call_async(AllocateTasks.Request(
                tasks=[TaskDescription(text='look from above')])))
        return bool(asked)
    try:
        assert waiting.wait_for_service(10.0) and client.spin_until(ask)
        assert client.change(NODE, 'deactivate') and client.change(NODE, 'cleanup')
        assert client.spin_until(answers[-1].done, 5.0), 'no answer'
        response = answers[-1].result()
        assert not response.success and 'the allocator was deactivated' in response.message
    finally:
        client.node.destroy_client(waiting)
        client.node.destroy_service(service)
