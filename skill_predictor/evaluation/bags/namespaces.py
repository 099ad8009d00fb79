"""Which tasks and answers belong together where several fleets, or several predictors, share one graph."""

from __future__ import annotations

from collections.abc import Collection, Iterable

VECTOR_TOPIC = 'skill_vectors'
"""Last part of the name under which the node publishes."""


def fleets(topics: Iterable[str], tasks: Collection[str], vectors: Collection[str]
           ) -> tuple[dict[str, str], list[str]]:
    """Whose each topic is, and where that is doubtful, in words.

    What is published in a namespace is of the fleet of that namespace. Where no vectors are published in it, it
    is of the nearest namespace around it that has some, or, where all vectors are of one namespace, of that.

    Parameters
    ----------
    topics
        Names of all.
    tasks, vectors
        Those with tasks, and those with answers (not with labels).

    Returns
    -------
    dict of str to str, list of str
        Namespace by topic; a topic of further vectors, whose tasks nobody knows, is alone under its own name.
    """
    answers: dict[str, str] = {}
    doubts = []
    for topic in sorted(vectors, key=lambda topic: (topic.rpartition('/')[2] != VECTOR_TOPIC, topic)):
        first = answers.setdefault(namespace(topic), topic)
        if topic != first and first.rpartition('/')[2] != VECTOR_TOPIC:
            doubts.append(f'there are vectors on {first} and on {topic}; only the former are compared '
                          '(--vector-topic names others)')
    homes = set(answers) or {namespace(topic) for topic in tasks}
    found = {topic: _home(topic, homes) for topic in topics}
    found |= {topic: topic for topic in vectors if topic not in answers.values()}
    doubts += [f'nobody knows which of {", ".join(sorted(answers.values()))} answers the tasks of {topic} '
               '(--vector-topic names one)' for topic in sorted(tasks) if found[topic] not in homes]
    return found, doubts


def namespace(topic: str) -> str:
    """A topic's name without its last part."""
    return topic.rpartition('/')[0]


def _home(topic: str, homes: Collection[str]) -> str:
    around = own = namespace(topic)
    while around and around not in homes:
        around = namespace(around)
    if around in homes:
        return around
    return next(iter(homes)) if len(homes) == 1 else own
