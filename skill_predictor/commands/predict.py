"""``skill-predictor predict``: skills of tasks given as arguments, in a file or in a stream."""

from __future__ import annotations

import argparse
import json
import select
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from io import FileIO
from pathlib import Path
from typing import Any, TextIO, TYPE_CHECKING

from . import (add_model_options, add_prediction_options, load_predictor, output, progress_bar,
               standard_input, UsageError)
from ..dataset.records import read_tasks, RecordError, TaskRecord
from ..taxonomy import SKILLS

if TYPE_CHECKING:
    from ..inference.predictor import Prediction, SkillPredictor

CHUNK = 256
"""Most tasks that are read before the first of them is answered."""

_EXAMPLE = 'skill-predictor predict "Inspect the underside of the bridge for cracks"'

_EXAMPLES = f"""\
A line of FILE is a task, such as {{"id": "t-1", "text": "Sweep the deck"}}. Its answer, in the same
place, is {{"id": "t-1", "skills": ["wheels"], "probabilities": {{"fly": 0.01, ...}}}}, or
{{"id": "t-1", "error": "..."}} when it cannot be read; the exit code is then 1. Where typing errors were
mended, "read_as" has the text as the model read it.

examples:
  {_EXAMPLE}
  skill-predictor predict --json --threshold 0.4 "Sweep the deck" "Dive to the anchor"
  skill-predictor predict --input tasks.jsonl --output answers.jsonl --threshold hands=0.3
  tail -f tasks.jsonl | skill-predictor predict --input -
"""

_NAME_WIDTH = max(map(len, SKILLS))
_BAR_WIDTH = 10
_CELL_WIDTH = _NAME_WIDTH + _BAR_WIDTH + len('  0.00')
_REQUIRED = 'bold green'
_EIGHTHS = ' ▏▎▍▌▋▊▉█'


def add_parser(subparsers) -> None:
    """Add the sub-command to the parser."""
    parser = subparsers.add_parser(
        'predict', help='predict the skills of tasks', epilog=_EXAMPLES,
        description='Predict the skills that tasks need.')
    parser.add_argument('texts', nargs='*', metavar='TEXT', help='a task in plain English')
    parser.add_argument('--input', metavar='FILE',
                        help='tasks as JSON lines; -: standard input, answered as lines come in')
    parser.add_argument('--output', metavar='FILE',
                        help='write JSON lines to FILE, whole or not at all; -: standard output')
    parser.add_argument('--json', action='store_true',
                        help='print JSON lines instead of a table; it takes no FILE: for that, --output')
    add_model_options(parser)
    add_prediction_options(parser)


def run(args: argparse.Namespace) -> int:
    """Answer; 1 when a task could not be read."""
    if args.texts and args.input is not None:
        raise UsageError('give tasks as arguments or with --input, not both')
    files = [text for text in args.texts if text.endswith(('.json', '.jsonl')) and ' ' not in text]
    if files:
        raise UsageError(f'{files[0]} is no task; --input FILE reads tasks, --output FILE writes answers')
    if not args.texts and args.input is None and standard_input().isatty():
        raise UsageError(f'no task given; for example: {_EXAMPLE}')
    tasks = [TaskRecord(str(number), text) for number, text in enumerate(args.texts, 1)]
    if tasks and args.output is None and not args.json:
        return _show(args, tasks)
    with (_source(args.input, bool(tasks)) as source, output(args.output) as stream,
          closing(load_predictor(args)) as predictor,
          progress_bar(_count(args.input), stream is sys.stdout) as done):
        answers = _Answers(predictor, stream, done)
        if tasks:
            answers.write(tasks)
        else:
            answers.write_all(source)
    if not answers.written:
        print('skill-predictor predict: there was no task to answer', file=sys.stderr)
    return 1 if answers.failed else 0


def answer(record: TaskRecord, prediction: Prediction) -> dict[str, Any]:
    """What is written for one task: mended text, skills, probabilities (six digits); or the error."""
    if prediction.error:
        return {'id': record.id, 'error': prediction.error}
    read = {'read_as': prediction.read_as} if prediction.read_as else {}
    return {'id': record.id, **read, 'skills': list(prediction.skills), 'probabilities': {
        skill: round(float(p), 6) for skill, p in zip(SKILLS, prediction.probabilities)}}


