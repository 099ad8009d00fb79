"""Values in a grid file, and versions in a list of packages, that must not pass for others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from skill_predictor.dataset.generation.grid import CoverageGrid, DEFAULT_GRID, GridError


@pytest.mark.parametrize('change, said', [
    ({'domains': 'ports'}, "domains must be a list, not 'ports'"),
    ({'voices': {'chief': 1}}, 'voices must be a list'),
    ({'skill_sets': {'fly': float('nan')}}, 'a number above 0'),
    ({'skill_sets': {'fly': float('inf')}}, 'a number above 0'),
    ({'skill_sets': {'fly': -1, 'legs': 2}}, 'a number above 0')])
def test_values_that_are_none_are_explained(tmp_path, change, said):
    path = tmp_path / 'grid.yaml'
    path.write_text(yaml.safe_dump({**yaml.safe_load(DEFAULT_GRID.read_text()), **change}))
    with pytest.raises(GridError, match=said):
        CoverageGrid.read(path)


def test_scikit_learn_is_new_enough_to_shuffle_groups():
    # GroupKFold(shuffle=...) of the cross-validation came with 1.6.
    listed = (Path(__file__).parents[2] / 'requirements' / 'dataset.txt').read_text()
    least = re.search(r'^scikit-learn>=(\d+)\.(\d+)', listed, re.M)
    assert (int(least[1]), int(least[2])) >= (1, 6)
