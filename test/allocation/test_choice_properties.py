"""Properties of the choice and of its score, on random fleets; and its speed."""

from dataclasses import replace
from itertools import combinations
import math
import random
import time

from allocation_helpers import at, here, task
import pytest

from skill_predictor.allocation.capabilities import Robot
from skill_predictor.allocation.matching import (
    choose, choose_able, distance, RobotStatus, score, Status, TaskRequest)
from skill_predictor.taxonomy import SKILLS


def random_fleet(rng, size):
    return [RobotStatus(
        Robot(f'r{index}', tuple(rng.sample(SKILLS, rng.randint(1, 3))),
              rng.choice([0.0, 5.0, 20.0]), rng.choice([10.0, 60.0, math.inf]),
              home=(rng.uniform(0, 300), 0.0, 0.0)),
        rng.random() > 0.1, rng.choice([None, rng.random()]),
        busy_with=rng.choice([None, None, None, 'x'])) for index in range(size)]


def random_task(rng):
    return TaskRequest(
        't', tuple(rng.sample(SKILLS, rng.randint(1, 4))), payload_kg=rng.choice([0, 0, 5, 20]),
        duration_s=rng.choice([None, 300.0, 1800.0]),
        location=rng.choice([None, (rng.uniform(0, 300), 0.0, 0.0)]), frame='map')


def by_hand(request, statuses, max_team_size, full):
    """Try every team; ``full``: as if every robot were free, with a full battery."""
    def fit(status):
        battery = 1.0 if full or status.battery is None else status.battery
        way = (distance(request, status) or 0.0) if not full else 0.0
        needs = max(request.duration_s or 0.0, way / status.robot.speed_mps)
        return (battery * status.robot.endurance_min * 60 >= needs and
                (full or status.available and not status.busy_with and battery >= 0.15))

    fits = [status for status in statuses
            if fit(status) and set(status.robot.skills) & set(request.required)]
    for size in range(1, max_team_size + 1):
        teams = []
        for team in combinations(fits, size):
            covers = set(request.required) <= {s for m in team for s in m.robot.skills}
            carries = not request.payload_kg or any(
                m.robot.payload_kg >= request.payload_kg
                and (size == 1 or set(m.robot.skills) - {'hands'}) for m in team)
            if covers and carries:
                teams.append(team)
        if teams:
            return min(teams, key=lambda team: (
                round(score(request, team), 9), [m.robot.robot_id for m in team]))
    return None


def test_the_choice_is_the_one_of_an_exhaustive_search():
    rng = random.Random(11)
    seen = set()
    for _ in range(600):
        request, fleet = random_task(rng), random_fleet(rng, rng.randint(1, 9))
        size = rng.randint(1, 4)
        choice = choose(request, fleet, max_team_size=size)
        best = by_hand(request, fleet, size, full=False)
        seen.add(choice.status)
        assert (choice.status in (Status.ASSIGNED, Status.TEAM)) == (best is not None)
        if best:
            assert len(choice.robots) == len(best)
            assert choice.score == pytest.approx(score(request, best))
            chosen = [status for status in fleet if status.robot.robot_id in choice.robots]
            assert choice.score == pytest.approx(score(request, chosen))
        else:
            capable = by_hand(request, fleet, size, full=True)
            assert choice.status is (Status.WAITING if capable else Status.IMPOSSIBLE)
        rng.shuffle(fleet)
        assert choose(request, fleet, max_team_size=size) == choice
    assert seen == {Status.ASSIGNED, Status.TEAM, Status.WAITING, Status.IMPOSSIBLE}


def test_one_surplus_skill_outweighs_any_distance_and_battery():
    rng = random.Random(5)
    for _ in range(1000):
        size = rng.randint(1, 3)
        lean = [at(f'r{n}', 'fly', x=rng.choice([1e3, 1e12]), battery=0.0) for n in range(size)]
        rich = [at(f'r{n}', 'fly', battery=1.0) for n in range(size - 1)]
        rich.append(at('s', 'fly', rng.choice(SKILLS[1:])))
        assert size - 1 <= score(here('fly'), lean) < size <= score(here('fly'), rich)


def test_among_equal_skills_the_score_rises_with_distance_and_falls_with_battery():
    rng = random.Random(6)
    for _ in range(1000):
        metres, charge = rng.uniform(0, 1e4), rng.uniform(0.2, 1.0)
        others = [at(f'r{n}', 'fly', x=rng.uniform(0, 99)) for n in range(rng.randint(0, 2))]
        cost = score(here('fly'), [at('a', 'fly', x=metres, battery=charge), *others])
        farther = at('a', 'fly', x=metres + rng.uniform(0.1, 1e4), battery=charge)
        emptier = at('a', 'fly', x=metres, battery=charge - rng.uniform(0.01, 0.2))
        assert score(here('fly'), [farther, *others]) > cost
        assert score(here('fly'), [emptier, *others]) > cost


@pytest.mark.parametrize('near, far', [(0.0, 11.2), (50.0, 76.5), (100.0, 150.1)])
def test_how_much_farther_outweighs_any_battery(near, far):
    empty, full = at('a', 'fly', x=near, battery=0.0), at('b', 'fly', x=far, battery=1.0)
    assert score(here('fly'), [empty]) < score(here('fly'), [full])
    less_far = replace(full, position=(far - 0.3, 0.0, 0.0))
    assert score(here('fly'), [empty]) > score(here('fly'), [less_far])


def test_nobody_has_no_score():
    with pytest.raises(ValueError, match='at least one member'):
        score(task('fly'), [])


def test_the_quick_half_agrees_with_the_whole():
    rng = random.Random(3)
    for _ in range(200):
        request, fleet = random_task(rng), random_fleet(rng, 6)
        able, whole = choose_able(request, fleet), choose(request, fleet)
        assert whole == able if able else whole.status in (Status.WAITING, Status.IMPOSSIBLE)
    assert choose_able(task(), [at('a', 'fly')]) is None


def test_large_fleets_stay_fast():
    rng = random.Random(2)
    fleet = [replace(status, available=True, busy_with=None)
             for status in random_fleet(rng, 500)]
    tasks = [random_task(rng) for _ in range(1000)]
    start = time.process_time()
    for request in tasks:
        choose(request, fleet)
    assert time.process_time() - start < 10.0  # about 1.5 s on one core of a laptop


def test_the_hardest_team_stays_fast():
    fleet = [at(f'r{mask}', *(s for bit, s in enumerate(SKILLS) if mask >> bit & 1),
                payload_kg=5.0 * (mask % 2)) for mask in range(1, 63)]
    start = time.process_time()
    for _ in range(20):
        choose(task(*SKILLS, payload_kg=9.0), fleet)
    assert time.process_time() - start < 5.0
