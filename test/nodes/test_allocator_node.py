"""The fleet allocator node in a process of its own; this test plays the robots and the predictor."""

from __future__ import annotations

import time
from concurrent.futures import Future

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rosgraph_msgs.msg import Clock

from skill_predictor import taxonomy
from skill_predictor.msg import RobotState, SkillVector, TaskAllocation, TaskDescription
from skill_predictor.nodes import qos
from skill_predictor.nodes.deferred import answer_later
from skill_predictor.srv import AllocateTasks, CancelTask, PredictSkills

pytestmark = pytest.mark.ros

NODE = 'fleet_allocator'
FLEET = {'drone_1': ['fly'], 'rover_1': ['wheels'], 'rover_2': ['wheels', 'hands'],
         'boat_1': ['surface_water'], 'humanoid_1': ['wheels', 'legs', 'hands']}
SETTINGS = {'robot_timeout_s': 1.0, 'acknowledge_timeout_s': 2.0, 'tick_period_s': 0.1,
            'diagnostics_period_s': 0.1, 'assumed_duration_s': 600.0}


def fleet_parameters(fleet=FLEET) -> dict:
    return {f'fleet.{name}.skills': skills for name, skills in fleet.items()}


def vector(task_id: str, *skills: str, made: float | None = None, **task) -> SkillVector:
    flags = taxonomy.to_flags(skills)
    message = SkillVector(
        task_id=task_id, skills=list(taxonomy.SKILLS), required=list(flags),
        probabilities=[0.9 if flag else 0.1 for flag in flags], thresholds=[0.5] * 6,
        task=TaskDescription(task_id=task_id, **{'text': f'task {task_id}', **task}))
    set_time(message.header.stamp, time.time() if made is None else made)
    return message


def set_time(stamp, seconds: float) -> None:
    stamp.sec, stamp.nanosec = int(seconds), int(seconds % 1 * 1e9)


@pytest.fixture
def allocator(start, client):
    node = start('fleet_allocator_node', **fleet_parameters(), **SETTINGS)
    client.wait_for_state(NODE, 'active')
    return node


@pytest.fixture
def scene(allocator, client):
    scene = Scene(client)
    yield scene
    scene.close()


