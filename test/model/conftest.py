"""A cache for what the tests build in minutes and nobody else needs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from skill_predictor.inference.locations import CACHE_ENV, cache_dir


@pytest.fixture(scope='session')
def _own_cache(tmp_path_factory) -> Path:
    weights = cache_dir().resolve() / 'encoders'
    weights.mkdir(parents=True, exist_ok=True)  # downloads shall stay
    folder = tmp_path_factory.mktemp('cache')
    (folder / 'encoders').symlink_to(weights)
    yield folder
    shutil.rmtree(folder)  # a gigabyte, of which pytest would keep three


@pytest.fixture
def own_cache(_own_cache, monkeypatch) -> Path:
    """A cache of the tests' own, with the user's copies of the published weights."""
    monkeypatch.setenv(CACHE_ENV, str(_own_cache))
    return _own_cache
