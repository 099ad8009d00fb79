"""Recorded tasks and vectors by hand, and a model that goes by words."""

from __future__ import annotations

from skill_predictor.evaluation.bags.events import RecordedTask, RecordedVector
from skill_predictor.evaluation.bags.replayed import Said

SECOND = 10**9
WORDS = {'fly': 0, 'sweep': 1, 'climb': 2, 'bring': 5}


def flags(*skills):
    return tuple(index in skills for index in range(6))


def predict(task):
    text = task.text
    if not text:
        return Said(flags(), 0.0, 'the text is empty')
    return Said(flags(*(place for word, place in WORDS.items() if word in text)), 4.0)


def task(seconds, name, text):
    return RecordedTask(int(seconds * SECOND), '/tasks', name, text)


def vector(seconds, name, text, required, topic='/skill_vectors', latency=10.0):
    return RecordedVector(seconds * SECOND, topic, name, text, required, (0.5,) * 6, 'old+1', latency)


def stamped(seconds, made, name):
    return RecordedVector(int(seconds * SECOND), '/skill_vectors', name, 'fly', flags(0), (0.5,) * 6,
                          'old+1', 10.0, int(made * SECOND))
