"""How long an engine takes from a fresh process to its first answer, and what memory it then has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass

from ...inference.backends import BackendOptions
from ...inference.errors import BackendError
from .machine import resident_bytes

TEXTS = (
    'Bring me the fire extinguisher from the hallway',
    'Take a water sample at the far end of the lake and bring it back to the jetty before noon',
    'Inspect the underside of the old railway bridge for cracks and send pictures of every one',
    'Carry the spare batteries up the stairs to the radio room, the lift is out of order today',
    'Follow the oil slick along the harbour wall and tell the coast guard where it ends',
    'Check whether the valve at the bottom of the tank, under four metres of water, is still open, and '
    'if it is then close it')
"""About as long as the tasks of the test set: 13 to 30 tokens; the median of both is 19.5."""


@dataclass(frozen=True)
class StartUp:
    """Of one engine in a process of its own, whose graphs or engines were built before.

    Attributes
    ----------
    seconds : float
        To the first answer, the predictor's imports counted, those of this module and of a GPU's context not.
    memory_mb : float
        Of the process, 10**6 bytes, once it has answered.
    gpu_memory_mb : float or None
        By how much the free memory of the GPU is less, the context not counted; ``None``: no GPU is
        used, or it has no memory of its own, as on a Jetson.
    """

    seconds: float
    memory_mb: float
    gpu_memory_mb: float | None


def measure(model: str | os.PathLike, engine: str, options: BackendOptions) -> StartUp:
    """Start a process that loads an engine and answers once.

    Parameters
    ----------
    model
        Folder of a released model.
    engine, options
        See :func:`skill_predictor.inference.backends.open_backend`.

    Raises
    ------
    BackendError
        When the process fails; the message is its last line.
    """
    done = subprocess.run(
        [sys.executable, '-m', __name__], capture_output=True, text=True,
        input=json.dumps({'model': model, 'engine': engine, 'options': asdict(options)},
                         default=os.fspath))
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise BackendError(said[-1] if said else f'the process ended with {done.returncode}')
    return StartUp(**json.loads(done.stdout.splitlines()[-1]))


def _main() -> None:
    print(json.dumps(asdict(_start(**json.load(sys.stdin)))), flush=True)


def _start(model: str, engine: str, options: dict[str, object]) -> StartUp:
    gpu = _gpu() if engine == 'tensorrt' else nullcontext()
    with gpu as free_bytes:
        before = free_bytes() if free_bytes else 0
        started = time.perf_counter()
        from ...inference.predictor import SkillPredictor
        with closing(SkillPredictor.load(model, engine, BackendOptions(**options))) as predictor:
            predictor.predict([TEXTS[0]])
            seconds = time.perf_counter() - started
            return StartUp(seconds, resident_bytes() / 1e6,
                           (before - free_bytes()) / 1e6 if free_bytes else None)


@contextmanager
def _gpu() -> Iterator[Callable[[], int] | None]:
    from ...inference.tensorrt.cuda import Gpu
    gpu = Gpu()

    def free_bytes() -> int:
        with gpu.current():
            return gpu.free_bytes()
    try:
        yield None if gpu.shares_memory else free_bytes
    finally:  # a context that is left behind says so at the end, and covers the reason
        gpu.close()


if __name__ == '__main__':
    _main()
