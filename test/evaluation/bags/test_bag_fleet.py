"""A fleet that serves recorded tasks on recorded time."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from skill_predictor.allocation.capabilities import parse_fleet
from skill_predictor.evaluation.bags.replayed import Replayed
from skill_predictor.evaluation.bags.fleet import differences, serve, WORK_S
from skill_predictor.evaluation.bags.events import RecordedTask

FLY, WHEELS, HANDS = 1, 2, 32
FLEET = parse_fleet({'cart': {'skills': ['wheels']}, 'drone': {'skills': ['fly']}})


def recording(*times, message=None):
    tasks = [RecordedTask(int(second * 1e9), '/tasks', f't{index}', f'task {index}', message)
             for index, second in enumerate(times)]
    return Replayed(ids=[task.task_id for task in tasks],
                    times_ns=[task.time_ns for task in tasks], tasks=tasks)


def test_one_after_the_other():
    found = recording(0, 10, 200)
    service = serve(found, [WHEELS, WHEELS, FLY], FLEET)
    assert service.robots == {'t0': ('cart',), 't1': ('cart',), 't2': ('drone',)}
    assert service.waited_s['t0'] == 0.0 and service.waited_s['t2'] == 0.0
    assert service.waited_s['t1'] == pytest.approx(WORK_S - 10, abs=2)
    assert service.busy_s == {'cart': 2 * WORK_S, 'drone': WORK_S}
    assert service.to_dict()['outcomes'] == {'completed': 3}


def test_what_nobody_can_do():
    service = serve(recording(0, 1, 2), [HANDS, 0, -1], FLEET)
    assert service.outcomes == {'t0': 'impossible', 't1': 'not_physical'}
    assert service.robots == {} and service.to_dict()['served'] == 0


def test_other_vectors_or_another_fleet():
    found = recording(0, 1)
    before = serve(found, [WHEELS, FLY], FLEET)
    now = serve(found, [FLY, FLY], FLEET)
    change, = differences(found, before, now)
    assert (change.task_id, change.before, change.now) == ('t0', 'cart', 'drone')
    smaller = serve(found, [WHEELS, FLY], {'cart': FLEET['cart']})
    change, = differences(found, before, smaller)
    assert (change.before, change.now) == ('drone', 'impossible')


def message(duration_s=0, stamp_s=0, deadline_s=0):
    def seconds(value):
        return SimpleNamespace(sec=value, nanosec=0)
    return SimpleNamespace(
        expected_duration=seconds(duration_s), deadline=seconds(deadline_s), payload_kg=0.0,
        priority=1, location=SimpleNamespace(x=0.0, y=0.0, z=0.0),
        header=SimpleNamespace(frame_id='', stamp=seconds(stamp_s)))


def test_what_a_task_says_counts():
    service = serve(recording(0, message=message(300)), [WHEELS], FLEET)
    assert service.busy_s['cart'] == 300.0


def test_deadlines_are_of_the_clock_that_stamped_the_task():
    """Here of a simulation, while the recorder had the time of day."""
    found = recording(1.7e9, 1.7e9 + 1, 1.7e9 + 2,
                      message=message(60, stamp_s=100, deadline_s=161))
    service = serve(found, [WHEELS] * 3, FLEET)
    assert service.outcomes == {'t0': 'completed', 't1': 'completed', 't2': 'expired'}
    assert service.waited_s['t1'] == pytest.approx(59, abs=0.1)


def test_a_thousand_tasks_for_one_robot():
    """What waits long is served in the end, and the time that this takes does not explode."""
    found = recording(*range(1000))
    service = serve(found, [WHEELS] * 1000, FLEET)
    assert len(service.robots) == 1000 and set(service.outcomes.values()) == {'completed'}
    assert service.waited_s['t999'] == pytest.approx(999 * WORK_S - 999, abs=5)


def test_tasks_that_were_not_kept():
    with pytest.raises(ValueError, match='not kept'):
        serve(Replayed(ids=['a'], times_ns=[0]), [1], FLEET)
