"""How many processors this process may use."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

MOUNTS = Path('/sys/fs/cgroup')
MEMBERSHIP = Path('/proc/self/cgroup')


def usable_processors(mounts: Path = MOUNTS, membership: Path = MEMBERSHIP) -> int:
    """Processors by affinity and by the quota of control groups, at least 1.

    A container with ``--cpus=2`` sees all processors of its host; as many threads as those would wait
    for each other most of the time.

    Parameters
    ----------
    mounts, membership
        Where control groups (versions 1 and 2) are mounted, and the file that names this process's.
    """
    allowed = len(os.sched_getaffinity(0))
    shares = [quota / period for quota, period in _quotas(mounts, membership)
              if quota > 0 and period > 0]
    return max(1, min([allowed, *map(math.ceil, shares)]))


def _quotas(mounts: Path, membership: Path) -> Iterator[tuple[int, int]]:
    """Quota and period in microseconds of every group that this process is in, where there is one."""
    try:
        lines = membership.read_text(errors='surrogateescape').split('\n')
    except OSError:
        return
    for line in lines:
        _, controllers, group = (line.split(':', 2) + ['', ''])[:3]
        if not group:
            continue
        if not controllers:
            root, read = mounts, _version_2
        elif 'cpu' in controllers.split(','):
            root, read = mounts / 'cpu', _version_1
        else:
            continue
        # A limit of a group holds for those within it.
        folder = root / group.strip('/')
        for place in (folder, *folder.parents):
            try:
                yield read(place)
            except (OSError, ValueError):
                pass
            if place == root:
                break


def _version_2(group: Path) -> tuple[int, int]:
    quota, period = (group / 'cpu.max').read_text().split()
    return int(quota), int(period)  # a quota of "max" is a ValueError: no limit


def _version_1(group: Path) -> tuple[int, int]:
    return (int((group / 'cpu.cfs_quota_us').read_text()),
            int((group / 'cpu.cfs_period_us').read_text()))
