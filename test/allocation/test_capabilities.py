"""Robots and fleets: what is read, what is refused, and what the refusal says."""

from array import array
import math
import subprocess
import sys

import numpy as np
import pytest

from skill_predictor.allocation.capabilities import (
    FIELDS, FleetError, parse_fleet, parse_robot, Robot, skill_mask)
from skill_predictor.taxonomy import UnknownSkillError

AMR = {'skills': ['wheels'], 'payload_kg': 30.0, 'endurance_min': 480.0, 'speed_mps': 1.5,
       'home': [1.0, 2.0, 0.5], 'home_frame': 'map'}


def problems_of(description, robot_id='amr_1'):
    with pytest.raises(FleetError) as caught:
        parse_robot(robot_id, description)
    assert str(caught.value) == '\n'.join(caught.value.problems)
    return caught.value.problems


def the_problem_of(description):
    problems = problems_of(description)
    assert len(problems) == 1, problems
    return problems[0]


def test_every_field_is_read():
    assert parse_robot('amr_1', AMR) == Robot(
        'amr_1', ('wheels',), 30.0, 480.0, 1.5, (1.0, 2.0, 0.5), 'map')


def test_only_skills_are_required():
    assert parse_robot('amr_1', {'skills': ['wheels']}) == Robot(
        'amr_1', ('wheels',), payload_kg=0.0, endurance_min=math.inf, speed_mps=1.0,
        home=(0.0, 0.0, 0.0), home_frame='map')


def test_skills_are_distinct_and_in_vector_order():
    robot = parse_robot('q', {'skills': ['hands', 'fly', 'hands', 'legs']})
    assert robot.skills == ('fly', 'legs', 'hands')
    assert robot.mask == 0b100101 == skill_mask(('hands', 'legs', 'fly'))


def test_a_robot_made_by_hand_is_ordered_and_checked_too():
    assert Robot('q', ('hands', 'fly', 'hands')).skills == ('fly', 'hands')
    with pytest.raises(UnknownSkillError):
        Robot('q', ('swim',))


def test_integers_are_taken_for_numbers_and_a_height_may_be_left_out():
    robot = parse_robot('a', {'skills': ['wheels'], 'payload_kg': 30, 'endurance_min': 60,
                              'speed_mps': 2, 'home': [1, 2]})
    assert (robot.payload_kg, robot.endurance_min, robot.speed_mps) == (30.0, 60.0, 2.0)
    assert robot.home == (1.0, 2.0, 0.0)
    assert all(isinstance(value, float) for value in (*robot.home, robot.payload_kg))


@pytest.mark.parametrize('home', [
    (1.0, 2.0, 3.0), array('d', [1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]),
    np.array([1, 2, 3])])
def test_sequences_that_are_not_lists_are_read(home):
    robot = parse_robot('a', {'skills': ('wheels',), 'home': home})
    assert robot.home == (1.0, 2.0, 3.0)


def test_unlimited_endurance_may_be_written():
    assert parse_robot('a', {'skills': ['fly'], 'endurance_min': math.inf}).endurance_min \
        == math.inf


def test_missing_skills_are_named():
    problem = the_problem_of({'payload_kg': 1.0})
    assert problem.startswith('amr_1.skills: is missing') and '[wheels, hands]' in problem


@pytest.mark.parametrize('skills', [[], 'wheels', None, {'wheels': True}, 3])
def test_skills_must_be_a_list_with_something_in_it(skills):
    problem = the_problem_of({'skills': skills})
    assert problem.startswith('amr_1.skills: must be a list') and '[wheels, hands]' in problem


@pytest.mark.parametrize('written, meant', [
    ('wheel', 'wheels'), ('Legs', 'legs'), ('underwater', 'under_water'), ('hand', 'hands')])
def test_an_unknown_skill_suggests_the_nearest(written, meant):
    problem = the_problem_of({'skills': ['fly', written]})
    assert problem.startswith('amr_1.skills:')
    assert repr(written) in problem and f'did you mean {meant}?' in problem


def test_every_unknown_skill_is_named_and_without_a_near_one_all_are_listed():
    problem = the_problem_of({'skills': ['xyzzy', 7, 'wheels']})
    assert "'xyzzy'" in problem and '7' in problem
    assert 'fly, wheels, legs, surface_water, under_water, hands' in problem