class Scene:
    """What the test publishes and sees."""

    def __init__(self, client) -> None:
        self.client = client
        self.seen: list[TaskAllocation] = []
        self._subscription = client.node.create_subscription(
            TaskAllocation, 'task_allocations', self.seen.append, qos.results())
        self.states = client.node.create_publisher(RobotState, 'robot_states', 100)
        self.vectors = client.node.create_publisher(SkillVector, 'skill_vectors', qos.results())
        client.connected(self.states)
        client.connected(self.vectors)
        self.tasks: dict[str, str] = {}
        self.silent: set[str] = set()
        # States are best effort: what is sent before the allocator has found them is lost.
        said = client.collect(DiagnosticArray, '/diagnostics', 10)

        def heard() -> bool:
            self.states.publish(RobotState(robot_id='nobody'))
            return any('nobody' in status.message for array in said for status in array.status)
        assert client.spin_until(heard)

    def close(self) -> None:
        """Leave nothing behind that would reach the next test's allocator."""
        node = self.client.node
        node.destroy_publisher(self.states)
        node.destroy_publisher(self.vectors)
        node.destroy_subscription(self._subscription)

    def allocate(self, *vectors: SkillVector, dry_run: bool = False) -> AllocateTasks.Response:
        return self.client.call(AllocateTasks, 'allocate_tasks', AllocateTasks.Request(
            vectors=list(vectors), dry_run=dry_run))

    def report(self, robot_id: str, **fields) -> None:
        self.states.publish(RobotState(
            robot_id=robot_id, current_task_id=self.tasks.get(robot_id, ''), **fields))

    def live(self, condition, timeout_s: float = 10.0) -> bool:
        """Let all robots that are not silent report, until a condition holds."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                return False
            for name in FLEET:
                if name not in self.silent:
                    self.report(name)
            self.client.spin(0.1)
        return True

    def latest(self, task_id: str) -> TaskAllocation | None:
        return next((a for a in reversed(self.seen) if a.task_id == task_id), None)

    def holds(self, task_id: str, *robots: str) -> bool:
        latest = self.latest(task_id)
        return latest is not None and list(latest.robot_ids) == sorted(robots)


def test_vectors_on_the_topic_are_decided_and_published(scene):
    scene.vectors.publish(vector('a', 'wheels'))
    scene.vectors.publish(vector('b', 'fly', 'surface_water'))
    scene.vectors.publish(vector('c', 'under_water'))
    scene.vectors.publish(vector('d'))
    assert scene.client.spin_until(lambda: all(scene.latest(task) for task in 'abcd'))
    a, b, c, d = (scene.latest(task) for task in 'abcd')
    assert a.status == TaskAllocation.STATUS_ASSIGNED and list(a.robot_ids) == ['rover_1']
    assert b.status == TaskAllocation.STATUS_TEAM and sorted(b.robot_ids) == ['boat_1', 'drone_1']
    assert c.status == TaskAllocation.STATUS_IMPOSSIBLE and list(c.missing_skills) == ['under_water']
    assert d.status == TaskAllocation.STATUS_NOT_PHYSICAL and not d.robot_ids
    assert list(b.required_skills) == ['fly', 'surface_water']
    assert all(message.reason for message in (a, b, c, d))
    assert len({message.revision for message in (a, b, c, d)}) == 1
    assert a.task.text == 'task a' and a.header.stamp.sec > 0


def test_silent_robot_loses_its_task_to_another(scene):
    """The robot's state stream is killed; its task must move."""
    scene.live(lambda: False, 0.5)
    response = scene.allocate(vector('move me', 'wheels'))
    assert response.success and list(response.allocations[0].robot_ids) == ['rover_1']
    scene.tasks['rover_1'] = 'move me'
    assert not scene.live(lambda: len(scene.latest('move me').robot_ids) != 1
                          or scene.latest('move me').robot_ids[0] != 'rover_1', 2.0), 'moved early'
    scene.silent.add('rover_1')
    assert scene.live(lambda: scene.holds('move me', 'rover_2'))
    moved = scene.latest('move me')
    assert moved.status == TaskAllocation.STATUS_ASSIGNED
    assert moved.revision == response.allocations[0].revision + 1
    assert 'lost contact with rover_1' in moved.reason
    assert moved.task.text == 'task move me'
    scene.tasks['rover_2'] = 'move me'
    scene.silent.clear()  # it comes back, still at work: the task stays where it is
    scene.live(lambda: False, 1.0)
    assert scene.holds('move me', 'rover_2')


def test_unavailable_robot_releases_its_task(scene):
    scene.live(lambda: False, 0.3)
    scene.allocate(vector('t', 'wheels', 'hands'))
    scene.tasks['rover_2'] = 't'
    scene.live(lambda: False, 0.3)
    scene.silent.add('rover_2')

    def moved() -> bool:
        scene.report('rover_2', available=False)
        return scene.holds('t', 'humanoid_1')
    assert scene.live(moved)
    assert 'rover_2 became unavailable' in scene.latest('t').reason


def test_team_that_loses_a_member_is_formed_again_or_waits(scene):
    scene.live(lambda: False, 0.3)
    scene.allocate(vector('pair', 'fly', 'surface_water'))
    scene.tasks.update({'drone_1': 'pair', 'boat_1': 'pair'})
    scene.live(lambda: False, 0.3)
    scene.silent.add('drone_1')
    assert scene.live(lambda: scene.latest('pair').status == TaskAllocation.STATUS_WAITING)
    assert 'drone_1' in scene.latest('pair').reason
    scene.tasks.clear()
    scene.silent.clear()
    assert scene.live(lambda: scene.latest('pair').status == TaskAllocation.STATUS_TEAM)


