"""Where a model is found, and what is said when it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from skill_predictor.inference import locations
from skill_predictor.inference.errors import ModelError


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch, tmp_path):
    for name in ('SKILL_PREDICTOR_MODEL', 'SKILL_PREDICTOR_CACHE', 'AMENT_PREFIX_PATH',
                 'XDG_CACHE_HOME'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('HOME', str(tmp_path / 'home'))
    monkeypatch.chdir(tmp_path)


def _model(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / 'config.json').write_text('{}')
    return folder


def test_a_folder_is_taken_as_it_is(tmp_path):
    folder = _model(tmp_path / 'mine')
    assert locations.find_model(folder) == folder
    assert locations.find_model('mine') == folder, 'relative to the working folder'


def test_the_environment_names_the_model_unless_the_caller_does(tmp_path, monkeypatch):
    mine, other = _model(tmp_path / 'mine'), _model(tmp_path / 'other')
    monkeypatch.setenv('SKILL_PREDICTOR_MODEL', str(mine))
    assert locations.find_model() == mine
    assert locations.find_model('') == mine, 'an empty ROS parameter is an unset one'
    assert locations.find_model(other) == other


def test_overlays_are_searched_before_the_checkout_and_in_their_order(tmp_path, monkeypatch):
    first = _model(tmp_path / 'overlay/share/skill_predictor/models' / locations.DEFAULT_MODEL)
    _model(tmp_path / 'underlay/share/skill_predictor/models' / locations.DEFAULT_MODEL)
    only = _model(tmp_path / 'underlay/share/skill_predictor/models/special')
    monkeypatch.setenv(
        'AMENT_PREFIX_PATH', f'{tmp_path / "overlay"}::{tmp_path / "underlay"}')
    assert locations.find_model() == first
    assert locations.find_model('special') == only


def test_the_python_environment_is_searched(tmp_path, monkeypatch):
    monkeypatch.setattr(locations.sys, 'prefix', str(tmp_path / 'venv'))
    model = _model(tmp_path / 'venv/share/skill_predictor/models/special')
    assert locations.find_model('special') == model


def test_a_missing_model_is_named_with_every_place(tmp_path, monkeypatch):
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path / 'overlay'))
    with pytest.raises(ModelError) as caught:
        locations.find_model('no-such-model')
    message = str(caught.value)
    assert "'no-such-model'" in message
    assert str(tmp_path / 'overlay/share/skill_predictor/models/no-such-model') in message
    assert str(Path(locations.sys.prefix) / 'share/skill_predictor/models') in message


def test_a_missing_path_is_not_looked_for_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path / 'overlay'))
    _model(tmp_path / 'overlay/share/skill_predictor/models/special')
    with pytest.raises(ModelError, match='elsewhere/special') as caught:
        locations.find_model('elsewhere/special')
    assert 'overlay' not in str(caught.value)


def test_a_folder_without_config_is_no_model(tmp_path):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ModelError, match='config.json'):
        locations.find_model(tmp_path / 'empty')


def test_the_cache_folder(tmp_path, monkeypatch):
    assert locations.cache_dir() == tmp_path / 'home/.cache/skill_predictor'
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'xdg'))
    assert locations.cache_dir() == tmp_path / 'xdg/skill_predictor'
    monkeypatch.setenv('SKILL_PREDICTOR_CACHE', '~/mine')
    assert locations.cache_dir() == tmp_path / 'home/mine'
    assert not (tmp_path / 'home').exists(), 'looking does not make folders'
