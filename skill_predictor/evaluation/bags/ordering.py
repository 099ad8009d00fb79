"""Streams of events merged by their times."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

from .events import Event


def in_order(streams: Iterable[tuple[int, Iterator[Event]]]) -> Iterator[Event]:
    """Merge streams by the times of their events.

    Each is begun when its first event is due, so that of a thousand files few are open at a time.

    Parameters
    ----------
    streams
        Time from which on there are events [ns], and the events in their order.
    """
    waiting = sorted(((start, number, events) for number, (start, events) in enumerate(streams)),
                     key=lambda one: one[:2], reverse=True)
    begun: list[tuple[int, int, Event, Iterator[Event]]] = []
    while waiting or begun:
        while waiting and (not begun or waiting[-1][0] <= begun[0][0]):
            _, number, events = waiting.pop()
            for event in events:
                heapq.heappush(begun, (event.time_ns, number, event, events))
                break
        if begun:
            _, number, event, events = begun[0]
            yield event
            event = next(events, None)
            if event is None:
                heapq.heappop(begun)
            else:
                heapq.heapreplace(begun, (event.time_ns, number, event, events))
