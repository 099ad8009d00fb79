"""What ``config/`` and the README say of the parameters is what the nodes declare."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

pytest.importorskip('rclpy')

from skill_predictor.allocation.capabilities import load_fleet  # noqa: E402
from skill_predictor.nodes import allocator_parameters, predictor_parameters  # noqa: E402
from skill_predictor.taxonomy import SKILLS  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
NODES = {'predictor': predictor_parameters, 'allocator': allocator_parameters}

pytestmark = pytest.mark.ros


def declared(node: str) -> dict:
    """Parameters with their defaults; ``autostart`` is declared for all managed nodes."""
    found = {'autostart': True}
    NODES[node].declare_parameters(SimpleNamespace(
        declare=lambda name, default, *_, **__: found.update({name: default})))
    return found


def flat(values: dict, prefix: str = '') -> dict:
    found = {}
    for name, value in values.items():
        found.update(flat(value, f'{prefix}{name}.') if isinstance(value, dict)
                     else {prefix + name: value})
    return found


def table_of(node: str) -> dict:
    """Names and defaults of the README's table."""
    text = (ROOT / 'README.md').read_text().split(f'### Parameters of the {node}')[1].split('\n##')[0]
    found = {}
    for line in text.splitlines():
        names, default = (re.findall('`(.*?)`', cell) for cell in (line.split('|') + ['', ''])[1:3])
        if len(names) == len(default):  # not those of a robot, which are under another head
            found.update(zip(names, default))
    return found


@pytest.mark.parametrize('node', NODES)
def test_the_file_shows_every_parameter_with_its_default(node):
    content = yaml.safe_load((ROOT / 'config' / f'{node}.yaml').read_text())
    found = flat(content['/**']['ros__parameters'])
    assert found == declared(node)
    types = {name: type(value) for name, value in found.items()}
    assert types == {name: type(value) for name, value in declared(node).items()}, 'ROS is strict'


@pytest.mark.parametrize('node', NODES)
def test_the_readme_has_every_parameter_with_its_default(node):
    expected = declared(node)
    if node == 'predictor':
        thresholds = {expected.pop(f'thresholds.{skill}') for skill in SKILLS}
        expected['thresholds.<skill>'], = thresholds
    shown = {name: value if isinstance(value, str) and value else
             f'[{", ".join(value)}]' if isinstance(value, list) else json.dumps(value)
             for name, value in expected.items()}
    found = table_of(node)
    assert {name: found.get(name) for name in shown} == shown
    robot = {'skills', 'payload_kg', 'endurance_min', 'speed_mps', 'home', 'home_frame'}
    assert set(found) - set(shown) <= (robot if node == 'allocator' else set())


def test_every_fleet_can_be_read():
    paths = sorted((ROOT / 'config').glob('fleet_*.yaml'))
    assert [path.stem for path in paths] == [
        'fleet_harbour', 'fleet_search_and_rescue', 'fleet_warehouse']
    for path in paths:
        fleet = load_fleet(path)
        assert len(fleet) >= 3, path.name
        given = yaml.safe_load(path.read_text())
        robots = next(value for name, value in fleets_in(given))
        assert set(robots) == set(fleet), path.name


def fleets_in(values: dict):
    """Every mapping called ``fleet``, wherever it lies."""
    for name, value in values.items():
        if name == 'fleet':
            yield name, value
        elif isinstance(value, dict):
            yield from fleets_in(value)
