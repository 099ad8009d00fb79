"""What ``evaluate_bag.launch.py`` says when it is given no bag; without ``launch``, by stand-ins."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

import launch_stand_ins

FILE = Path(__file__).resolve().parents[2] / 'launch' / 'evaluate_bag.launch.py'


def test_an_empty_name_of_a_bag_is_said(monkeypatch):
    if importlib.util.find_spec('launch_ros') is None:
        launch_stand_ins.install(monkeypatch)
    from launch import LaunchContext
    content = {'__file__': str(FILE), '__name__': 'a_launch_file'}
    exec(compile(FILE.read_text(), FILE, 'exec'), content)
    context = LaunchContext()
    context.launch_configurations.update(dict.fromkeys(content['TYPES'], ''))
    with pytest.raises(RuntimeError, match='say which recording: bag:='):
        content['_start'](context)