def test_finished_robot_gets_the_waiting_task(scene):
    scene.live(lambda: False, 0.3)
    scene.allocate(vector('first', 'fly'))
    waiting = scene.allocate(vector('second', 'fly')).allocations[0]
    assert waiting.status == TaskAllocation.STATUS_WAITING and 'first' in waiting.reason
    scene.tasks['drone_1'] = 'first'
    scene.live(lambda: False, 0.3)
    scene.tasks['drone_1'] = ''
    assert scene.live(lambda: scene.holds('second', 'drone_1'))
    assert any(message.task_id == 'first' and message.status == TaskAllocation.STATUS_COMPLETED
               for message in scene.seen)


def test_cancelled_task_frees_its_robot(scene):
    def cancel(task_id):
        return scene.client.call(CancelTask, 'cancel_task', CancelTask.Request(task_id=task_id))

    scene.allocate(vector('first', 'fly'), vector('second', 'fly'))
    assert cancel('first').success
    assert scene.client.spin_until(lambda: scene.holds('second', 'drone_1'))
    assert scene.latest('first').status == TaskAllocation.STATUS_CANCELLED
    for task_id in ('first', 'nobody knows', ''):
        refused = cancel(task_id)
        assert not refused.success and 'neither assigned nor waiting' in refused.message


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


def test_tasks_that_came_before_activation_are_taken_up_and_ended_ones_are_not(scene):
    """Vectors are kept for late joiners; a new configuration must not repeat what is done."""
    client = scene.client
    scene.vectors.publish(vector('withdrawn', 'wheels'))
    assert client.spin_until(lambda: scene.latest('withdrawn'))
    assert client.call(CancelTask, 'cancel_task', CancelTask.Request(task_id='withdrawn')).success
    assert client.change(NODE, 'deactivate') and client.change(NODE, 'cleanup')
    assert client.change(NODE, 'configure')
    scene.vectors.publish(vector('early', 'fly'))
    client.spin(0.5)
    assert scene.latest('early') is None
    scene.seen.clear()
    assert client.change(NODE, 'activate')
    assert client.spin_until(lambda: scene.latest('early'))
    client.spin(0.5)
    assert {message.task_id for message in scene.seen} == {'early'}


def test_bad_messages_cost_only_themselves(scene, allocator):
    no_prediction = vector('nan', 'fly')
    no_prediction.probabilities = [float('nan')] * 6
    strange = vector('strange', 'wheels')
    strange.skills = ['swim', *taxonomy.SKILLS[1:]]
    strange.required = [True] + [False] * 5
    old = vector('old', 'wheels')
    old.header.stamp.sec -= 3600
    heavy = vector('heavy', 'wheels', payload_kg=float('inf'))
    for message in (no_prediction, strange, old, heavy, vector('', 'wheels')):
        scene.vectors.publish(message)
    scene.states.publish(RobotState(robot_id='ghost'))
    scene.states.publish(RobotState(robot_id='rover_1', battery=7.0))
    scene.states.publish(RobotState())
    scene.vectors.publish(vector('good', 'wheels'))
    assert scene.client.spin_until(lambda: scene.latest('good'))
    assert {message.task_id for message in scene.seen} == {'good'}
    assert allocator.alive
    response = scene.allocate(no_prediction, vector('fine', 'fly'))
    assert not response.success and 'NaN' in response.message
    assert response.allocations[0].status == TaskAllocation.STATUS_UNKNOWN
    assert response.allocations[1].status == TaskAllocation.STATUS_ASSIGNED


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
    finally:
        client.node.destroy_service(service)


def test_cancellations_that_come_all_at_once_are_all_made(scene):
    names = [f'job {number}' for number in range(200)]
    assert scene.allocate(*(vector(name, 'wheels') for name in names)).success
    answers = scene.client.call_at_once(
        CancelTask, 'cancel_task', [CancelTask.Request(task_id='no such task')]
        + [CancelTask.Request(task_id=name) for name in names])
    assert [answer.success for answer in answers] == [False] + [True] * 200


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


