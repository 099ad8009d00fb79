"""What two fleets make of the tasks of a recording, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from ...allocation.capabilities import Robot
from .fleet import differences, serve
from .replayed import NONE, Replayed


def beside(found: Replayed, fleet: Mapping[str, Robot], recorded_fleet: Mapping[str, Robot]) -> dict[str, Any]:
    """Figures of both, fit for JSON; beside now stands what was recorded, else the other model.

    Parameters
    ----------
    found
        With its tasks kept.
    fleet, recorded_fleet
        Robots by id, of now and of then.
    """
    result: dict[str, Any] = {'now': None, 'before': None, 'differences': [], 'left_out': 0,
                              'really': None}
    masks, result['before_is'] = found.recorded, 'as recorded'
    if not found.known(masks).any():
        # Another model's vectors, or the same ones for another fleet.
        masks, result['before_is'] = ((found.other, 'other model') if found.other
                                      else (found.now, 'recorded fleet'))
    # A fleet that had fewer tasks to serve would look better.
    both = found.known(masks) & found.known(found.now)
    served = serve(found, _only(found.now, both), fleet)
    result['now'], result['left_out'] = served.to_dict(), int((~both).sum())
    if masks is not found.now or fleet is not recorded_fleet:
        before = serve(found, _only(masks, both), recorded_fleet)
        result['before'] = before.to_dict()
        result['differences'] = [asdict(one) for one in differences(found, before, served)]
        if result['before_is'] == 'as recorded':
            there = [row for row in np.flatnonzero(both) if row in found.allocated]
            result['really'] = {'tasks': len(there), 'same_robots': sum(
                tuple(sorted(before.robots.get(found.ids[row], ()))) == found.allocated[row]
                for row in there)}
    return result


def _only(masks: list[int], chosen: np.ndarray) -> list[int]:
    """Decisions of the chosen tasks; the others have none."""
    return [mask if one else NONE for mask, one in zip(masks, chosen)]
