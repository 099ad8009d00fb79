"""What a running graph answered, beside the recording that was played to it."""

from __future__ import annotations

from typing import Any

from .evaluation import replay
from .figures import figures, rows
from .labels import Labels
from .live import LiveRun
from .reading import Bag, BagError
from .replayed import Replayed


def live_report(bag: Bag, run: LiveRun, *, seconds: float, rate: float, listened: bool,
                labels: Labels | None = None, labels_file: str | None = None
                ) -> tuple[dict[str, Any], Replayed]:
    """All figures of a run, fit for JSON, and what they are made of.

    Parameters
    ----------
    bag
        The recording.
    run
        What came back.
    seconds, rate
        How long it took, and how fast it was played.
    listened
        Whether another played it, to its end.
    labels, labels_file
        What is right, and where that stands.

    Raises
    ------
    BagError
        When no task was played.
    """
    tasks: list[int] = []
    found = replay(bag.events(), run.said, labels=labels, label_topics=bag.label_topics, on_task=tasks.append)
    troubles = [*bag.troubles, *found.troubles(labels_file)]
    recorded = {found.ids[row]: robots for row, robots in found.allocated.items()}
    live = {**run.facts(recorded), 'seconds': seconds, 'rate': rate,
            'not_heard': max(0, sum(tasks) - run.asked) if listened else 0}
    if not live['asked']:
        raise BagError('; '.join(['no task was played', *troubles]))
    return {'model': run.model_version or 'no vector came', 'engine': 'the running graph', 'against': None,
            'bags': [bag.name], 'troubles': troubles, 'figures': figures(found), 'rows': rows(found),
            'fleet': None, 'live': live}, found


def exit_code(result: dict[str, Any]) -> int:
    """1: not every task was answered once; 3: something is wrong with the recording."""
    live = result['live']
    if live['unanswered'] or live['answered_too_often'] or live['not_heard']:
        return 1
    return 3 if result['troubles'] else 0
