"""The ledger under random events: what must hold after every one of them."""

import random

import pytest

from skill_predictor.allocation.capabilities import Robot
from skill_predictor.allocation.ledger import FleetLedger, LedgerFullError
from skill_predictor.allocation.matching import choose, RobotStatus
from skill_predictor.allocation.tasks import Status, TaskRequest
from skill_predictor.taxonomy import SKILLS

TIMEOUT_S, ACKNOWLEDGE_S = 5.0, 8.0
OPEN = (Status.ASSIGNED, Status.TEAM, Status.WAITING)


class World:
    """A fleet, its ledger, and what a listener of the decisions believes."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.require_states = self.rng.random() < 0.5
        self.fleet = {f'r{n}': Robot(
            f'r{n}', tuple(self.rng.sample(SKILLS, self.rng.randint(1, 3))),
            payload_kg=self.rng.choice([0.0, 10.0])) for n in range(7)}
        self.ledger = FleetLedger(
            self.fleet, robot_timeout_s=TIMEOUT_S, acknowledge_timeout_s=ACKNOWLEDGE_S,
            require_states=self.require_states, assumed_duration_s=20.0, max_waiting=12,
            history=30)
        self.now = 0.0
        self.reports = {}  # robot id: (time, available, battery, current task)
        self.tasks = {}
        self.believed = {}
        self.seen = set()

    def hear(self, decisions):
        for decision in decisions:
            old = self.believed.get(decision.task_id)
            if old:
                forgotten = old.choice.status not in OPEN
                assert (decision.revision == old.revision + 1
                        or forgotten and decision.revision > old.revision)
            assert decision.choice.reason
            self.believed[decision.task_id] = decision
            self.seen.add(decision.choice.status)

    def step(self):
        self.now += self.rng.choice([0.0, 0.3, 1.0])
        event = self.rng.choice(
            ['report'] * 12 + ['submit'] * 3 + ['tick'] * 4 + ['cancel', 'silence'])
        getattr(self, event)()
        self.check(settled=event == 'tick')

    def tick(self):
        self.hear(self.ledger.tick(self.now))

    def silence(self):
        """All are silent for a while, and some come back in time."""
        self.now += self.rng.uniform(0.0, 3.0)

    def report(self):
        robot_id = self.rng.choice(list(self.fleet))
        held = [t for t, robots in self.ledger.assignments().items() if robot_id in robots]
        working = self.reports.get(robot_id, (0, 0, 0, ''))[3]
        current = self.rng.choice(
            [held[0] if held else '', held[0] if held else '', working, working, '', 'own'])
        state = (self.now, self.rng.random() > 0.1, self.rng.choice([None, 0.1, 0.5, 1.0]),
                 current)
        self.reports[robot_id] = state
        self.hear(self.ledger.report(robot_id, self.now, available=state[1], battery=state[2],
                                     current_task_id=current))

    def submit(self):
        batch = []
        for _ in range(self.rng.randint(1, 3)):
            again = self.rng.random() < 0.3 and self.tasks
            task_id = self.rng.choice(list(self.tasks)) if again else f't{len(self.tasks)}'
            batch.append(TaskRequest(
                task_id, tuple(self.rng.sample(SKILLS, self.rng.choice([0, 1, 1, 2, 2, 3]))),
                self.rng.randint(0, 3), self.rng.choice([None, None, self.now + 10.0]),
                self.rng.choice([None, 5.0]), self.rng.choice([0.0, 0.0, 10.0])))
        try:
            preview = self.ledger.preview(batch, self.now)
            decisions = self.ledger.submit_many(batch, self.now)
        except LedgerFullError:
            self.seen.add('full')
            return
        self.tasks.update({task.task_id: task for task in batch})
        self.hear(decisions)
        given = {decision.task_id: decision for decision in decisions}
        for task, decision in zip(batch, preview):
            # What was previewed is what was decided, or what stood before.
            assert decision == given.get(task.task_id, decision)
            assert decision.task_id == task.task_id

    def cancel(self):
        if self.tasks:
            self.hear(self.ledger.cancel(self.rng.choice(list(self.tasks)), self.now))

    def can_work(self, robot_id):
        report = self.reports.get(robot_id)
        if report is None:
            return not self.require_states
        return report[1] and self.now - report[0] <= TIMEOUT_S

    def check(self, settled):
        assignments = self.ledger.assignments()
        holders = [robot_id for robots in assignments.values() for robot_id in robots]
        assert len(holders) == len(set(holders)), 'a robot holds two tasks'
        waiting = self.ledger.waiting()
        assert not set(waiting) & set(assignments)
        for task_id, robots in assignments.items():
            choice = self.believed[task_id].choice
            assert choice.status in (Status.ASSIGNED, Status.TEAM)
            assert (choice.status is Status.TEAM) == (len(choice.robots) > 1)
            assert set(robots) <= set(choice.robots) and robots
            skills = {skill for one in choice.robots for skill in self.fleet[one].skills}
            assert skills >= set(self.tasks[task_id].required), 'a required skill is not covered'
            assert self.ledger.status_of(task_id) == self.believed[task_id]
        for task_id, decision in self.believed.items():
            status = decision.choice.status
            assert (status is Status.WAITING) == (task_id in waiting)
            assert (status in (Status.ASSIGNED, Status.TEAM)) == (task_id in assignments)
        if settled:
            self.check_settled(assignments, waiting, holders)

    def check_settled(self, assignments, waiting, holders):
        """After a tick nobody who is away holds a task, and nobody waits who could be served."""
        assert all(self.can_work(robot_id) for robot_id in holders)
        statuses = []
        for robot_id, robot in self.fleet.items():
            _, _, battery, current = self.reports.get(robot_id, (0, True, None, ''))
            held = next((t for t, robots in assignments.items() if robot_id in robots), None)
            statuses.append(RobotStatus(robot, self.can_work(robot_id), battery,
                                        busy_with=held or current or None))
        for task_id in waiting:
            task = self.tasks[task_id]
            assert task.deadline is None or self.now < task.deadline
            excluded = self.ledger._book.entries[task_id].excluded
            assert all(until <= self.now + ACKNOWLEDGE_S for until in excluded.values())
            still = {robot_id for robot_id, until in excluded.items() if until > self.now}
            choice = choose(task, statuses, excluded=still)
            assert choice.status is Status.WAITING, f'{task} waits, but {choice.reason}'


@pytest.mark.parametrize('seed', range(12))
def test_random_events(seed):
    world = World(seed)
    for _ in range(1000):
        world.step()
    book = world.ledger._book
    assert set(book.entries) == {*book.active, *book.waiting, *book.finished}
    world.tick()
    world.tick()  # what an event finishes is remembered until the next
    assert len(book.finished) <= 30


def test_random_events_reach_every_outcome():
    seen = set()
    for seed in range(5):
        world = World(seed)
        for _ in range(600):
            world.step()
        seen |= world.seen
    assert seen == {*Status, 'full'} - {Status.UNKNOWN}, 'the ledger never says unknown'
