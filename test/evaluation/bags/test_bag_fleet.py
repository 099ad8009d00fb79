"""A fleet that serves recorded tasks on recorded time."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from skill_predictor.allocation.capabilities import parse_fleet
from skill_predictor.evaluation.bags.replayed import Replayed
from skill_predictor.evaluation.bags.fleet import differences, serve, WORK_S
from skill_predictor.evaluation.bags.events import RecordedTask

FLY, WHEELS, HANDS = 1, 2, 32
FLEET = parse_fleet({'cart': {'skills': ['wheels']}, 'drone': {'skills': ['fly']}})


def recording(*times, message=None, messages=None):
    """Tasks at these times, with one message for all or one for each."""
    tasks = [RecordedTask(int(second * 1e9), '/tasks', f't{index}', f'task {index}',
                          messages[index] if messages else message)
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


def message(duration_s=0, stamp_s=0, deadline_s=0, payload_kg=0.0, priority=1, place=(0.0, 0.0, 0.0),
            frame=''):
    def seconds(value):
        return SimpleNamespace(sec=value, nanosec=0)
    return SimpleNamespace(
        expected_duration=seconds(duration_s), deadline=seconds(deadline_s), payload_kg=payload_kg,
        priority=priority, location=SimpleNamespace(x=place[0], y=place[1], z=place[2]),
        header=SimpleNamespace(frame_id=frame, stamp=seconds(stamp_s)))


def test_what_a_task_says_counts():
    service = serve(recording(0, message=message(300)), [WHEELS], FLEET)
    assert service.busy_s['cart'] == 300.0


def test_a_payload_that_nobody_lifts_is_impossible():
    fleet = parse_fleet({'cart': {'skills': ['wheels'], 'payload_kg': 10.0}})
    found = recording(0, 100, messages=[message(payload_kg=10.5), message(payload_kg=9.5)])
    assert serve(found, [WHEELS] * 2, fleet).outcomes == {'t0': 'impossible', 't1': 'completed'}


def test_an_urgent_task_overtakes():
    found = recording(0, 1, 2, messages=[message(), message(), message(priority=3)])
    service = serve(found, [WHEELS] * 3, FLEET)
    assert 0.0 < service.waited_s['t2'] <= WORK_S < service.waited_s['t1']


@pytest.mark.parametrize('frame, robot', [('map', 'b_near'), ('', 'a_far'), ('elsewhere', 'a_far')])
@pytest.mark.parametrize('place', [(90.0, 0.0, 0.0), (0.0, 90.0, 0.0), (0.0, 0.0, 90.0)])
def test_the_nearer_robot_gets_the_task(place, frame, robot):
    """Where the robots' places are of the task's frame; else the names decide."""
    fleet = parse_fleet({'a_far': {'skills': ['wheels'], 'home': [0.0, 0.0, 0.0]},
                         'b_near': {'skills': ['wheels'], 'home': list(place)}})
    service = serve(recording(0, message=message(place=place, frame=frame)), [WHEELS], fleet)
    assert service.robots == {'t0': (robot,)}


def test_deadlines_are_of_the_clock_that_stamped_the_task():
    """Here of a simulation, while the recorder had the time of day."""
    found = recording(1.7e9, 1.7e9 + 1, 1.7e9 + 2,
                      message=message(60, stamp_s=100, deadline_s=161))
    service = serve(found, [WHEELS] * 3, FLEET)
    assert service.outcomes == {'t0': 'completed', 't1': 'completed', 't2': 'expired'}
    assert service.waited_s['t1'] == pytest.approx(59, abs=0.1)


def test_a_thousand_tasks_for_one_robot():
    """What waits long is served in the end, and the time that this takes does not explode."""
    found, began = recording(*range(1000)), time.process_time()
    service = serve(found, [WHEELS] * 1000, FLEET)
    assert time.process_time() - began < 12.0
    assert len(service.robots) == 1000 and set(service.outcomes.values()) == {'completed'}
    assert service.waited_s['t999'] == pytest.approx(999 * WORK_S - 999, abs=5)


def test_tasks_that_were_not_kept():
    with pytest.raises(ValueError, match='not kept'):
        serve(Replayed(ids=['a'], times_ns=[0]), [1], FLEET)
