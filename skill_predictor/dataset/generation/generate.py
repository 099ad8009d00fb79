"""Asking for all requests of a plan and keeping what is right.

Each task in the output file carries the request that it came from, so that a run that was stopped
goes on where it was.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from .. import journal
from ..chat import AnswerError, ChatModel
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
        earlier = _read_whole_requests(self._output)
        journal.append(self._output, [])  # better refused now than when an answer is paid for
        self._seen = {_normal(record.text) for record in earlier}
        # Another writer's answers to the same plan are other tasks.
        answered = {record.provenance.get('request') for record in earlier
                    if record.writer == self._writer}
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
        def parse(content: str) -> tuple[list[answers.WrittenTask], list[str], int]:
            tasks, problems = answers.parse(content, request)
            new = self._new(tasks)
            if not new:
                raise AnswerError('every task of the answer is there already; write others')
            return new, problems, len(tasks) - len(new)

        tasks, problems, repeated = await self._model.ask_until_valid(
            prompts.messages(request, self._guide), answers.schema(request), parse, self._attempts)
        self.progress.left_out.update(problem.partition(': ')[2] for problem in problems)
        if repeated:
            self.progress.left_out['is there already'] += repeated
        self._seen.update(_normal(task.text) for task in tasks)
        records = self._records(tasks, request)
        journal.append(self._output, map(as_dict, records))
        self.progress.kept += len(records)
        self.progress.done += 1

    def _new(self, tasks: Sequence[answers.WrittenTask]) -> list[answers.WrittenTask]:
        """Tasks whose text is not there yet; of a contrast pair one alone is of no use."""
        texts = [_normal(task.text) for task in tasks]
        repeats = [text in self._seen or text in texts[:index] for index, text in enumerate(texts)]
        pairs = {task.pair for task, again in zip(tasks, repeats) if again and task.pair}
        return [task for task, again in zip(tasks, repeats) if not again and task.pair not in pairs]

    def _records(self, tasks: Sequence[answers.WrittenTask], request: Request) -> list[TaskRecord]:
        now = datetime.now(timezone.utc).isoformat(timespec='seconds')
        provenance = {'request': request.id, 'model': self._model.options.model,
                      'prompts': prompts.VERSION, 'voice': request.voice, 'time': now}
        prefix = f'{self._writer}-{request.id}'
        return [TaskRecord(
            id=f'{prefix}-{number}', text=task.text, label=task.label, domain=request.domain,
            writer=self._writer, boundary=request.boundary.name if request.boundary else '',
            group=f'{prefix}-p{task.pair}' if task.pair else '', provenance=provenance)
            for number, task in enumerate(tasks, 1)]


def _read_whole_requests(path: Path) -> list[TaskRecord]:
    """Tasks of a file; where its last line was torn, without the request that the line was of.

    Its other tasks are cut off as well, so that it is asked again: half a request is half a pair.
    """
    if not path.is_file():
        return []
    torn = journal.cut_torn_line(path)
    records = list(read_tasks(path))
    last = records[-1].provenance.get('request') if records else None
    if not torn or not last:
        return records
    ids = json.dumps(records[-1].id.rpartition('-')[0] + '-', ensure_ascii=False)
    if not torn.startswith(f'{{"id": {ids[:-1]}'[:len(torn)]):
        return records  # it was the first line of a request
    lines = path.read_bytes().split(b'\n')
    while records and records[-1].provenance.get('request') == last:
        records.pop()
        while not lines.pop().strip():  # blank lines hold no record
            pass
    with open(path, 'r+b') as stream:
        stream.truncate(len(b'\n'.join([*lines, b''])))
    return records


def _normal(text: str) -> str:
    return ' '.join(text.lower().split())