def test_diagnostics_count_the_robots_that_never_reported(scene):
    """Although they get tasks, since nothing here requires a report: a name may be misspelt."""
    said = scene.client.collect(DiagnosticArray, '/diagnostics', 10)

    def values() -> dict[str, str]:
        return {pair.key: pair.value for pair in said[-1].status[0].values} if said else {}
    assert scene.client.spin_until(lambda: values().get('never seen') == '5')
    assert values()['idle'] == '5'
    scene.silent.add('boat_1')
    assert scene.live(lambda: values()['never seen'] == '1')


def test_diagnostics_name_the_lost_robot(scene):
    diagnostics = scene.client.collect(DiagnosticArray, '/diagnostics', 10)
    scene.live(lambda: False, 0.3)
    scene.silent.add('boat_1')
    assert scene.live(lambda: diagnostics and diagnostics[-1].status[0].message
                      == 'lost contact with boat_1')
    status = diagnostics[-1].status[0]
    values = {pair.key: pair.value for pair in status.values}
    assert status.level == DiagnosticStatus.WARN
    assert values['robots'] == '5' and values['lost'] == 'boat_1' and values['idle'] == '4'


@pytest.mark.parametrize('parameters, robot, field', [
    ({'fleet.rover_9.skils': ['wheels']}, 'rover_9', 'skills'),
    ({'fleet.rover_9.skills': ['wheel']}, 'rover_9', 'wheels'),
    ({'fleet.rover_9.skills': ['wheels'], 'fleet.rover_9.payload_kg': 'much'},
     'rover_9', 'payload_kg'),
    ({'fleet.rover_9.skills': ['wheels'], 'fleet.rover_9.speed_mps': -1.0}, 'rover_9', 'speed_mps'),
    ({'fleet.rover_9.skills': ['wheels'], 'fleet.rover_9.home': [1.0]}, 'rover_9', 'home')])
def test_wrong_fleet_names_robot_and_field(start, client, parameters, robot, field):
    node = start('fleet_allocator_node', **parameters)
    node.wait_for_log('cannot configure')
    line = next(line for line in node.log.splitlines() if 'cannot configure' in line)
    assert robot in line and field in line and 'Traceback' not in node.log
    client.wait_for_state(NODE, 'unconfigured')
    assert node.alive


def test_no_fleet_says_what_to_do(start, client):
    node = start('fleet_allocator_node')
    node.wait_for_log('cannot configure')
    assert 'fleet_warehouse.yaml' in node.log


def test_allocator_goes_through_its_states(start, client):
    node = start('fleet_allocator_node', autostart=False, **fleet_parameters())
    for _ in range(2):
        assert client.change(NODE, 'configure')
        refused = client.call(AllocateTasks, 'allocate_tasks')
        assert not refused.success and 'not active' in refused.message
        assert client.change(NODE, 'activate')
        assert client.call(AllocateTasks, 'allocate_tasks').success
        assert not client.set_parameter(NODE, 'max_team_size', 2).successful
        assert client.change(NODE, 'deactivate') and client.change(NODE, 'cleanup')
    assert client.set_parameter(NODE, 'max_team_size', 2).successful
    assert node.stop() == 0 and 'Traceback' not in node.log


def test_an_id_that_ended_can_be_asked_for_again(scene):
    """By topic as by service; what was made before the end is a replay."""
    first = vector('again', 'fly')
    scene.vectors.publish(first)
    assert scene.live(lambda: scene.holds('again', 'drone_1'))
    assert scene.client.call(CancelTask, 'cancel_task', CancelTask.Request(task_id='again')).success
    scene.vectors.publish(first)
    scene.vectors.publish(vector('behind it', 'wheels'))
    assert scene.live(lambda: scene.latest('behind it'))
    assert scene.latest('again').status == TaskAllocation.STATUS_CANCELLED
    scene.vectors.publish(vector('again', 'fly'))
    assert scene.live(lambda: scene.holds('again', 'drone_1'))


