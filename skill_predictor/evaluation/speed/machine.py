"""The machine that figures belong to, and what a process takes of it."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

from ...inference.choices import TENSORRT_LIBRARIES
from ...inference.processors import usable_processors

_LIBRARIES = ('numpy', 'tokenizers', 'onnxruntime', 'onnx', *TENSORRT_LIBRARIES, 'pycuda')


def describe() -> dict[str, str]:
    """Processor, cores and versions, for people."""
    found = {'processor': _processor(), 'cores': str(usable_processors()),
             'system': f'{platform.system()} {platform.machine()}',
             'python': platform.python_version()}
    # A module may come from a distribution of another name: onnxruntime-gpu, tensorrt-rtx-cu13.
    providers = metadata.packages_distributions()
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(providers.get(name, [name])[0])
        except metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    # A Jetson says what it is here, x86 in cpuinfo.
    board = Path('/proc/device-tree/model')
    if board.exists():
        return board.read_text(errors='replace').strip('\0\n ')
    try:
        for line in Path('/proc/cpuinfo').read_text().splitlines():
            if line.startswith('model name'):
                return line.partition(':')[2].strip()
    except OSError:
        pass
    return platform.processor() or 'unknown'


def resident_bytes() -> int:
    """Memory of this process that lies in RAM; 0 where the system does not tell."""
    try:
        pages = int(Path('/proc/self/statm').read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf('SC_PAGE_SIZE')
