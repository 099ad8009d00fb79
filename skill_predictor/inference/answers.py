"""What becomes of the tasks that are handed to the inference thread, one by one and counted."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Answer:
    """What became of one task."""

    probabilities: np.ndarray
    """float32, shape (6,); NaN when ``error`` is set."""
    error: str
    """Empty, or why there is no prediction."""
    latency_s: float
    """From submission to answer, waiting included."""
    inference_s: float
    """In the encoders, for all tasks that went through them together."""
    batch_size: int
    """How many those were; 0 when the task never reached the encoders."""


@dataclass
class Statistics:
    """Counters since the worker started, and the latest latencies."""

    answered: int = 0
    """Tasks with a prediction; unreadable and failed count the others."""
    unreadable: int = 0
    refused: int = 0
    """Requests, of any number of tasks, for which there was no room."""
    failed: int = 0
    batches: int = 0
    last_failure: str = ''
    last_refusal: str = ''
    last_unreadable: str = ''
    latencies_s: deque[float] = field(default_factory=lambda: deque(maxlen=1000))

    def latency_percentiles_ms(self, *percents: float) -> list[float]:
        """Percentiles of the last 1,000 latencies in ms; NaN before the first answer."""
        latencies = list(self.latencies_s)
        if not latencies:
            return [float('nan')] * len(percents)
        return [float(value) * 1e3 for value in np.percentile(latencies, percents)]