def test_a_pause_takes_no_task_from_a_robot(scene):
    """Deactivated for longer than a robot may be silent: nobody was heard, so nobody is lost."""
    scene.vectors.publish(vector('long', 'fly'))
    assert scene.live(lambda: scene.holds('long', 'drone_1'))
    scene.tasks['drone_1'] = 'long'
    scene.live(lambda: False, 0.5)
    before = len(scene.seen)
    assert scene.client.change(NODE, 'deactivate')
    scene.client.spin(2.5)
    assert scene.client.change(NODE, 'activate')
    scene.live(lambda: False, 1.5)
    assert [message.task_id for message in scene.seen[before:]] == []
    assert scene.holds('long', 'drone_1')


def test_a_charge_that_is_none_is_unknown_and_the_robot_alive(scene):
    diagnostics = scene.client.collect(DiagnosticArray, '/diagnostics', 100)
    def report() -> None:
        scene.report('rover_1', battery=85.0)
        scene.report('drone_1', battery=1.004)
        scene.client.spin(0.1)

    def told() -> bool:
        report()
        return any('battery of 85' in array.status[0].message for array in diagnostics)

    def decided() -> bool:
        report()
        return bool(scene.latest('roll') and scene.latest('look'))
    assert scene.client.spin_until(told)
    scene.vectors.publish(vector('roll', 'wheels'))
    scene.vectors.publish(vector('look', 'fly'))
    assert scene.client.spin_until(decided)
    assert scene.holds('roll', 'rover_1') and scene.holds('look', 'drone_1')


def test_clocks_that_disagree_are_said(scene):
    scene.client.spin(5.0)  # what is replayed to a new allocator has come by then
    diagnostics = scene.client.collect(DiagnosticArray, '/diagnostics', 100)
    assert scene.client.spin_until(lambda: diagnostics)
    late = vector('late', 'fly')
    late.header.stamp.sec -= 3600
    scene.vectors.publish(late)
    assert scene.client.spin_until(lambda: any(
        'do the clocks of predictor and allocator agree?' in array.status[0].message
        for array in diagnostics))


def test_other_words_are_another_task(scene, allocator):
    def done() -> bool:
        return scene.latest('job').status == TaskAllocation.STATUS_COMPLETED
    scene.vectors.publish(vector('job', 'fly', text='inspect bridge A'))
    assert scene.live(lambda: scene.holds('job', 'drone_1'))
    first = scene.latest('job')
    scene.vectors.publish(vector('job', 'fly', text='inspect bridge B'))
    assert scene.live(lambda: scene.latest('job').task.text == 'inspect bridge B')
    assert scene.holds('job', 'drone_1') and scene.latest('job').revision == first.revision + 1
    scene.tasks['drone_1'] = 'job'
    scene.live(lambda: False, 0.5)
    scene.tasks['drone_1'] = ''
    assert scene.live(done)
    scene.vectors.publish(vector('job', 'fly', text='inspect bridge B'))
    allocator.wait_for_log('task job is completed and asked for again with the same content')
    scene.vectors.publish(vector('job', 'fly', text='inspect bridge C'))
    assert scene.live(lambda: scene.latest('job').task.text == 'inspect bridge C')
    assert scene.holds('job', 'drone_1')


def test_an_allocation_names_its_task_in_the_task_as_well(scene):
    nameless = vector('x', 'fly')
    nameless.task.task_id = ''
    allocation, = scene.allocate(nameless).allocations
    assert allocation.task_id == 'x' and allocation.task.task_id == 'x'


def test_revisions_go_on_after_a_new_configuration(scene):
    client = scene.client
    scene.allocate(vector('again', 'fly'))
    last, = scene.allocate(vector('again', 'fly', text='other words')).allocations
    for transition in ('deactivate', 'cleanup', 'configure', 'activate'):
        assert client.change(NODE, transition)
    first, = scene.allocate(vector('again', 'fly', text='more words')).allocations
    assert first.revision > last.revision > time.time() - 3600


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


