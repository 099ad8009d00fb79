"""Judging a language model's answer: its schema, then each task against what was asked for."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from ...taxonomy import ordered, SKILLS, UnknownSkillError
from ..chat import AnswerError, json_list
from .grid import Request

MIN_WORDS, MAX_WORDS = 4, 60
"""Words of a task's text."""

SLACK = 0.4
"""How far a length may lie outside of what was asked for, as a share of it."""


@dataclass(frozen=True)
class WrittenTask:
    """One task of an answer that may be kept."""

    text: str
    label: tuple[str, ...]
    pair: int = 0
    """Number of its contrast pair in the answer, from 1; 0: in none."""


def schema(request: Request) -> dict[str, Any]:
    """JSON schema of an answer to a request (structured output of the OpenAI chat API)."""
    task: dict[str, Any] = {
        'type': 'object', 'additionalProperties': False, 'required': ['text', 'label'],
        'properties': {
            'text': {'type': 'string'},
            'label': {'type': 'array', 'items': {'type': 'string', 'enum': list(SKILLS)}}}}
    if request.boundary is not None:
        task['properties']['pair'] = {'type': 'integer'}
        task['required'].append('pair')
    return {'type': 'object', 'additionalProperties': False, 'required': ['tasks'],
            'properties': {'tasks': {'type': 'array', 'items': task}}}


def parse(content: str, request: Request) -> tuple[list[WrittenTask], list[str]]:
    """The tasks of an answer that may be kept, and why the others may not.

    Parameters
    ----------
    content
        The answer as text: a JSON object, perhaps inside of a Markdown fence.
    request
        What was asked for.

    Returns
    -------
    kept : list of WrittenTask
        In the order of the answer; of contrast pairs both or none.
    problems : list of str
        A line for each task that is left out.

    Raises
    ------
    AnswerError
        When the answer is not JSON of the schema, or nothing of it can be kept.
    """
    entries = json_list(content, 'tasks')
    tasks: list[WrittenTask] = []
    problems: list[str] = []
    for number, entry in enumerate(entries, 1):
        try:
            tasks.append(_task(entry, number, request))
        except ValueError as problem:
            problems.append(f'task {number}: {problem}')
    if request.boundary is not None:
        tasks = _whole_pairs(tasks, problems)
    if not tasks:
        raise AnswerError('; '.join(problems) or 'the answer holds no task')
    return tasks, problems


def _task(entry: Any, number: int, request: Request) -> WrittenTask:
    if not isinstance(entry, dict) or not isinstance(entry.get('text'), str):
        raise ValueError('is no object with a text')
    text = ' '.join(entry['text'].split())
    try:
        text.encode('utf-8')
    except UnicodeEncodeError:
        raise ValueError('holds half of a surrogate pair, which is no character') from None
    label = entry.get('label')
    if not isinstance(label, list):
        raise ValueError('has no list "label"')
    try:
        skills = ordered(label)
    except UnknownSkillError as error:
        raise ValueError(str(error)) from error
    low, high = MIN_WORDS, MAX_WORDS
    if request.boundary is None:
        if number > len(request.cells):
            raise ValueError('was not asked for')
        cell = request.cells[number - 1]
        if skills != cell.skills:
            raise ValueError(f'has the label {list(skills)}, asked for was {list(cell.skills)}')
        low = max(low, int(cell.length[0] * (1 - SLACK)))
        high = min(high, int(cell.length[1] * (1 + SLACK)) + 1)
    words = len(text.split())
    if not low <= words <= high:
        raise ValueError(f'has {words} words, not {low} to {high}')
    pair = entry.get('pair', 0)
    return WrittenTask(text, skills, pair if isinstance(pair, int) else 0)


def _whole_pairs(tasks: list[WrittenTask], problems: list[str]) -> list[WrittenTask]:
    pairs: dict[int, list[WrittenTask]] = defaultdict(list)
    for task in tasks:
        pairs[task.pair].append(task)
    kept = []
    for number, members in pairs.items():
        if len(members) != 2 or number == 0:
            problems.append(f'pair {number}: has {len(members)} usable tasks, not 2')
        elif members[0].label == members[1].label:
            problems.append(f'pair {number}: both tasks have the label {list(members[0].label)}')
        else:
            kept += members
    return kept
