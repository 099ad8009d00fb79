"""The smallest team that has all the skills of a task."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Candidate(NamedTuple):
    """What the search needs to know of a robot.

    Attributes
    ----------
    robot_id : str
        Its name.
    mask : int
        Those of its skills that the task requires, as bits; not 0.
    carries : bool
        Whether it can carry the task's payload; true when there is none.
    skills : int
        How many skills it has, required or not.
    effort : float
        Its part of the score beyond surplus skills, in [0, 1).
    """

    robot_id: str
    mask: int
    carries: bool
    skills: int
    effort: float


def smallest_team(candidates: Iterable[Candidate], need: int, max_size: int,
                  ) -> tuple[str, ...] | None:
    """Find the best of the smallest teams that have every needed skill and can carry the payload.

    Robots that bring the same required skills (and carry, or not) replace each other, so only the
    best of each such group is looked at: the work does not grow with the number of robots beyond
    one pass over them.

    Parameters
    ----------
    candidates : iterable of Candidate
        Robots that may be in the team.
    need : int
        Required skills, as bits.
    max_size : int
        The most robots in a team, 1 or more.

    Returns
    -------
    tuple of str or None
        Robot ids in alphabetical order: among the teams of the smallest size the one whose
        members have the fewest skills altogether, then the least effort, then the first ids.
        None when no team of at most ``max_size`` will do.
    """
    best: dict[tuple[int, bool], Candidate] = {}
    for candidate in candidates:
        group = (candidate.mask, candidate.carries)
        other = best.get(group)
        if other is None or _rank(candidate) < _rank(other):
            best[group] = candidate

    # Teams of one size more in every round. Two teams with the same skills so far can be
    # completed in the same ways, so the cheaper of them is enough.
    teams: dict[tuple[int, bool], tuple[int, float, tuple[str, ...]]] = {(0, False): (0, 0.0, ())}
    for _ in range(max_size):
        grown: dict[tuple[int, bool], tuple[int, float, tuple[str, ...]]] = {}
        for (mask, carried), (skills, effort, ids) in teams.items():
            lacking = need & ~mask
            # Somebody must bring the first skill that lacks, so no other need be tried.
            wanted = lacking & -lacking
            for candidate in best.values():
                if not (candidate.mask & wanted if wanted else candidate.carries):
                    continue
                state = (mask | candidate.mask, carried or candidate.carries)
                team = (skills + candidate.skills, effort + candidate.effort,
                        tuple(sorted((*ids, candidate.robot_id))))
                if state not in grown or team < grown[state]:
                    grown[state] = team
        if (need, True) in grown:
            return grown[need, True][2]
        teams = grown
    return None


def _rank(candidate: Candidate) -> tuple[int, float, str]:
    return candidate.skills, candidate.effort, candidate.robot_id
