"""ROS domains that no other run of the tests on this machine uses meanwhile."""

from __future__ import annotations

import fcntl
import os
import random
import tempfile
from pathlib import Path

_held = []


def reserve() -> int:
    """A domain of this process until it ends.

    1 to 99 keep clear of the ports that Linux gives to outgoing connections.
    """
    for number in random.sample(range(1, 100), 99):
        lock = None
        try:
            lock = _open(Path(tempfile.gettempdir()) / f'skill_predictor_test_domain_{number}')
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # in use, or a file of another user that we may not even read
            if lock is not None:
                os.close(lock)
            continue
        _held.append(lock)
        return number
    raise RuntimeError('all ROS domains from 1 to 99 are in use by other tests')


def _open(path: Path) -> int:
    """For reading, which is enough for a lock and works with other users' files, too."""
    try:
        return os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
