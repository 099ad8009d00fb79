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

from skill_predictor.cli import main

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
