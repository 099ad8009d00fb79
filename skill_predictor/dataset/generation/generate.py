"""Asking for all requests of a plan and keeping what is right.

Each task in the output file carries the request that it came from, so that a run that was stopped
goes on where it was.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from .. import journal
from ..chat import ChatModel
from ..jobs import run_jobs
from ..records import as_dict, read_tasks, TaskRecord
from . import answers, prompts
from .grid import Request


@dataclass
class Progress:
    """How far a run is.

    Attributes
    ----------
    requests : int
        Requests of the plan.
    done : int
        Requests that need no more asking, those of earlier runs included.
    failed : int
        Requests that were given up in this run.
    kept : int
        Tasks in the output file.
    left_out : Counter
        Tasks that were not kept, by reason.
    """

    requests: int
    done: int
    kept: int
    failed: int = 0
    left_out: Counter = field(default_factory=Counter)


class Generator:
    """Writes the tasks of a plan into a file.

    Parameters
    ----------
    model
        Whom to ask.
    guide
        The labelling guide, as Markdown.
    output
        JSON Lines file that tasks are appended to.
    writer
        Writer's name for the tasks; ids start with it.
    attempts
        How often a request is asked whose answer cannot be used, at least 1.
    """

    def __init__(self, model: ChatModel, guide: str, output: str | os.PathLike, writer: str,
                 attempts: int = 3) -> None:
        self._model = model
        self._guide = guide
        self._output = Path(output)
        self._writer = writer
        self._attempts = attempts
        self._seen: set[str] = set()
        self.progress = Progress(0, 0, 0)

    async def run(self, plan: Sequence[Request], parallel: int = 4,
                  on_progress: Callable[[Progress], None] | None = None) -> Progress:
        """Ask for every request that the output file does not hold yet.

        Parameters
        ----------
        plan
            What to ask for.
        parallel
            Most requests at once, at least 1.
        on_progress
            Called at the start and after each request.

        Raises
        ------
        ChatError
            When the server cannot be used; what was written stays.
        RecordError, OSError
            When the output file cannot be used.
        """
        say = on_progress or (lambda progress: None)
        journal.cut_torn_line(self._output)
        earlier = list(read_tasks(self._output)) if self._output.exists() else []
        self._seen = {_normal(record.text) for record in earlier}
        answered = {record.provenance.get('request') for record in earlier}
        todo = [request for request in plan if request.id not in answered]
        progress = self.progress = Progress(len(plan), len(plan) - len(todo), len(earlier))
        say(progress)

        async def one(request: Request) -> None:
            await self._one(request)
            say(progress)

        def failed(request: Request, error: Exception) -> None:
            progress.failed += 1
            progress.left_out[f'request failed: {error}'] += request.tasks
            say(progress)

        await run_jobs(todo, one, parallel=parallel, on_failure=failed,
                       stop=lambda: self._model.usage.spent)
        return progress

    async def _one(self, request: Request) -> None:
        tasks, problems = await self._model.ask_until_valid(
            prompts.messages(request, self._guide), answers.schema(request),
            lambda content: answers.parse(content, request), self._attempts)
        self.progress.left_out.update(problem.partition(': ')[2] for problem in problems)
        records = self._records(tasks, request)
        journal.append(self._output, map(as_dict, records))
        self.progress.kept += len(records)
        self.progress.done += 1

    def _records(self, tasks: Sequence[answers.WrittenTask], request: Request) -> list[TaskRecord]:
        now = datetime.now(timezone.utc).isoformat(timespec='seconds')
        provenance = {'request': request.id, 'model': self._model.options.model,
                      'prompts': prompts.VERSION, 'voice': request.voice, 'time': now}
        # Of a contrast pair one alone is of no use.
        repeated = {task.pair for task in tasks if task.pair and _normal(task.text) in self._seen}
        records = []
        for number, task in enumerate(tasks, 1):
            if _normal(task.text) in self._seen or task.pair in repeated:
                self.progress.left_out['is there already'] += 1
                continue
            self._seen.add(_normal(task.text))
            prefix = f'{self._writer}-{request.id}'
            records.append(TaskRecord(
                id=f'{prefix}-{number}', text=task.text, label=task.label, domain=request.domain,
                writer=self._writer, boundary=request.boundary.name if request.boundary else '',
                group=f'{prefix}-p{task.pair}' if task.pair else '', provenance=provenance))
        return records


def _normal(text: str) -> str:
    return ' '.join(text.lower().split())
