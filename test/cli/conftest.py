"""The command in this process and in processes of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from constant_model import CONSTANT
from skill_predictor.cli import main
from skill_predictor.dataset.records import TaskRecord, write_tasks
from tiny_model import write_tiny_model

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Done:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def answers(self) -> list[dict]:
        """Standard output, one JSON object a line."""
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def cli(capsys):
    """Run the command in this process."""
    def run(*argv: object) -> Done:
        capsys.readouterr()
        code = main([str(argument) for argument in argv])
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)
    return run


@pytest.fixture
def constant(tmp_path, shared_tiny):
    """A model that says wheels and hands to whatever text."""
    return write_tiny_model(tmp_path / 'constant', constant=CONSTANT)


@pytest.fixture
def bag(cli, tmp_path):
    """A recording of the twenty tasks in ``tasks.jsonl``, of which five need no wheels but fly."""
    write_tasks([TaskRecord(f't-{number}', f'bring the red box {number}',
                            ('wheels', 'hands') if number % 4 else ('fly',))
                 for number in range(20)], tmp_path / 'tasks.jsonl')
    done = cli('bag', 'record-demo', tmp_path / 'tasks.jsonl', '--output', tmp_path / 'bag')
    assert done.code == 0 and 'wrote 20 tasks to /tasks and 20 labels' in done.out
    return tmp_path / 'bag'


@pytest.fixture
def evaluate_bag(cli, constant, bag):
    """Run ``bag evaluate`` with the model ``constant``, on ``bag`` and more."""
    return lambda *argv, more=(): cli(
        'bag', 'evaluate', bag, *more, '--model', constant.folder, '--encoders', constant.encoders,
        '--precision', 'fp32', '--threads', 1, *argv)


@pytest.fixture
def environment() -> dict[str, str]:
    """Environment of a process that imports this package."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get('PYTHONPATH')]))
    return {**os.environ, 'PYTHONPATH': path, 'PYTHONUNBUFFERED': '1'}


def _hear_interrupts() -> None:
    # A test run in the background of a shell ignores Ctrl-C, and its children would as well.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def spawn(environment):
    """Start the command in a process of its own, with pipes unless told otherwise."""
    running = []

    def start(*argv: object, **options) -> subprocess.Popen:
        pipes = dict.fromkeys(('stdin', 'stdout', 'stderr'), subprocess.PIPE)
        running.append(subprocess.Popen(
            [sys.executable, '-m', 'skill_predictor', *map(str, argv)],
            **{'env': {**os.environ, **environment}, 'preexec_fn': _hear_interrupts, **pipes,
               **options}))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def write_lines(tmp_path):
    """Write a file with one JSON object, or one raw string, a line."""
    def write(*entries: object) -> Path:
        path = tmp_path / 'tasks.jsonl'
        path.write_text(''.join(
            (entry if isinstance(entry, str) else json.dumps(entry)) + '\n' for entry in entries))
        return path
    return write
