"""A fleet that serves recorded tasks on recorded time."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from skill_predictor.allocation.capabilities import parse_fleet
from skill_predictor.evaluation.bags.evaluation import Replayed
from skill_predictor.evaluation.bags.fleet import differences, serve, WORK_S
from skill_predictor.evaluation.bags.reading import RecordedTask

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


def test_what_a_task_says_counts():
    stamp = SimpleNamespace(sec=0, nanosec=0)
    message = SimpleNamespace(
        expected_duration=SimpleNamespace(sec=300, nanosec=0), deadline=stamp, payload_kg=0.0,
        priority=1, location=SimpleNamespace(x=0.0, y=0.0, z=0.0),
        header=SimpleNamespace(frame_id=''))
    service = serve(recording(0, message=message), [WHEELS], FLEET)
    assert service.busy_s['cart'] == 300.0


def test_tasks_that_were_not_kept():
    with pytest.raises(ValueError, match='not kept'):
        serve(Replayed(ids=['a'], times_ns=[0]), [1], FLEET)
