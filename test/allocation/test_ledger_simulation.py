"""The ledger with simulated robots that do what the README asks of them, over links with latency.

Robots become unavailable, are out of contact, and are told to drop their tasks; operators cancel,
change and repeat tasks; the allocator is started again. What must hold is checked at every event.
"""

from collections import Counter
from dataclasses import dataclass, field
import heapq
import random

import pytest

from skill_predictor.allocation.capabilities import Robot
from skill_predictor.allocation.ledger import FleetLedger
from skill_predictor.allocation.matching import choose, RobotStatus
from skill_predictor.allocation.tasks import Status, TaskRequest

SKILLS = ('fly', 'wheels', 'hands')
TIMEOUT_S, REPORT_S, TICK_S = 5.0, 1.0, 0.5
LATENCY_S = 0.4  # there and back in less than REPORT_S: what the ledger needs to tell all apart
BUSY_S, QUIET_S = 200.0, 400.0  # what happens by then, and how long it takes to come to rest
GIVEN = (Status.ASSIGNED, Status.TEAM)


@dataclass
class Body:
    """One robot: it carries out what it hears, and reports once a second."""

    robot: Robot
    work: tuple[str, str] = ('', '')  # task and words
    left_s: float = 0.0
    available: bool = True
    cut_until: float = 0.0
    heard: dict = field(default_factory=dict)  # revision by task
    done: set = field(default_factory=set)
    up: float = 0.0  # when the last message arrives, so that none overtakes another
    down: float = 0.0

    def hear(self, decision, text, lasts_s):
        task_id, name = decision.task_id, self.robot.robot_id
        if decision.revision <= self.heard.get(task_id, -1):
            return
        self.heard[task_id] = decision.revision
        if decision.choice.status in GIVEN and name in decision.choice.robots:
            if self.work != (task_id, text):
                self.work, self.left_s = (task_id, text), lasts_s
        elif self.work[0] == task_id:
            self.work = ('', '')

    def live(self, elapsed_s):
        self.left_s -= elapsed_s
        if self.work[0] and self.available and self.left_s <= 0:
            self.done.add(self.work)
            self.work = ('', '')


