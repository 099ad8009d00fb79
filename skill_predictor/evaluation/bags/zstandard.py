"""Python's own zstd, or its backport, which rosbags brings."""

from __future__ import annotations

import sys
from types import ModuleType


def zstd() -> ModuleType:
    """The module ``compression.zstd``, or what stands for it before Python 3.14."""
    if sys.version_info >= (3, 14):
        from compression import zstd as module
    else:
        from backports import zstd as module
    return module
