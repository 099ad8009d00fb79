"""Processors that control groups allow, on folders made like theirs."""

from __future__ import annotations

import os

import pytest

from skill_predictor.inference.processors import usable_processors


@pytest.fixture
def usable(tmp_path, monkeypatch):
    """Count with 16 processors by affinity, a membership, and files of groups."""
    monkeypatch.setattr(os, 'sched_getaffinity', lambda process: set(range(16)))

    def usable(membership, files):
        for name, text in files.items():
            path = tmp_path / 'mounts' / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (tmp_path / 'membership').write_text(membership)
        return usable_processors(tmp_path / 'mounts', tmp_path / 'membership')
    return usable


@pytest.mark.parametrize('limit, count', [
    ('200000 100000\n', 2), ('150000 100000\n', 2), ('50000 100000\n', 1), ('max 100000\n', 16),
    ('9900000 100000\n', 16), ('', 16), ('what\n', 16), ('100 0\n', 16)])
def test_a_container_of_version_2(usable, limit, count):
    assert usable('0::/\n', {'cpu.max': limit}) == count


def test_a_limit_further_up_holds(usable):
    assert usable('0::/robots/predictor\n', {
        'robots/cpu.max': '300000 100000', 'robots/predictor/cpu.max': 'max 100000'}) == 3


@pytest.mark.parametrize('quota, count', [('400000', 4), ('-1', 16)])
def test_version_1(usable, quota, count):
    assert usable('4:memory:/\n3:cpu,cpuacct:/box\n0::/\n', {
        'cpu/box/cpu.cfs_quota_us': quota, 'cpu/box/cpu.cfs_period_us': '100000'}) == count


@pytest.mark.parametrize('membership', [b'', b'\n', b'0\n', b'0:\n', b'0::/r\xff\n\n', b'\0\0\0'])
def test_an_odd_membership_is_no_limit(tmp_path, membership):
    (tmp_path / 'membership').write_bytes(membership)
    assert usable_processors(tmp_path, tmp_path / 'membership') == len(os.sched_getaffinity(0))


def test_without_control_groups(tmp_path):
    assert usable_processors(tmp_path, tmp_path / 'none') == len(os.sched_getaffinity(0))
