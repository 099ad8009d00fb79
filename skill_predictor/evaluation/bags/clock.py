"""Where a clock was set while a recording was made."""

from __future__ import annotations

from .events import RecordedVector

JUMP_NS = 10 * 10**9
"""A clock that moves by so much between two vectors was set."""

_DAY_NS = 24 * 3600 * 10**9
_LONGEST_KEPT_NS = 1000 * _DAY_NS


def was_kept(vector: RecordedVector) -> bool:
    """Whether a vector was made long before it was recorded.

    Vectors are kept for those who subscribe later, and a recorder does: these are answers to tasks from before
    the recording. (Where stamps are of simulated time, which begins at 0, nobody can tell.)
    """
    age = vector.time_ns - vector.stamp_ns
    return bool(vector.stamp_ns) and JUMP_NS <= age < _LONGEST_KEPT_NS


class ClockWatch:
    """Notes where a clock was set, by tasks and the vectors of one topic of one recording.

    A vector is recorded after its task, and soon after it was made.

    Parameters
    ----------
    jumps
        Where to note them.
    """

    def __init__(self, jumps: list[tuple[int, float]]) -> None:
        self._jumps = jumps
        self._offset: int | None = None

    def see(self, asked_ns: int, vector: RecordedVector) -> None:
        """Look at a vector and at when its task was recorded."""
        jump = 0
        if vector.stamp_ns:
            offset = vector.time_ns - vector.stamp_ns
            if self._offset is None:
                self._offset = offset
            # Stamps of simulated time run at a pace of their own.
            if abs(self._offset) < _DAY_NS:
                jump, self._offset = offset - self._offset, offset
        if abs(jump) < JUMP_NS:
            jump = min(0, vector.time_ns - asked_ns)
        if abs(jump) >= JUMP_NS:
            self._jumps.append((vector.time_ns, jump / 1e9))
