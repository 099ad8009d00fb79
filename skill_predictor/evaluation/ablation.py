"""What an ablation measured: each variant beside the unchanged recipe, on the same tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .significance import Comparison, difference, Interval, mcnemar

BASE = 'as it is'
"""Name of the recipe without a change."""

JUDGES = 'other writers'
"""Tasks of writers that were not fitted; validation tells beside them."""


@dataclass(frozen=True)
class Effect:
    """What one variant changed.

    Attributes
    ----------
    variant, changes : str
        Its name, and its changes of the recipe.
    seed : int
    exact_match, validation : float
        On tasks of other writers, and on validation, 0..1.
    gain : Interval
        Of exact match over the unchanged recipe of the same seed, on tasks of other writers, with
        its interval; contrast pairs are drawn together.
    p, adjusted_p : float
        Of McNemar's test; adjusted for all variants by Benjamini and Hochberg (1995).
    minutes : float
        That the training took.
    """

    variant: str
    changes: str
    seed: int
    exact_match: float
    validation: float
    gain: Interval
    p: float
    adjusted_p: float
    minutes: float


def packed(right: np.ndarray) -> str:
    """Bits as hexadecimal digits, for a file."""
    return np.packbits(right).tobytes().hex()


def unpacked(text: str, tasks: int) -> np.ndarray:
    """Bits of :func:`packed`, bool, shape (tasks,).

    Raises
    ------
    ValueError
        When they are too few, or no hexadecimal digits.
    """
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8))[:tasks].astype(bool)
    if len(bits) < tasks:
        raise ValueError(f'{len(bits)} answers for {tasks} tasks')
    return bits


def against(base: str, variant: str, tasks: int) -> Comparison:
    """McNemar's test of a variant against the unchanged recipe.

    Parameters
    ----------
    base, variant
        From :func:`packed`.
    tasks
        How many judged.
    """
    return mcnemar(unpacked(base, tasks), unpacked(variant, tasks))


def effects(content: Mapping[str, Any]) -> list[Effect]:
    """Every row of what ``skill-predictor ablate`` wrote, beside the unchanged recipe.

    Raises
    ------
    ValueError
        When it is no such content, or there is no unchanged recipe of a variant's seed.
    ImportError
        When scipy is not installed.
    """
    from scipy.stats import false_discovery_control
    try:
        rows, tasks, groups = content['rows'], content['judging'], content.get('groups', ())
        right = [unpacked(row['right'], tasks) for row in rows]
        bases = {row['seed']: bits for row, bits in zip(rows, right) if row['variant'] == BASE}
        values = [mcnemar(bases[row['seed']], bits).p_value for row, bits in zip(rows, right)]
        changed = [index for index, row in enumerate(rows) if row['variant'] != BASE]
        adjusted = dict(zip(changed, false_discovery_control([values[index] for index in changed])
                            if changed else ()))
        return [Effect(row['variant'], row['changes'], row['seed'],
                       row[f'exact match, {JUDGES}'], row['exact match, validation'],
                       difference(bases[row['seed']], bits, groups=groups), value,
                       float(adjusted.get(index, 1.0)), row['seconds'] / 60)
                for index, (row, bits, value) in enumerate(zip(rows, right, values))]
    except (KeyError, TypeError) as error:
        raise ValueError(f'it lacks {error}') from error


def readable(found: Sequence[Effect]) -> list[dict[str, str]]:
    """Rows for people, in the order of the trial."""
    seeds = len({effect.seed for effect in found}) > 1
    return [{'variant': effect.variant + (f', seed {effect.seed}' if seeds else ''),
             'changes': effect.changes,
             'exact match, other writers': f'{effect.exact_match:.3f}',
             'gain (95 %)': '' if effect.variant == BASE else
             f'{effect.gain.value:+.3f} ({effect.gain.low:+.3f} to {effect.gain.high:+.3f})',
             'p (McNemar)': '' if effect.variant == BASE else f'{effect.p:.3f}',
             'adjusted': '' if effect.variant == BASE else f'{effect.adjusted_p:.3f}',
             'exact match, validation': f'{effect.validation:.3f}',
             'minutes': f'{effect.minutes:.0f}'} for effect in found]
