"""Systems in processes of their own, called in turn.

Two runtimes in one process disturb each other: each has a pool of threads that spins for a while after its
work, on cores that the other wants. So each system lives in a process, and gets the machine for one short
block at a time, in an order drawn anew each round.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from skill_predictor.evaluation.speed.machine import resident_bytes
from skill_predictor.evaluation.speed.timing import summary, Timing

System = Callable[[str], np.ndarray]
BLOCK = 10
"""Calls in one block; the first is not counted, since others had the caches before it."""


def parser_of(description: str) -> argparse.ArgumentParser:
    """Options of every script that measures systems in turn."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', metavar='NAME', help="a released model (default: this version's)")
    parser.add_argument('--tasks', type=Path, metavar='FILE',
                        default=Path(__file__).resolve().parents[1] / 'data' / 'test.jsonl',
                        help='whose texts are run (default: data/test.jsonl)')
    parser.add_argument('--seconds', type=float, default=60.0, help='to measure (default: 60)')
    parser.add_argument('--threads', type=int, default=0, help='of every system (default: all)')
    return parser


class Worker:
    """A process with one system.

    Parameters
    ----------
    make
        Makes the system; a function of a module, since it is sent to the process.
    arguments
        For ``make``.

    Raises
    ------
    RuntimeError
        When the system cannot be made, fails at a text, or its process ends; the message says why.
    """

    def __init__(self, make: Callable[..., System], *arguments: object) -> None:
        context = multiprocessing.get_context('spawn')  # a fork would share the parent's threads
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make, arguments), daemon=True)
        self._process.start()
        theirs.close()
        try:
            self._receive()
        except RuntimeError:
            self.close()
            raise

    def answer(self, text: str) -> np.ndarray:
        """Probabilities of a text, shape (6,)."""
        return self._ask('answer', [text])

    def times(self, texts: Sequence[str]) -> list[float]:
        """Seconds of each call; one after the other."""
        return self._ask('times', list(texts))

    def memory(self) -> int:
        """Bytes of the process that lie in RAM."""
        return self._ask('memory', [])

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(10.0)
        self._process.terminate()

    def _ask(self, what: str, texts: list[str]):
        try:
            self._pipe.send((what, texts))
        except OSError as error:
            raise RuntimeError('its process ended') from error
        return self._receive()

    def _receive(self):
        try:
            value, error = self._pipe.recv()
        except (EOFError, OSError) as ended:
            raise RuntimeError('its process ended') from ended
        if error:
            raise RuntimeError(error)
        return value


def _serve(pipe, make: Callable[..., System], arguments: tuple[object, ...]) -> None:
    """Answer with pairs of what was asked for and, where that failed, the reason."""
    try:
        system = make(*arguments)
        system('warm up')
        pipe.send((None, ''))
        while True:
            what, texts = pipe.recv()
            if what == 'answer':
                found = system(texts[0])
            elif what == 'memory':
                found = resident_bytes()
            else:
                found = [_seconds(system, text) for text in texts]
            pipe.send((found, ''))
    except EOFError:
        return
    except Exception as error:  # whatever it lacks
        pipe.send((None, f'{type(error).__name__}: {error}'.splitlines()[0]))


def _seconds(system: System, text: str) -> float:
    before = time.perf_counter()
    system(text)
    return time.perf_counter() - before


def in_turn(workers: Mapping[str, Worker], texts: Sequence[str], seconds: float
            ) -> dict[str, Timing]:
    """Blocks of calls to every worker, round after round, each worker with the same texts.

    Parameters
    ----------
    workers
        By name.
    texts
        Gone through again and again.
    seconds
        How long to go on.

    Returns
    -------
    dict of str to Timing
        Of the workers that did not fail.
    """
    times: dict[str, list[float]] = {name: [] for name in workers}
    rng, names, first = random.Random(0), list(workers), 0
    until = time.monotonic() + seconds
    while names and (time.monotonic() < until or not times[names[0]]):
        block = [texts[(first + number) % len(texts)] for number in range(BLOCK)]
        for name in rng.sample(names, len(names)):
            try:
                times[name] += workers[name].times(block)[1:]
            except RuntimeError as error:  # the others go on
                print(f'left out: {name} ({error})', file=sys.stderr)
                names.remove(name)
        first += BLOCK
    return {name: summary(times[name]) for name in names}
