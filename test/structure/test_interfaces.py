"""Messages and services: every field explained, and the constants those of the taxonomy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from skill_predictor import taxonomy
from skill_predictor.allocation.tasks import Status

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted([*ROOT.glob('msg/*.msg'), *ROOT.glob('srv/*.srv')])
CONSTANT = re.compile(r'^uint8 ([A-Z_]+)=(\d+)')


def constants(name: str) -> dict[str, int]:
    lines = (ROOT / 'msg' / f'{name}.msg').read_text().splitlines()
    return {match[1]: int(match[2]) for match in map(CONSTANT.match, lines) if match}


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_every_field_has_a_comment(path):
    """A comment stands right above a field or behind it; fields in one block share one."""
    explained = False
    for line in path.read_text().splitlines():
        if line.startswith('#'):
            explained = True
        elif not line.strip() or line.strip() == '---':
            explained = False
        else:
            assert explained or '#' in line, f'{path.name}: {line}'


def test_skill_constants_are_the_order_of_the_vector():
    found = constants('SkillVector')
    assert found.pop('SKILL_COUNT') == taxonomy.NUM_SKILLS
    assert found == {name.upper(): index for index, name in enumerate(taxonomy.SKILLS)}


def test_allocation_status_constants_are_those_of_the_ledger():
    assert constants('TaskAllocation') == {
        f'STATUS_{status.name}': status.value for status in Status}


def test_fixed_arrays_have_one_place_per_skill():
    sizes = {path.name: re.findall(r'\[(\d+)\] ', path.read_text()) for path in FILES}
    assert sizes['SkillVector.msg'] and sizes['GetModelInfo.srv']
    for name, found in sizes.items():
        assert set(found) <= {str(taxonomy.NUM_SKILLS)}, name
