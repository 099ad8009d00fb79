"""Times of several systems, taken in turn, so that what else the machine does falls on all alike."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

WARM_UP_CALLS = 3


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one call.

    Attributes
    ----------
    p50, p90, p99, mean : float
    calls : int
    """

    p50: float
    p90: float
    p99: float
    mean: float
    calls: int


def side_by_side(systems: Mapping[str, Callable[[int], object]], seconds: float, *,
                 least: int = 20, clock: Callable[[], float] = time.perf_counter,
                 on_round: Callable[[float], None] | None = None) -> dict[str, Timing]:
    """Call every system once a round until the time is over.

    Parameters
    ----------
    systems
        By name; called with the number of the round, so that each sees the same inputs.
    seconds
        How long to go on, warm-up not counted.
    least
        Rounds at least.
    clock
        Seconds.
    on_round
        Called with the share of the time that is over, 0..1.
    """
    for number in range(WARM_UP_CALLS):
        for call in systems.values():
            call(number)
    times: dict[str, list[float]] = {name: [] for name in systems}
    rng, names = random.Random(0), list(systems)
    started, number = clock(), 0
    while number < least or clock() - started < seconds:
        # In another order each round: what one leaves in the caches falls on all others alike.
        for name in rng.sample(names, len(names)):
            before = clock()
            systems[name](number)
            times[name].append(clock() - before)
        number += 1
        if on_round is not None:
            on_round(min(1.0, (clock() - started) / seconds if seconds else 1.0))
    return {name: summary(values) for name, values in times.items()}


def summary(seconds: Sequence[float]) -> Timing:
    """Percentiles of durations.

    Raises
    ------
    ValueError
        When there are none.
    """
    if not len(seconds):
        raise ValueError('there are no durations')
    values = np.asarray(seconds) * 1e3
    p50, p90, p99 = np.percentile(values, (50, 90, 99))
    return Timing(float(p50), float(p90), float(p99), float(values.mean()), len(values))
