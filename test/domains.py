"""ROS domains that no other run of the tests on this machine uses meanwhile."""

from __future__ import annotations

import fcntl
import random
import tempfile
from pathlib import Path

_held = []


def reserve() -> int:
    """A domain of this process until it ends.

    1 to 99 keep clear of the ports that Linux gives to outgoing connections.
    """
    for number in random.sample(range(1, 100), 99):
        lock = open(Path(tempfile.gettempdir()) / f'skill_predictor_test_domain_{number}', 'a')
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        _held.append(lock)
        return number
    raise RuntimeError('all ROS domains from 1 to 99 are in use by other tests')
