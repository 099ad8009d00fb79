"""A language model as the second annotator: it sees the guide and the texts, nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ...taxonomy import SKILLS
from .. import journal
from ..chat import AnswerError, ChatError, ChatModel, json_list
from ..jobs import run_jobs
from ..records import RecordError
from .records import label_of

PER_REQUEST = 20
"""Most tasks labelled in one answer."""

Item = TypeVar('Item')

_ANNOTATOR = """\
You label task descriptions for a mixed fleet of robots by the labelling guide below. Decide each \
task by itself, from its text and the guide alone.

# Labelling guide

{guide}
"""

_TASKS = """\
Label these tasks:

{tasks}

Answer with one JSON object: {{"labels": [{{"number": 1, "label": [...]}}, ...]}}, one entry for each \
number. A label lists the required skills in the order {skills}; [] if nothing physical is asked for."""

_SCHEMA: dict[str, Any] = {
    'type': 'object', 'additionalProperties': False, 'required': ['labels'],
    'properties': {'labels': {'type': 'array', 'items': {
        'type': 'object', 'additionalProperties': False, 'required': ['number', 'label'],
        'properties': {
            'number': {'type': 'integer'},
            'label': {'type': 'array', 'items': {'type': 'string', 'enum': list(SKILLS)}}}}}}}


def read_answers(path: str | os.PathLike) -> dict[str, tuple[str, ...]]:
    """Second labels, ``{"id": ..., "label": [...]}`` per line, by id.

    Raises
    ------
    RecordError
        When the file cannot be read, or a line is no such object or repeats an id.
    """
    return journal.read(path, lambda entry: label_of(entry['label']),
                        'answer such as {"id": "w01-007", "label": ["wheels"]}')


async def relabel(model: ChatModel, guide: str, texts: Mapping[str, str],
                  output: str | os.PathLike, *, parallel: int = 4, attempts: int = 3,
                  on_progress: Callable[[int, int], None] | None = None) -> int:
    """Label texts anew; labels are appended to a file, which may hold some already.

    Parameters
    ----------
    model
        Whom to ask.
    guide
        The labelling guide, as Markdown.
    texts
        Id to text, in the order in which they are to be labelled.
    output
        JSON Lines file of answers.
    parallel
        Most requests at once, at least 1.
    attempts
        How often a request is asked whose answer cannot be used, at least 1.
    on_progress
        Called with the number of labelled tasks and of all, at the start and after each request.

    Returns
    -------
    int
        How many of ``texts`` have a label now.

    Raises
    ------
    ChatError
        When the server cannot be used, a request failed, or the limit of the cost ended the run; what
        was written stays.
    RecordError, OSError
        When the output file, or the queue, cannot be used.
    """
    say = on_progress or (lambda done, total: None)
    for task, text in texts.items():
        if not isinstance(text, str):
            raise RecordError(f'the text of the task {task!r} is {text!r}; write it in double quotes',
                              'queue')
    journal.cut_torn_line(output)
    known = read_answers(output) if Path(output).exists() else {}
    journal.append(output, [])  # better refused now than when an answer is paid for
    done = sum(task in known for task in texts)
    say(done, len(texts))
    failed: list[Exception] = []

    async def one(batch: Sequence[str]) -> None:
        nonlocal done
        labels = await model.ask_until_valid(
            _messages([texts[task] for task in batch], guide), _SCHEMA,
            lambda content: _parse(content, len(batch)), attempts)
        journal.append(output, ({'id': task, 'label': list(label)}
                                for task, label in zip(batch, labels)))
        done += len(batch)
        say(done, len(texts))

    # Of the whole queue, so that a run that goes on asks for the batches of the one before.
    batches = [[task for task in batch if task not in known] for batch in in_batches(list(texts))]
    await run_jobs([batch for batch in batches if batch], one, parallel=parallel,
                   stop=lambda: model.usage.spent, on_failure=lambda batch, error: failed.append(error))
    missing = f'{len(texts) - done} of {len(texts)} tasks have no label yet'
    if failed:
        raise ChatError(f'{missing}: requests failed ({len(failed)}), the last with: {failed[-1]}; '
                        'the same command asks again')
    if done < len(texts):
        raise ChatError(f'{missing}: the limit --max-cost is reached; with a higher one the same '
                        'command goes on')
    return done


def in_batches(queue: Sequence[Item]) -> list[Sequence[Item]]:
    """A queue in parts of one request each, in order and of even size, at most :data:`PER_REQUEST`."""
    count = -(-len(queue) // PER_REQUEST)
    ends = [len(queue) * number // count for number in range(count + 1)] if count else []
    return [queue[start:end] for start, end in zip(ends, ends[1:])]


def _messages(texts: Sequence[str], guide: str) -> list[dict[str, str]]:
    # One line per task, whatever a text holds.
    numbered = '\n'.join(f'{number}. {" ".join(text.split())}'
                         for number, text in enumerate(texts, 1))
    return [{'role': 'system', 'content': _ANNOTATOR.format(guide=guide)},
            {'role': 'user', 'content': _TASKS.format(tasks=numbered, skills=', '.join(SKILLS))}]


def _parse(content: str, count: int) -> list[tuple[str, ...]]:
    labels: dict[int, tuple[str, ...]] = {}
    for entry in json_list(content, 'labels'):
        try:
            if not isinstance(entry['number'], int):
                raise ValueError('its number is none')
            labels[entry['number']] = label_of(entry['label'])
        except (KeyError, TypeError, ValueError) as error:
            shown = json.dumps(entry)[:200]  # as ASCII: half of a surrogate pair cannot be sent back
            raise AnswerError(f'{shown} is no label of a task ({error})') from error
    missing = [number for number in range(1, count + 1) if number not in labels]
    if missing:
        raise AnswerError(f'there is no label for task {missing[0]}')
    return [labels[number] for number in range(1, count + 1)]