class Simulation:
    def __init__(self, seed):
        self.rng = random.Random(seed)
        robots = (Robot(f'r{number}', tuple(self.rng.sample(SKILLS, self.rng.randint(1, 2))))
                  for number in range(5))
        self.bodies = {robot.robot_id: Body(robot) for robot in robots}
        self.fleet = {name: body.robot for name, body in self.bodies.items()}
        self.now, self.queue, self.count = 0.0, [], 0
        self.tasks, self.latest, self.reports = {}, {}, {}
        self.words = {}  # of the task, at its last decision
        # By task: the robots that are named for it, and whether they reported it since.
        self.given = {}
        self.seen = Counter()
        self.ledger = self.new_ledger()
        for body in self.bodies.values():
            self.at(self.rng.random(), self.robot, body)
        for event in (self.tick, self.operator, self.restart):
            self.at(TICK_S, event)

    def new_ledger(self):
        first = max((decision.revision for decision in self.latest.values()), default=-1) + 1
        return FleetLedger(self.fleet, robot_timeout_s=TIMEOUT_S, require_states=True,
                           first_revision=first)

    def at(self, time, action, *arguments):
        self.count += 1
        heapq.heappush(self.queue, (time, self.count, action, arguments))

    def run(self):
        while self.queue and self.queue[0][0] < BUSY_S + QUIET_S:
            self.now, _, action, arguments = heapq.heappop(self.queue)
            action(*arguments)
            holders = [name for names in self.ledger.assignments().values() for name in names]
            assert len(holders) == len(set(holders)), 'a robot holds two tasks'
        assert not self.ledger.waiting() and not self.ledger.assignments(), 'left undone'

    # --- what happens ---------------------------------------------------------------------------

    def robot(self, body):
        if self.now >= body.cut_until:
            body.up = max(body.up, self.now + self.rng.uniform(0.0, LATENCY_S))
            self.at(body.up, self.report, body.robot.robot_id, body.available, body.work[0])
        body.live(REPORT_S)
        self.at(self.now + REPORT_S, self.robot, body)
        if self.now < BUSY_S:
            if body.available and self.rng.random() < 0.02:
                body.available = False
                self.at(self.now + self.rng.choice([0.5, 1.5, 5.0]), setattr, body, 'available', True)
            if self.now >= body.cut_until and self.rng.random() < 0.01:
                body.cut_until = self.now + self.rng.uniform(2.0, 9.0)

    def report(self, name, available, task_id):
        self.reports[name] = (self.now, available, task_id)
        self.hear(self.ledger.report(name, self.now, available=available, current_task_id=task_id))
        if task_id and name in self.given.get(task_id, {}):
            self.given[task_id][name] = True

    def tick(self):
        self.hear(self.ledger.tick(self.now))
        self.check_idle()
        self.at(self.now + TICK_S, self.tick)

    def operator(self):
        if self.now > BUSY_S:
            return
        self.at(self.now + self.rng.expovariate(0.4), self.operator)
        kind = self.rng.choice(['new', 'new', 'new', 'cancel', 'again', 'change'])
        task_id = f't{len(self.tasks)}'
        if kind != 'new' and self.tasks:
            task_id = self.rng.choice(list(self.tasks)[-6:])
        if kind == 'new' or not self.tasks:
            self.submit(task_id, tuple(self.rng.sample(SKILLS, self.rng.choice([1, 1, 2]))), 'go')
        elif kind == 'change':
            self.submit(task_id, self.tasks[task_id].required, f'go {self.count}')
        else:
            self.hear(self.ledger.cancel(task_id, self.now))
            if kind == 'again' and self.latest[task_id].choice.status is Status.CANCELLED:
                self.at(self.now + self.rng.uniform(0.0, 1.0), self.submit, task_id,
                        self.tasks[task_id].required, f'go {self.count}')

    def submit(self, task_id, required, text):
        self.tasks[task_id] = TaskRequest(task_id, required, self.rng.randint(0, 3), text=text)
        self.hear(self.ledger.submit(self.tasks[task_id], self.now))

    def restart(self):
        """A new ledger that is given again what was open."""
        if self.now > TICK_S:
            self.ledger, self.reports, self.given = self.new_ledger(), {}, {}
            for task_id, decision in self.latest.items():
                if decision.choice.status in (*GIVEN, Status.WAITING):
                    self.at(self.now + 2.0, self.resume, task_id)
        if self.now < BUSY_S:
            self.at(self.now + 60.0, self.restart)

    def resume(self, task_id):
        at_it = {name: True for name, (_, _, current) in self.reports.items() if current == task_id}
        self.given.setdefault(task_id, at_it)
        self.hear(self.ledger.submit(self.tasks[task_id], self.now))

    # --- what must hold -------------------------------------------------------------------------

    def hear(self, decisions):
        for decision in decisions:
            task_id, choice = decision.task_id, decision.choice
            old, text = self.latest.get(task_id), self.tasks[task_id].text
            assert old is None or decision.revision > old.revision
            self.latest[task_id] = decision
            self.seen[choice.status] += 1
            before = self.given.pop(task_id, {})
            if choice.status in GIVEN:
                same = self.words.get(task_id) == text
                self.given[task_id] = {name: same and before.get(name, False)
                                       for name in choice.robots}
            elif choice.status is Status.COMPLETED:
                assert all(before[name] for name in choice.robots), 'nobody reported it since'
                assert all((task_id, text) in self.bodies[name].done for name in choice.robots), (
                    f'nobody did {task_id}')
            self.words[task_id] = text
            lasts_s = self.rng.uniform(2.0, 10.0)
            for body in self.bodies.values():
                arrives = max(self.now, body.cut_until) + self.rng.uniform(0.0, LATENCY_S)
                body.down = max(body.down, arrives)
                self.at(body.down, body.hear, decision, text, lasts_s)

    def check_idle(self):
        """Nothing waits while robots that could do it are idle."""
        held = {name: task_id for task_id, names in self.ledger.assignments().items()
                for name in names}
        statuses = [RobotStatus(self.fleet[name], available and self.now - time <= TIMEOUT_S,
                                busy_with=held.get(name) or current or None)
                    for name, (time, available, current) in self.reports.items()]
        for task_id in self.ledger.waiting():
            excluded = self.ledger._book.entries[task_id].excluded
            choice = choose(self.tasks[task_id], statuses, excluded={
                name for name, until in excluded.items() if until > self.now})
            assert choice.status not in GIVEN, f'{task_id} waits, but {choice.reason}'


@pytest.mark.parametrize('seed', range(20))
def test_what_is_completed_was_done(seed):
    simulation = Simulation(seed)
    simulation.run()
    assert simulation.seen[Status.COMPLETED] > 10, 'too little happened'
