"""What the ledger does not look at, so that many waiting tasks and robots do not hold it up."""

import random
import time

from allocation_helpers import alive, fliers, fly, keep_alive, ledger_of, robot, short, task
import pytest

from skill_predictor.allocation import records
from skill_predictor.allocation.book import Book
from skill_predictor.allocation.capabilities import Robot
from skill_predictor.allocation.ledger import FleetLedger
from skill_predictor.allocation.tasks import Status, TaskRequest
from skill_predictor.taxonomy import SKILLS


@pytest.fixture
def rounds(monkeypatch):
    """Times at which all waiting tasks were tried."""
    seen, settle = [], Book.settle
    monkeypatch.setattr(Book, 'settle', lambda book, now: seen.append(now) or settle(book, now))
    return seen


def test_robots_that_lack_a_skill_together_are_not_looked_at(monkeypatch):
    looked = []
    choose_able = records.choose_able
    monkeypatch.setattr(records, 'choose_able', lambda task, *arguments, **limits: looked.append(
        task.task_id) or choose_able(task, *arguments, **limits))
    ledger = ledger_of(robot('d', 'fly'), *(
        robot(f'w{number}', 'wheels', endurance_min=60.0) for number in range(9)))
    ledger.report('d', 0.0, current_task_id='own')
    ledger.submit_many([task('fly', 'wheels', task_id=f't{number}') for number in range(9)], 0.0)
    for second in range(1, 9):  # they move, so that waiting tasks are tried at every tick
        alive(ledger, float(second), [f'w{number}' for number in range(9)],
              position=(float(second), 0.0, 0.0), frame='map', battery=0.9)
        ledger.report('d', float(second), current_task_id='own')
        assert ledger.tick(float(second)) == []
    assert looked == []
    assert short(ledger.report('d', 9.0)) == [('t0', Status.TEAM, ('d', 'w0'))]
    assert looked == ['t0']


def test_an_exclusion_that_is_over_is_tried_once(rounds):
    ledger = fliers('a', acknowledge_timeout_s=10.0)
    ledger.submit(fly('1'), 0.0)
    keep_alive(ledger, 1, 11, 'a')  # it did not take it up
    keep_alive(ledger, 12, 20, 'a', current_task_id='own')
    rounds.clear()
    assert keep_alive(ledger, 21, 40, 'a', current_task_id='own') == []
    assert rounds == [21.0]
    assert short(ledger.report('a', 41.0)) == [('1', Status.ASSIGNED, ('a',))]


def test_a_member_that_goes_on_with_a_waiting_task_says_nothing_new(rounds):
    ledger = ledger_of(robot('h', 'hands'), robot('w', 'wheels'))
    ledger.report('h', 0.0)
    ledger.report('w', 0.0, available=False)
    ledger.submit(task('hands', 'wheels'), 0.0)
    for second in range(1, 20):
        ledger.report('h', float(second), current_task_id='t')
    assert rounds == [1.0]
    assert short(ledger.report('w', 20.0)) == [('t', Status.TEAM, ('h', 'w'))]


def test_a_charged_battery_of_a_robot_at_a_waiting_task_is_something_new():
    ledger = ledger_of(robot('h', 'hands'), robot('w', 'wheels'))
    ledger.submit(task('hands', task_id='own'), 0.0)
    ledger.report('h', 0.0, current_task_id='t', battery=0.1)
    ledger.cancel('own', 0.0)
    assert short(ledger.submit(task('hands', 'wheels'), 0.0)) == [('t', Status.WAITING, ())]
    assert short(ledger.report('h', 1.0, current_task_id='t', battery=0.5)) == [
        ('t', Status.TEAM, ('h', 'w'))]


def test_many_tasks_and_robots_stay_fast():
    rng = random.Random(1)
    fleet = {f'r{n}': Robot(f'r{n}', tuple(rng.sample(SKILLS, rng.randint(1, 3))),
                            home=(rng.uniform(0, 500), 0.0, 0.0)) for n in range(500)}
    tasks = [TaskRequest(f't{n}', tuple(rng.sample(SKILLS, rng.randint(1, 3))),
                         location=(rng.uniform(0, 500), 0.0, 0.0), frame='map')
             for n in range(1000)]
    start = time.process_time()
    ledger = FleetLedger(fleet)
    assert len(ledger.submit_many(tasks[:500], 0.0)) == 500
    for task in tasks[500:]:
        ledger.submit(task, 0.0)
    for second in range(1, 4):
        held = {one: t for t, robots in ledger.assignments().items() for one in robots}
        for robot_id in fleet:
            current = '' if second == 3 else held.get(robot_id, '')
            ledger.report(robot_id, float(second), current_task_id=current)
        ledger.tick(float(second))
    done = sum(ledger.status_of(f't{n}').choice.status is Status.COMPLETED for n in range(1000))
    assert done > 300
    assert time.process_time() - start < 10.0  # about 2 s on one core of a laptop
