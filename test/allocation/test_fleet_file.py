"""Fleets that are read from ROS parameter files."""

import pytest

from skill_predictor.allocation.capabilities import FleetError, load_fleet, Robot

FLEET_YAML = """
    fleet:
      amr_1: {skills: [wheels], payload_kg: 30, home: [0.0, 1.0, 0.0]}
      drone_1:
        skills: [fly]
        endurance_min: .inf
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / 'fleet.yaml'
        path.write_text(text, encoding='utf-8')
        return path
    return write


@pytest.mark.parametrize('head', [
    '/**:\n', '/**/fleet_allocator:\n', 'fleet_allocator:\n', '/fleet_allocator:\n'])
def test_a_file_is_read_under_any_node_name(write, head):
    fleet = load_fleet(write(f'{head}  ros__parameters:{FLEET_YAML}'))
    assert fleet == {'amr_1': Robot('amr_1', ('wheels',), 30.0, home=(0.0, 1.0, 0.0)),
                     'drone_1': Robot('drone_1', ('fly',))}


def test_a_file_is_read_under_nested_namespaces_and_beside_other_nodes(write):
    text = ('skill_predictor:\n  ros__parameters: {backend: auto}\n'
            'site:\n hall:\n  fleet_allocator:\n   ros__parameters:\n'
            '    robot_timeout_s: 5.0\n    fleet:\n     amr_1: {skills: [wheels]}\n')
    assert list(load_fleet(str(write(text)))) == ['amr_1']


@pytest.mark.parametrize('text', [
    '', '[]', '/**: {ros__parameters: {backend: auto}}', 'fleet: {amr_1: {skills: [wheels]}}',
    '/**: {ros__parameters: fleet}'])
def test_a_file_without_a_fleet_is_refused(write, text):
    path = write(text)
    with pytest.raises(FleetError, match='has no fleet; write it under') as caught:
        load_fleet(path)
    assert str(path) in str(caught.value)


def test_a_file_with_two_fleets_is_refused(write):
    one = 'ros__parameters: {fleet: {amr_1: {skills: [wheels]}}}'
    with pytest.raises(FleetError, match=r'2 fleets, under a, b/c; keep one'):
        load_fleet(write(f'a: {{{one}}}\nb: {{c: {{{one}}}}}\n'))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FleetError, match='no_such.yaml: cannot be read'):
        load_fleet(tmp_path / 'no_such.yaml')
    with pytest.raises(FleetError, match='cannot be read'):
        load_fleet(tmp_path)


def test_a_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / 'fleet.yaml').write_bytes(b'\xff\xfe\x00\x81')
    with pytest.raises(FleetError, match='cannot be read'):
        load_fleet(tmp_path / 'fleet.yaml')


def test_bad_yaml_tells_where(write):
    with pytest.raises(FleetError, match=r'(?s)is not valid YAML.*line 2'):
        load_fleet(write('/**:\n  ros__parameters: {fleet: [}\n'))


def test_a_list_as_a_key_is_refused(write):
    with pytest.raises(FleetError, match='is not valid YAML'):
        load_fleet(write('? [a, b]\n: c\n'))


def test_python_objects_in_yaml_are_not_made(write):
    with pytest.raises(FleetError, match='is not valid YAML'):
        load_fleet(write('/**: !!python/object/apply:os.getcwd []\n'))


def test_two_robots_with_one_name_are_refused(write):
    with pytest.raises(FleetError, match="(?s)'amr_1' is written twice.*line 5"):
        load_fleet(write('/**:\n ros__parameters:\n  fleet:\n   amr_1: {skills: [wheels]}\n'
                         '   amr_1: {skills: [legs]}\n'))


def test_yaml_anchors_and_overriding_merges_still_work(write):
    fleet = load_fleet(write(
        '/**:\n ros__parameters:\n  fleet:\n   a: &a {skills: [wheels], payload_kg: 3}\n'
        '   b: &b {<<: *a, payload_kg: 4}\n   c: {<<: *b, payload_kg: 5}\n'))
    assert [robot.payload_kg for robot in fleet.values()] == [3.0, 4.0, 5.0]


def test_problems_in_a_file_name_the_file(write):
    path = write('/**: {ros__parameters: {fleet: {a: {skills: []}, b: {}}}}')
    with pytest.raises(FleetError) as caught:
        load_fleet(path)
    assert len(caught.value.problems) == 2
    assert all(problem.startswith(f'{path}: ') for problem in caught.value.problems)