class SimulatedTime:
    """Publishes ``/clock``."""

    def __init__(self, client) -> None:
        self._client = client
        self._publisher = client.node.create_publisher(Clock, '/clock', 10)
        self.now = 0.0

    def close(self) -> None:
        self._client.node.destroy_publisher(self._publisher)

    def run(self, seconds: float, rate: float = 1.0, until=lambda: False) -> bool:
        """Let real seconds pass, or fewer until a condition holds; whether it did."""
        end = time.monotonic() + seconds
        while not until() and time.monotonic() < end:
            message = Clock()
            set_time(message.clock, self.now)
            self._publisher.publish(message)
            self._client.spin(0.05)
            self.now += 0.05 * rate
        return bool(until())


@pytest.fixture
def simulated(start, client):
    """A node on simulated time that has not begun, the time, and what is published."""
    start('fleet_allocator_node', use_sim_time=True, **{**fleet_parameters(), **SETTINGS,
                                                        'robot_timeout_s': 0.5})
    client.wait_for_state(NODE, 'active')
    clock = SimulatedTime(client)
    clock.vectors = client.node.create_publisher(SkillVector, 'skill_vectors', qos.results())
    clock.states = client.node.create_publisher(RobotState, 'robot_states', 100)
    clock.seen = []
    subscription = client.node.create_subscription(
        TaskAllocation, 'task_allocations', clock.seen.append, qos.results())
    yield clock
    client.node.destroy_subscription(subscription)
    client.node.destroy_publisher(clock.vectors)
    client.node.destroy_publisher(clock.states)
    clock.close()


def test_before_simulated_time_has_begun_nothing_is_decided(simulated, client):
    simulated.vectors.publish(vector('ancient', 'fly', made=100.0))
    refused = client.call(AllocateTasks, 'allocate_tasks', AllocateTasks.Request(
        vectors=[vector('x', 'fly')]))
    assert not refused.success and 'simulated time has not begun' in refused.message
    simulated.now = 5000.0
    simulated.vectors.publish(vector('new', 'fly', made=4999.0))
    assert simulated.run(20.0, until=lambda: simulated.seen)
    simulated.run(1.0)
    assert [(message.task_id, message.status) for message in simulated.seen] == [
        ('new', TaskAllocation.STATUS_ASSIGNED)]


def test_simulated_time_that_starts_again(simulated, client):
    def given(task_id: str) -> bool:
        return any(message.task_id == task_id and message.robot_ids for message in simulated.seen)
    simulated.now = 300.0
    first = vector('one', 'fly', made=300.0)
    simulated.vectors.publish(first)
    assert simulated.run(20.0, until=lambda: given('one'))
    simulated.run(0.5)
    assert client.call(CancelTask, 'cancel_task', CancelTask.Request(task_id='one')).success
    simulated.now = 5.0
    simulated.run(1.0)
    simulated.seen.clear()
    simulated.vectors.publish(vector('old run', 'wheels', made=299.0))
    simulated.vectors.publish(first)
    simulated.vectors.publish(vector('one', 'fly', made=simulated.now))
    simulated.vectors.publish(vector('two', 'wheels', made=simulated.now))
    assert simulated.run(20.0, until=lambda: given('one') and given('two'))
    assert {message.task_id for message in simulated.seen} == {'one', 'two'}


def test_a_silent_robot_is_lost_however_slow_the_simulation(simulated):
    def report(until) -> bool:
        return simulated.run(20.0, 0.2, until=lambda: simulated.states.publish(RobotState(
            robot_id='drone_1', current_task_id='one')) or until())
    simulated.now = 50.0
    simulated.run(1.0)
    simulated.vectors.publish(vector('one', 'fly', made=50.0))
    assert report(lambda: simulated.seen)
    began = simulated.now
    report(lambda: simulated.now > began + 0.3)
    assert len(simulated.seen) == 1
    last = simulated.now
    assert simulated.run(40.0, 0.2, until=lambda: len(simulated.seen) > 1)
    assert 'lost contact with drone_1' in simulated.seen[-1].reason
    assert 0.5 < simulated.now - last < 1.5
