"""The coverage grid: plans are even, repeatable and possible."""

from __future__ import annotations

from collections import Counter

import pytest
import yaml

from skill_predictor.dataset.boundaries import BOUNDARIES
from skill_predictor.dataset.generation.grid import CoverageGrid, DEFAULT_GRID, GridError
from skill_predictor.dataset.generation.prompts import messages


@pytest.fixture(scope='module')
def grid():
    return CoverageGrid.read()


def test_own_grid_is_as_wide_as_the_dataset_must_be(grid):
    assert len(grid.domains) >= 60 and len(set(grid.domains)) == len(grid.domains)
    assert {(), ('hands',), ('fly', 'surface_water')} <= set(grid.skill_sets)
    assert len(grid.skill_sets) >= 30


def test_plan_holds_every_axis_evenly(grid):
    plan = grid.plan(1380, 10, seed=3)
    cells = [cell for request in plan for cell in request.cells]
    assert len(cells) == 1380 and len(plan) == 138
    assert set(Counter(request.domain for request in plan).values()) == {1}
    registers = Counter(cell.register for cell in cells)
    assert max(registers.values()) - min(registers.values()) <= 1
    total = sum(grid.skill_sets.values())
    counts = Counter(cell.skills for cell in cells)
    for skills, share in grid.skill_sets.items():
        assert abs(counts[skills] - 1380 * share / total) <= 1


def test_places_suit_the_movers(grid):
    for request in grid.plan(500, 10, seed=0):
        for cell in request.cells:
            movers = set(cell.skills) - {'hands'}
            assert movers <= grid.environments.get(cell.environment, movers)


def test_same_seed_same_plan_and_ids_differ(grid):
    plan = grid.plan(100, 7, seed=5)
    assert plan == grid.plan(100, 7, seed=5) != grid.plan(100, 7, seed=6)
    assert len({request.id for request in plan}) == len(plan) == 15
    assert [request.tasks for request in plan][-1] == 2


def test_boundary_plan_covers_every_kind(grid):
    plan = grid.plan_boundaries(2 * len(BOUNDARIES), 1, seed=1)
    assert Counter(request.boundary.name for request in plan) == dict.fromkeys(BOUNDARIES, 2)
    assert all(request.tasks == 2 for request in plan)
    only = grid.plan_boundaries(5, 2, seed=1, kinds=['carry'])
    assert [request.pairs for request in only] == [2, 2, 1]
    assert {request.boundary.name for request in only} == {'carry'}


def test_prompts_say_what_is_asked_for(grid):
    request = grid.plan(3, 3, seed=2)[0]
    system, user = messages(request, 'THE GUIDE')
    assert 'THE GUIDE' in system['content'] and request.domain in user['content']
    for cell in request.cells:
        assert (', '.join(cell.skills) or 'empty set') in user['content']
        assert cell.register in user['content']
    pairs = grid.plan_boundaries(4, 4, seed=2, kinds=['height'])[0]
    text = messages(pairs, 'THE GUIDE')[1]['content']
    assert '4 contrast pairs' in text and BOUNDARIES['height'].reading in text


@pytest.mark.parametrize('change, said', [
    ({'domains': []}, 'domains is empty'),
    ({'domains': None}, 'must be a list, not None'),
    ({'lengths': [[5, 2]]}, 'fewest, most'),
    ({'skill_sets': {'fly+swim': 1}}, "unknown skill 'swim'"),
    ({'skill_sets': {'fly': 0}}, 'above 0'),
    ({'environments': {'a': ['rails']}}, "unknown skill 'rails'"),
])
def test_bad_grid_is_explained(tmp_path, change, said):
    entries = yaml.safe_load(DEFAULT_GRID.read_text())
    path = tmp_path / 'grid.yaml'
    path.write_text(yaml.safe_dump({**entries, **change}))
    with pytest.raises(GridError, match=f'{path}.*{said}'):
        CoverageGrid.read(path)


@pytest.mark.parametrize('content', ['', '[', '- 1', 'domains: [a]'])
def test_file_that_is_no_grid_is_explained(tmp_path, content):
    path = tmp_path / 'grid.yaml'
    path.write_text(content)
    with pytest.raises(GridError, match=str(path)):
        CoverageGrid.read(path)
