"""Names for the tasks of a recording: their ids, or what their texts give, made unique."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from zlib import crc32


class Names:
    """Everybody who goes through a recording in its order gets the same names.

    An id that comes again with another text is another task: planners begin to count anew. Texts
    without an id are named by what they say, so that a name means the same text in every recording.
    """

    def __init__(self) -> None:
        self._known: dict[int, str] = {}
        self._used: set[str] = set()
        self._last: Counter[str] = Counter()

    def name(self, task_id: str, text: str, source: Hashable = '') -> tuple[str, bool]:
        """Name of a task, and whether it is new: the same id and text again are the same task.

        Parameters
        ----------
        task_id
            As it was given; may be empty, then every occurrence is a new task.
        text
            What is asked for.
        source
            As of :class:`skill_predictor.evaluation.bags.events.RecordedTask`; ids of two sources have
            nothing to do with each other.
        """
        key = hash((source, task_id, text))
        if task_id and key in self._known:
            return self._known[key], False
        base = name = task_id or f'text-{checksum(text):08x}'
        while name in self._used:
            self._last[base] += 1
            name = f'{base}#{self._last[base] + 1}'
        self._used.add(name)
        if task_id:
            self._known[key] = name
        return name, True


def checksum(text: str) -> int:
    """32 bits that stand for a text, in every run the same."""
    return crc32(text.encode('utf-8', 'surrogatepass'))
