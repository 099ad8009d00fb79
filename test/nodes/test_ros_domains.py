"""Domains of the tests' own, beside other runs and other users."""

from __future__ import annotations

import os

import pytest

import ros_domains

FILE = 'skill_predictor_test_domain_'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the locks lie; what was reserved there is given back."""
    monkeypatch.setattr(ros_domains.tempfile, 'tempdir', str(tmp_path))
    monkeypatch.setattr(ros_domains, '_held', [])
    yield tmp_path
    for lock in ros_domains._held:
        os.close(lock)


def test_no_domain_is_given_twice_and_none_above_99(folder):
    assert sorted(ros_domains.reserve() for _ in range(99)) == list(range(1, 100))
    with pytest.raises(RuntimeError, match='in use'):
        ros_domains.reserve()


def test_a_file_that_cannot_be_opened_is_passed_over(folder):
    for number in range(1, 100):
        if number != 42:
            (folder / f'{FILE}{number}').symlink_to(f'{FILE}{number}')
    assert ros_domains.reserve() == 42
    with pytest.raises(RuntimeError, match='in use'):
        ros_domains.reserve()


def test_a_file_that_can_only_be_read_is_enough(folder, monkeypatch):
    """As those of other users are: their domains must be kept clear of, and used when they are free."""
    def as_another_user(path, flags, *mode, made=os.open):
        if flags & (os.O_CREAT | os.O_WRONLY | os.O_RDWR):
            raise PermissionError(path)
        return made(path, flags, *mode)
    (folder / f'{FILE}7').touch()
    monkeypatch.setattr(ros_domains.os, 'open', as_another_user)
    assert ros_domains.reserve() == 7
