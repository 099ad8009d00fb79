"""Large language models as a baseline: one prompt for all, no examples of ours in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..dataset.chat import AnswerError, ChatModel, json_list
from ..dataset.jobs import run_jobs
from ..taxonomy import NUM_SKILLS, ordered, SKILLS, to_flags, UnknownSkillError

PROMPT = """\
A fleet of robots gets tasks in plain language. Decide which physical skills a task requires: the \
smallest set that suffices to carry it out.

fly: moving through the air, or reaching a high place that has no way up.
wheels: moving on ground that can be driven: floors, ramps, roads, tracks, mown grass.
legs: moving where wheels cannot: stairs, ladders, rubble, forest floor, deep snow.
surface_water: moving on water.
under_water: moving below the surface, or to the bottom.
hands: grasping or working on things: fetching, loading, opening, turning, using a tool. Carrying \
what is loaded already, looking and measuring need no hands.

A task that asks for nothing physical requires no skill.

Task: {task}

Answer with one JSON object: {{"skills": [...]}}, [] for none."""
"""What each task is asked with."""

_SCHEMA: dict[str, Any] = {
    'type': 'object', 'additionalProperties': False, 'required': ['skills'],
    'properties': {'skills': {'type': 'array',
                              'items': {'type': 'string', 'enum': list(SKILLS)}}}}


async def predict(model: ChatModel, texts: Sequence[str], *, parallel: int = 4, attempts: int = 2,
                  on_done: Callable[[int], None] | None = None) -> tuple[np.ndarray, list[int]]:
    """Decisions of a language model, one request per task.

    Parameters
    ----------
    model
        Whom to ask.
    texts
        Task descriptions.
    parallel
        Most requests at once, at least 1.
    attempts
        How often a task is asked whose answer cannot be used, at least 1.
    on_done
        Called with the number of tasks done since the last call.

    Returns
    -------
    flags : numpy.ndarray, bool, shape (len(texts), 6)
    unanswered : list of int
        Tasks without an answer that can be used; their flags are all false.

    Raises
    ------
    ChatError
        When the server cannot be used: three requests in a row fail.
    """
    flags = np.zeros((len(texts), NUM_SKILLS), dtype=bool)
    missing = set(range(len(texts)))

    async def one(index: int) -> None:
        messages: list[Mapping[str, str]] = [
            {'role': 'user', 'content': PROMPT.format(task=' '.join(texts[index].split()))}]
        try:
            flags[index] = await model.ask_until_valid(messages, _SCHEMA, _parse, attempts)
            missing.discard(index)
        except AnswerError:
            pass  # what it is judged by, and no reason to stop asking
        if on_done is not None:
            on_done(1)
    await run_jobs(range(len(texts)), one, parallel=parallel, stop=lambda: model.usage.spent,
                   on_failure=lambda index, error: None)
    return flags, sorted(missing)


def _parse(content: str) -> tuple[bool, ...]:
    try:
        return to_flags(ordered(json_list(content, 'skills')))
    except (UnknownSkillError, TypeError) as error:
        raise AnswerError(str(error)) from error
