"""A language model as the second annotator: it sees the guide and the texts, nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...taxonomy import ordered, SKILLS, UnknownSkillError
from .. import journal
from ..chat import AnswerError, ChatModel, json_list
from ..jobs import run_jobs

PER_REQUEST = 20
"""Tasks labelled in one answer."""

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
    return journal.read(path, lambda entry: ordered(entry['label']),
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
        When the server cannot be used; what was written stays.
    RecordError, OSError
        When the output file cannot be used.
    """
    say = on_progress or (lambda done, total: None)
    journal.cut_torn_line(output)
    known = read_answers(output) if Path(output).exists() else {}
    todo = [task for task in texts if task not in known]
    done = len(texts) - len(todo)
    say(done, len(texts))

    async def one(batch: Sequence[str]) -> None:
        nonlocal done
        labels = await model.ask_until_valid(
            _messages([texts[task] for task in batch], guide), _SCHEMA,
            lambda content: _parse(content, len(batch)), attempts)
        journal.append(output, ({'id': task, 'label': list(label)}
                                for task, label in zip(batch, labels)))
        done += len(batch)
        say(done, len(texts))

    batches = [todo[start:start + PER_REQUEST] for start in range(0, len(todo), PER_REQUEST)]
    await run_jobs(batches, one, parallel=parallel, stop=lambda: model.usage.spent,
                   on_failure=lambda batch, error: None)
    return done


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
            labels[int(entry['number'])] = ordered(entry['label'])
        except (KeyError, TypeError, ValueError, UnknownSkillError) as error:
            raise AnswerError(f'{entry!r} is no label of a task ({error})') from error
    missing = [number for number in range(1, count + 1) if number not in labels]
    if missing:
        raise AnswerError(f'there is no label for task {missing[0]}')
    return [labels[number] for number in range(1, count + 1)]
