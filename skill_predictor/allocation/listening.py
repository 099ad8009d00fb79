"""The time in which somebody listened: only that counts for silence, patience and work."""

from __future__ import annotations

from typing import NamedTuple

CLOCK_STEP_S = 2.0
"""Clocks that are only adjusted, not set, move by less than this between two events."""


class Step(NamedTuple):
    """From one event to the next.

    Attributes
    ----------
    shift_s : float
        Time that does not count, by which `FleetLedger.shift` moves what is known [s].
    set_by_s : float
        By how much the clock was set [s]; negative: back; 0: it was not.
    """

    shift_s: float
    set_by_s: float


class Listening:
    """Tells from the times of events in which time nobody could be heard, and when a clock was set.

    Events come at least once a tick. After a longer time without any (inactive, suspended, held
    up, simulated time that leaps) the robots' silence means nothing. One tick of it counts all
    the same: where simulated time moves in long steps, it would stand still otherwise.

    Parameters
    ----------
    simulated : bool
        Whether time is simulated: it may be slow or fast, and it goes back only when the
        simulation starts again. Else it is a computer's clock, which people and networks set.
    tick_s : float
        Seconds from tick to tick, on the clock in question.
    robot_timeout_s : float
        See `Settings`.
    """

    def __init__(self, simulated: bool, tick_s: float, robot_timeout_s: float) -> None:
        self.simulated = simulated
        self._tick_s = tick_s
        self._longest_s = max(robot_timeout_s / 2, 3 * tick_s)
        self._last: tuple[float, float] | None = None

    def event(self, now: float, steady: float) -> Step:
        """Something happens.

        Parameters
        ----------
        now : float
            Time of the clock that the ledger is given [s].
        steady : float
            Time of a clock that nobody sets and that is not simulated [s].
        """
        last, last_steady = self._last or (now, steady)
        self._last = now, steady
        passed = now - last
        if self.simulated:
            # How long it took in real time says nothing about robots of a slow simulation.
            waited, set_by = passed, min(passed, 0.0)
        else:
            waited = steady - last_steady
            set_by = passed - waited if abs(passed - waited) >= CLOCK_STEP_S else 0.0
        return Step(passed - self._tick_s if waited > self._longest_s else set_by, set_by)
