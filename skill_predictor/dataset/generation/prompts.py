"""What the language model is told."""

from __future__ import annotations

from ...taxonomy import SKILLS
from .grid import Cell, Request

VERSION = '1'
"""Raised with every change of a prompt; kept in the provenance of each task."""

_WRITER = """\
You write task descriptions as people would give them to a mixed fleet of robots (drones, wheeled \
and legged robots, humanoids, boats, submersibles), each with the label that the labelling guide \
below demands. The guide binds every label.

Write each text anew, as a different situation with its own objects, verbs and place: no two texts \
share a sentence frame. A careful reader who knows the guide and the text only must reach your \
label; where that is not so, change the text. Name real things of the trade. 4 to 60 words each, \
on one line.

# Labelling guide

{guide}
"""

_TASKS = """\
Domain: {domain}.
Who speaks: {voice}.

Write {count} tasks, in this order:

{cells}

Answer with one JSON object: {{"tasks": [{{"text": "...", "label": [...]}}, ...]}}. A label lists the \
required skills in the order {skills}; [] if nothing physical is asked for."""

_PAIRS = """\
Domain: {domain}.
Who speaks: {voice}.

Write {pairs} contrast pairs about one boundary of the guide.
Boundary "{name}" (rule {rules}): {reading}

The two tasks of a pair differ in a few words only (a clause, a place, a verb, a negation), and their \
labels differ because of them. Different pairs are about different situations.

Answer with one JSON object: {{"tasks": [{{"text": "...", "label": [...], "pair": 1}}, ...]}}, two tasks \
for each pair number from 1 to {pairs}. A label lists the required skills in the order {skills}; [] if \
nothing physical is asked for."""


def messages(request: Request, guide: str) -> list[dict[str, str]]:
    """Chat messages of a request, in the form of the OpenAI chat API.

    Parameters
    ----------
    request
        What to ask for.
    guide
        The labelling guide, as Markdown.
    """
    if request.boundary is None:
        task = _TASKS.format(
            domain=request.domain, voice=request.voice, count=len(request.cells),
            cells='\n'.join(f'{number}. {_describe(cell)}'
                            for number, cell in enumerate(request.cells, 1)),
            skills=', '.join(SKILLS))
    else:
        task = _PAIRS.format(
            domain=request.domain, voice=request.voice, pairs=request.pairs,
            name=request.boundary.name, reading=request.boundary.reading,
            rules=', '.join(map(str, request.boundary.rules)), skills=', '.join(SKILLS))
    return [{'role': 'system', 'content': _WRITER.format(guide=guide)},
            {'role': 'user', 'content': task}]


def _describe(cell: Cell) -> str:
    skills = ', '.join(cell.skills) or 'nothing physical (the empty set)'
    return (f'label: {skills}; place: {cell.environment}; register: {cell.register}; '
            f'{cell.length[0]} to {cell.length[1]} words; {cell.explicitness}')
