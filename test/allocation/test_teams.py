"""The choice of a team for one task."""

from allocation_helpers import at, here, task

from skill_predictor.allocation.matching import adopt, choose, Status
from skill_predictor.taxonomy import SKILLS


def test_a_team_covers_what_no_single_robot_can():
    choice = choose(task('wheels', 'hands'), [at('arm', 'hands'), at('amr', 'wheels')])
    assert (choice.status, choice.robots, choice.score) == (Status.TEAM, ('amr', 'arm'), 0.0)
    assert choice.reason == ('amr (wheels) and arm (hands) share the task; '
                             'nobody who could do it alone is free')


def test_one_robot_goes_before_a_team_whatever_its_score():
    everything = at('z', *SKILLS, x=1e5, battery=0.2)
    fleet = [at('amr', 'wheels'), at('arm', 'hands'), everything]
    assert choose(here('wheels', 'hands'), fleet).robots == ('z',)


def test_a_free_team_goes_before_a_busy_robot():
    fleet = [at('amr', 'wheels'), at('arm', 'hands'), at('z', 'wheels', 'hands', busy='x')]
    assert choose(task('wheels', 'hands'), fleet).status is Status.TEAM


def test_the_smallest_team_is_taken_whatever_its_score():
    fleet = [at('a', 'fly'), at('b', 'legs'), at('c', 'hands'),
             at('z', 'legs', 'hands', 'wheels', x=9e5)]
    assert choose(here('fly', 'legs', 'hands'), fleet).robots == ('a', 'z')


def test_of_equal_teams_the_one_with_less_surplus_then_nearer_then_fuller_is_taken():
    legs = at('l', 'legs')
    fleet = [legs, at('a', 'fly', 'wheels'), at('b', 'fly', x=50.0)]
    assert choose(here('fly', 'legs'), fleet).robots == ('b', 'l')
    assert choose(here('fly', 'legs'), [*fleet, at('c', 'fly', x=49.0)]).robots == ('c', 'l')
    near = [legs, at('b', 'fly', battery=0.5), at('c', 'fly', battery=0.6)]
    assert choose(here('fly', 'legs'), near).robots == ('c', 'l')


def test_a_skill_that_a_team_has_twice_is_surplus():
    fleet = [at('a', 'fly', 'legs'), at('b', 'legs', 'hands')]
    choice = choose(task('fly', 'legs', 'hands'), fleet)
    assert (choice.status, choice.score) == (Status.TEAM, 1.0)
    better = choose(task('fly', 'legs', 'hands'), [*fleet, at('c', 'hands', x=900.0)])
    assert (better.robots, better.score) == (('a', 'c'), 0.0)


def test_the_team_size_is_limited():
    fleet = [at(skill, skill) for skill in SKILLS]
    assert choose(task(*SKILLS[:4]), fleet).status is Status.TEAM
    choice = choose(task(*SKILLS[:5]), fleet)
    assert (choice.status, choice.missing) == (Status.IMPOSSIBLE, ())
    assert 'would take a team of 5 robots, and at most 4 may' in choice.reason
    assert 'a team of 6 robots' in choose(task(*SKILLS), fleet).reason
    assert len(choose(task(*SKILLS), fleet, max_team_size=6).robots) == 6
    assert choose(task('fly', 'legs'), fleet, max_team_size=1).status is Status.IMPOSSIBLE


def test_a_team_needs_a_member_that_moves_and_carries():
    amr, arm = at('amr', 'wheels', payload_kg=5.0), at('arm', 'hands', payload_kg=50.0)
    request = task('wheels', 'hands', payload_kg=20.0)
    choice = choose(request, [amr, arm])
    assert (choice.status, choice.missing) == (Status.IMPOSSIBLE, ())
    assert 'can carry 20 kg (the strongest carries 5 kg)' in choice.reason
    truck = at('truck', 'wheels', payload_kg=20.0, x=70.0)
    choice = choose(request, [amr, arm, truck])
    assert choice.robots == ('arm', 'truck') and 'truck carries 20 kg' in choice.reason


