"""Answers and vectors from before the recording told apart by their age, and where a clock was set.

The age of a vector is the time of its recording less its own time stamp. That of answers stays about the
same: what the two clocks differ by, and a little delay.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .events import RecordedVector

JUMP_NS = 10 * 10**9
"""A clock that moves by so much between two vectors was set."""

DAY_NS = 24 * 3600 * 10**9
_LONGEST_KEPT_NS = 1000 * DAY_NS

MOST_HELD = 10_000
"""So many old vectors on one topic are no kept ones any more; a node keeps 1,000 by default."""


@dataclass
class _Clock:
    """Vectors of like age.

    Attributes
    ----------
    first_age, age : int
        Of the first and of the latest vector [ns].
    first_ns, last_ns : int
        When those were recorded.
    is_sure : bool
        Whether they are answers.
    held : list of RecordedVector
        Those of which that is not known yet.
    """

    first_age: int
    age: int
    first_ns: int
    last_ns: int
    count: int = 0
    is_sure: bool = False
    held: list[RecordedVector] = field(default_factory=list)


class TopicClock:
    """Tells which vectors of one topic of one recording are answers to its tasks.

    Vectors are kept for those who subscribe later, and a recorder does: such a vector was made long before
    it was recorded. So was any vector where the clocks of node and recorder differ, but those go on coming,
    and kept ones come all at once. (Where stamps are of simulated time, which begins at 0, nobody can tell.)
    """

    def __init__(self) -> None:
        self._clocks: list[_Clock] = []  # that of the latest vector first
        self._held = 0
        self._all_count = False

    def see(self, vector: RecordedVector) -> list[RecordedVector]:
        """Look at the next vector; returns those that are now known to be answers."""
        age = vector.time_ns - vector.stamp_ns
        if not vector.stamp_ns or age >= _LONGEST_KEPT_NS or self._all_count:
            return [vector]
        clock = self._clock_of(vector, age)
        clock.age, clock.last_ns, clock.count = age, vector.time_ns, clock.count + 1
        if age < JUMP_NS or clock.last_ns - clock.first_ns >= JUMP_NS:
            clock.is_sure = True
        clock.held.append(vector)
        self._held += 1
        if clock.is_sure:
            return self._let_go([clock])
        if self._held > MOST_HELD:
            self._all_count = True
            return self._let_go(self._clocks)
        return []

    def end(self) -> tuple[list[RecordedVector], int]:
        """After the last vector: the rest of the answers, and how many vectors were kept ones."""
        sure = [clock.last_ns for clock in self._clocks if clock.is_sure]
        if not sure:
            came = [time_ns for clock in self._clocks for time_ns in (clock.first_ns, clock.last_ns)]
            if len(self._clocks) > 1 and max(came) - min(came) < JUMP_NS:
                return [], self._held  # of all ages, and all at once
            return self._let_go(self._clocks), 0  # the node's clock is simply another
        for clock in self._clocks:
            # Nothing came after them as before: the clock was set. One alone does not show it.
            clock.is_sure |= clock.count > 1 and clock.first_ns > max(sure)
        answers = self._let_go([clock for clock in self._clocks if clock.is_sure])
        return answers, self._held

    def jumps(self) -> list[tuple[int, float]]:
        """Where the clock was set: time [ns], and by how much [s].

        That is where one age ends and another begins and stays. Ages that take turns are of several nodes.
        """
        found: list[tuple[int, float]] = []
        before: _Clock | None = None
        for clock in sorted((one for one in self._clocks if one.is_sure), key=lambda one: one.first_ns):
            # Stamps of simulated time run at a pace of their own.
            if (before is not None and clock.count > 1 and before.last_ns < clock.first_ns
                    and abs(before.age) < DAY_NS and abs(clock.first_age - before.age) >= JUMP_NS):
                found.append((clock.first_ns, (clock.first_age - before.age) / 1e9))
            if before is None or clock.last_ns > before.last_ns:
                before = clock
        return found

    def _clock_of(self, vector: RecordedVector, age: int) -> _Clock:
        for index, clock in enumerate(self._clocks):
            # Kept ones must not draw a clock away from its answers step by step.
            if abs(clock.age - age) < JUMP_NS and (clock.age < JUMP_NS) == (age < JUMP_NS):
                if index:
                    self._clocks.insert(0, self._clocks.pop(index))
                return clock
        self._clocks.insert(0, _Clock(age, age, vector.time_ns, vector.time_ns))
        return self._clocks[0]

    def _let_go(self, clocks: list[_Clock]) -> list[RecordedVector]:
        vectors = [vector for clock in clocks for vector in clock.held]
        for clock in clocks:
            clock.held.clear()
        self._held -= len(vectors)
        return sorted(vectors, key=lambda vector: vector.time_ns)