class _Answers:
    """Answers tasks in order and counts what it could not read."""

    def __init__(self, predictor: SkillPredictor, stream: TextIO,
                 done: Callable[[int], None]) -> None:
        self.written = 0
        self.failed = 0
        self._predictor = predictor
        self._stream = stream
        self._done = done

    def write_all(self, source: FileIO) -> None:
        """Answer a stream of lines; all that has come is answered before waiting for more."""
        waiting: list[TaskRecord | RecordError] = []

        def add(task: TaskRecord | RecordError) -> None:
            waiting.append(task)
            if len(waiting) >= CHUNK:
                flush()

        def flush() -> None:
            self.write(waiting)
            waiting.clear()

        for record in read_tasks(_Lines(source, before_wait=flush), on_error=add):
            add(record)
        flush()

    def write(self, tasks: Sequence[TaskRecord | RecordError]) -> None:
        """Answer tasks, and lines that are none, and write all answers."""
        texts = [task.text for task in tasks if isinstance(task, TaskRecord)]
        predictions = iter(self._predictor.predict(texts, self._done) if texts else ())
        for task in tasks:
            if isinstance(task, RecordError):
                self._write({'id': None, 'error': str(task)}, str(task))
            else:
                entry = answer(task, next(predictions))
                self._write(entry, f'task {task.id!r}: {entry.get("error")}')
        self._stream.flush()

    def _write(self, entry: dict[str, Any], complaint: str) -> None:
        self.written += 1
        if 'error' in entry:
            self.failed += 1
            print(f'skill-predictor predict: {complaint}', file=sys.stderr)
        self._stream.write(json.dumps(entry, allow_nan=False) + '\n')


class _Lines:
    """Lines of an unbuffered stream, as bytes.

    Parameters
    ----------
    raw
        An unbuffered file, pipe or terminal.
    before_wait
        Called when all lines that have come are read and the next is not there yet.
    """

    def __init__(self, raw: FileIO, before_wait: Callable[[], None]) -> None:
        self.name = raw.name if isinstance(raw.name, str) else 'standard input'
        self._raw = raw
        self._before_wait = before_wait

    def __iter__(self) -> Iterator[bytes]:
        rest = b''
        while True:
            if not select.select([self._raw], [], [], 0)[0]:
                self._before_wait()
                select.select([self._raw], [], [])
            chunk = self._raw.read(1 << 16)
            if not chunk:
                break
            *lines, rest = (rest + chunk).split(b'\n')
            yield from lines
        if rest:
            yield rest


@contextmanager
def _source(path: str | None, unused: bool) -> Iterator[FileIO | None]:
    if unused:
        yield None
    elif path is None or path == '-':
        yield open(standard_input().fileno(), 'rb', buffering=0, closefd=False)
    else:
        with open(path, 'rb', buffering=0) as stream:
            yield stream


def _count(path: str | None) -> int:
    """About how many tasks a file holds; 0 for a stream, whose end nobody knows."""
    if path is None or not Path(path).is_file():
        return 0
    with open(path, 'rb') as stream:
        return sum(1 for line in stream if line.strip())


def _show(args: argparse.Namespace, tasks: Sequence[TaskRecord]) -> int:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text
    console = Console()
    table = Table(box=box.SIMPLE, show_lines=True)
    table.add_column('task', overflow='fold', min_width=12)
    for column, justify in (('probability', 'left'), ('needs', 'left'), ('ms', 'right')):
        table.add_column(column, justify=justify, no_wrap=True)
    failed = 0
    with closing(load_predictor(args)) as predictor:
        for task in tasks:
            started = time.perf_counter()
            prediction, = predictor.predict([task.text])
            milliseconds = (time.perf_counter() - started) * 1e3
            failed += bool(prediction.error)
            table.add_row(_task(task.text, prediction.read_as), *_cells(prediction, console.options.ascii_only),
                          '-' if prediction.error else f'{milliseconds:.1f}')
        backend = predictor.backend
        console.print(table, Text(f'{predictor.version}, {backend.name}, {backend.device}'))
    return 1 if failed else 0


def _cells(prediction: Prediction, ascii_only: bool) -> tuple[Any, Any]:
    """Six bars, one a line, and the decision; or the error and nothing."""
    from rich.text import Text
    if prediction.error:
        # Wrapped here, so that the text's column is the only one that a narrow terminal narrows.
        return Text(textwrap.fill(prediction.error, _CELL_WIDTH), style='red'), Text('')
    lines = [
        Text(f'{skill:{_NAME_WIDTH}} {_bar(p, ascii_only)} {p:4.2f}', _REQUIRED if required else '')
        for skill, p, required in zip(SKILLS, prediction.probabilities, prediction.required)]
    needs = '\n'.join(prediction.skills) or 'nothing'
    return Text('\n').join(lines), Text(needs, _REQUIRED if prediction.skills else '')


def _bar(probability: float, ascii_only: bool) -> str:
    """A probability as a bar of fixed width."""
    if ascii_only:
        return ('#' * round(probability * _BAR_WIDTH)).ljust(_BAR_WIDTH, '.')
    full, part = divmod(round(probability * _BAR_WIDTH * 8), 8)
    return ('█' * full + (_EIGHTHS[part] if part else '')).ljust(_BAR_WIDTH)


def _task(text: str, read_as: str):
    """The text, and below it, where typing errors were mended, as it was read."""
    from rich.text import Text
    written = _printable(text)
    return written if not read_as else Text('\n').join(
        [written, Text('read as: ', 'dim').append(_printable(read_as))])


def _printable(text: str):
    """A text as a user may see it: nothing in it moves the cursor or colours the terminal."""
    from rich.text import Text
    return Text(''.join(char if char.isprintable() else ' ' for char in text))