def test_a_robot_on_the_spot_may_lift_what_it_need_not_move():
    arm = at('arm', 'hands', payload_kg=50.0)
    assert choose(task('hands', payload_kg=20.0), [arm]).robots == ('arm',)


def test_a_member_may_be_there_only_to_carry_if_it_has_a_required_skill():
    weak = at('weak', 'wheels', 'hands')
    request = task('wheels', 'hands', payload_kg=20.0)
    choice = choose(request, [weak, at('truck', 'wheels', payload_kg=20.0)])
    assert (choice.status, choice.robots, choice.score) == (Status.TEAM, ('truck', 'weak'), 1.0)
    boat = at('boat', 'surface_water', payload_kg=20.0)
    assert choose(request, [weak, boat]).status is Status.IMPOSSIBLE


def test_every_member_of_a_team_must_last():
    fleet = [at('amr', 'wheels'), at('arm', 'hands', endurance_min=5.0)]
    assert choose(task('wheels', 'hands', duration_s=300.0), fleet).status is Status.TEAM
    choice = choose(task('wheels', 'hands', duration_s=301.0), fleet)
    assert choice.status is Status.IMPOSSIBLE and 'lasts' in choice.reason


def test_several_limits_together_are_blamed_together():
    fleet = [at('amr', 'wheels', payload_kg=5.0), at('arm', 'hands', endurance_min=5.0)]
    choice = choose(task('wheels', 'hands', duration_s=400.0, payload_kg=9.0), fleet)
    assert (choice.status, choice.missing) == (Status.IMPOSSIBLE, ())
    assert 'all of the limits' in choice.reason


def test_a_busy_member_of_a_team_is_waited_for_and_named():
    fleet = [at('amr', 'wheels'), at('arm_1', 'hands', busy='x'),
             at('boss', 'wheels', busy='y')]
    choice = choose(task('wheels', 'hands'), fleet)
    assert choice.status is Status.WAITING
    assert choice.reason == 'amr and arm_1 could do it together, but arm_1 is busy with x'


def test_work_stays_with_those_who_can_do_it():
    amr, arm = at('amr', 'wheels', payload_kg=9.0), at('arm', 'hands', payload_kg=99.0)
    choice = adopt(task('wheels', 'hands', payload_kg=9.0), [arm, amr])
    assert (choice.status, choice.robots) == (Status.TEAM, ('amr', 'arm'))
    assert choice.reason == 'amr and arm are already working on it'
    assert adopt(task('hands', payload_kg=99.0), [arm]).status is Status.ASSIGNED
    assert adopt(task('hands', payload_kg=99.0), [arm, amr]).robots == ('arm',)
    for request, team in [
            (task('wheels', 'hands'), [amr]), (task('wheels', 'fly'), [amr, arm]),
            (task('wheels', 'hands', payload_kg=10.0), [amr, arm]),
            (task('wheels', payload_kg=10.0), [amr]), (task('wheels'), []), (task(), [amr]),
            (task('wheels', duration_s=61.0), [at('a', 'wheels', endurance_min=1.0)])]:
        assert adopt(request, team) is None


def test_work_does_not_stay_with_more_robots_than_it_takes():
    arms = [at(f'arm_{number}', 'hands') for number in range(6)]
    assert adopt(task('hands'), arms).robots == ('arm_0',)
    short_of_breath = at('h', 'hands', endurance_min=1.0)
    choice = adopt(task('fly', duration_s=600.0), [at('a', 'fly', battery=0.01), short_of_breath])
    assert (choice.status, choice.robots) == (Status.ASSIGNED, ('a',))
    pair = [at('w', 'wheels'), at('h', 'hands'), at('v', 'wheels', 'legs')]
    assert adopt(task('wheels', 'hands'), pair).robots == ('h', 'w')
    assert adopt(task('wheels', 'hands'), pair, max_team_size=1) is None