@pytest.mark.parametrize('written, meant', [
    ('payload', 'payload_kg'), ('speed', 'speed_mps'), ('endurance', 'endurance_min'),
    ('skill', 'skills'), ('home_fram', 'home_frame')])
def test_an_unknown_field_suggests_the_nearest(written, meant):
    problem = the_problem_of({'skills': ['wheels'], written: 1.0})
    assert problem == f'amr_1.{written}: is not a field; did you mean {meant}?'


@pytest.mark.parametrize('field', ['robot_id', 'mask', 42])
def test_a_field_that_is_no_field_lists_all(field):
    problem = the_problem_of({'skills': ['wheels'], field: 1.0})
    assert f'amr_1.{field}: is not a field' in problem


def test_fields_are_those_of_the_robot():
    assert FIELDS == ('skills', 'payload_kg', 'endurance_min', 'speed_mps', 'home', 'home_frame')


@pytest.mark.parametrize('field', ['payload_kg', 'endurance_min', 'speed_mps'])
@pytest.mark.parametrize('value', [True, False, '30.0', None, [30.0], math.nan, -1.0, -math.inf])
def test_numbers_are_checked(field, value):
    problem = the_problem_of({'skills': ['wheels'], field: value})
    assert problem.startswith(f'amr_1.{field}: must be a ')
    assert 'as in' in problem and repr(value) in problem


@pytest.mark.parametrize('field, value, good', [
    ('payload_kg', 0, True), ('endurance_min', 0, False), ('speed_mps', 0.0, False),
    ('payload_kg', math.inf, False), ('endurance_min', math.inf, True),
    ('speed_mps', math.inf, False)])
def test_limits_of_numbers(field, value, good):
    description = {'skills': ['wheels'], field: value}
    if good:
        assert getattr(parse_robot('a', description), field) == value
    else:
        assert f'amr_1.{field}: must be a' in the_problem_of(description)


@pytest.mark.parametrize('home', [
    [], [1.0], [1.0, 2.0, 3.0, 4.0], [1.0, True], [1.0, 'x'], [math.nan, 0.0], [0.0, math.inf],
    'map', 5.0, None, {'x': 1.0, 'y': 2.0}])
def test_home_is_two_or_three_finite_numbers(home):
    problem = the_problem_of({'skills': ['wheels'], 'home': home})
    assert problem.startswith('amr_1.home: must be two or three finite numbers')
    assert '[1.5, 0.0, 0.0]' in problem


@pytest.mark.parametrize('frame', ['', None, 3, ['map']])
def test_home_frame_is_a_name(frame):
    assert the_problem_of({'skills': ['wheels'], 'home_frame': frame}).startswith(
        'amr_1.home_frame: must be the name of a frame')


def test_every_problem_of_a_robot_is_told():
    problems = problems_of({'payload_kg': -1, 'colour': 'red', 'home': [0]})
    assert [problem.split(':')[0] for problem in problems] == [
        'amr_1.skills', 'amr_1.payload_kg', 'amr_1.colour', 'amr_1.home']


def test_every_problem_of_a_fleet_is_told_at_once():
    with pytest.raises(FleetError) as caught:
        parse_fleet({'a': {'skills': ['wings']}, 'b': AMR, 'c': None, 4: AMR,
                     'd': {'skills': ['fly'], 'speed_mps': True, 'payload_kg': 'x'}})
    lines = str(caught.value).splitlines()
    assert [line.split(':')[0] for line in lines] == [
        'a.skills', 'c', '4', 'd.speed_mps', 'd.payload_kg']
    assert 'quotes' in lines[2]


def test_a_fleet_keeps_ids_and_order():
    fleet = parse_fleet({'z': AMR, 'a': {'skills': ['fly']}})
    assert list(fleet) == ['z', 'a']
    assert all(robot.robot_id == robot_id for robot_id, robot in fleet.items())


@pytest.mark.parametrize('nothing', [{}, None, [], 'amr_1'])
def test_a_fleet_without_robots_is_refused(nothing):
    with pytest.raises(FleetError, match=r'no robots; .*fleet: \{amr_1: \{skills'):
        parse_fleet(nothing)


def test_the_package_needs_neither_ros_nor_torch_nor_yaml():
    code = ('import sys, skill_predictor.allocation.ledger, skill_predictor.allocation.matching; '
            'print([name for name in ("rclpy", "torch", "yaml") if name in sys.modules])')
    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == '[]'
