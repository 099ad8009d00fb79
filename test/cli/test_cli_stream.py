"""Pipes, terminals and signals, with the command in a process of its own."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess

import pytest

from tiny_model import TEXTS

SECONDS = 60


@pytest.fixture(autouse=True)
def _tiny(shared_tiny):
    pass


def _send(process, *lines: bytes) -> None:
    process.stdin.write(b''.join(lines))
    process.stdin.flush()


def _answer(process) -> dict:
    """The next line, which must come although the input stays open."""
    assert select.select([process.stdout], [], [], SECONDS)[0], 'no answer'
    return json.loads(process.stdout.readline())


def test_each_line_is_answered_at_once(spawn):
    process = spawn('predict', '--input', '-', bufsize=0)
    _send(process, b'{"id": "a", "text": "Sweep"}\n')
    assert _answer(process)['id'] == 'a'
    _send(process, b'no json\n')
    error = _answer(process)
    assert error['id'] is None
    assert error['error'].startswith('standard input, line 2: is not JSON')
    _send(process, b'{"id": "c", "text": "x"}\n{"id": "d", "text": ""}\n{"id": "e", ')
    assert [_answer(process)['id'] for _ in range(2)] == ['c', 'd']
    _send(process, b'"text": "Dive"}')
    process.stdin.close()
    assert _answer(process)['id'] == 'e', 'the last line needs no end'
    assert process.wait(SECONDS) == 1


def test_standard_input_is_read_when_it_is_no_terminal(spawn):
    out, _ = spawn('predict').communicate(b'{"id": "a", "text": "Sweep"}\n', SECONDS)
    assert json.loads(out)['id'] == 'a'


def test_a_named_pipe_as_input(spawn, tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    process = spawn('predict', '--input', tmp_path / 'pipe')
    with open(tmp_path / 'pipe', 'w') as pipe:
        pipe.write('{"id": "a", "text": "Sweep"}\n')
    assert json.loads(process.communicate(timeout=SECONDS)[0])['id'] == 'a'


@pytest.mark.parametrize('lines, read_first', [(3000, True), (3, False)])
def test_a_reader_that_goes_away(spawn, tmp_path, lines, read_first):
    path = tmp_path / 'tasks.jsonl'
    path.write_text('no json\n' * lines)
    process = spawn('predict', '--input', path, stderr=open(tmp_path / 'errors', 'wb'))
    if read_first:
        process.stdout.readline()
    process.stdout.close()
    assert process.wait(SECONDS) == 141
    errors = (tmp_path / 'errors').read_text()
    assert 'Traceback' not in errors and 'BrokenPipe' not in errors and 'Broken pipe' not in errors


def test_an_interrupt_while_it_waits(spawn):
    process = spawn('predict', '--input', '-', bufsize=0)
    _send(process, b'{"id": "a", "text": "Sweep"}\n')
    _answer(process)
    process.send_signal(signal.SIGINT)
    assert process.wait(SECONDS) == 130
    assert b'Traceback' not in process.stderr.read()


def _on_terminal(spawn, *argv, **options) -> tuple[subprocess.Popen, str]:
    """Run with stderr on a terminal; returns the ended process and what was shown there."""
    ours, theirs = pty.openpty()
    process = spawn(*argv, stderr=theirs, **options)
    os.close(theirs)
    shown = b''
    while select.select([ours], [], [], SECONDS)[0]:
        try:
            chunk = os.read(ours, 1 << 16)
        except OSError:  # the last writer has closed it
            break
        shown += chunk
    os.close(ours)
    process.wait(SECONDS)
    return process, shown.decode()


@pytest.mark.parametrize('count, bar', [(101, True), (100, False)])
def test_a_progress_bar_for_many_tasks(spawn, tmp_path, count, bar):
    path = tmp_path / 'tasks.jsonl'
    path.write_text(''.join(json.dumps({'text': TEXTS[number % 5]}) + '\n'
                            for number in range(count)))
    with open(tmp_path / 'answers', 'wb') as answers:
        process, shown = _on_terminal(spawn, 'predict', '--input', path, stdout=answers)
    assert process.returncode == 0
    assert ('predicting' in shown) is bar
    lines = (tmp_path / 'answers').read_text().splitlines()
    assert [json.loads(line)['id'] for line in lines] == [
        f'line-{number}' for number in range(1, count + 1)]


def test_a_spinner_on_a_terminal_is_wiped(spawn):
    process, shown = _on_terminal(spawn, 'predict', '--json', 'Sweep')
    # (What it says first may be over before the first picture.)
    assert '\x1b[?25l' in shown and 'backend onnxruntime' in shown
    assert json.loads(process.stdout.read())['id'] == '1'
    assert '\x1b[2K' in shown.rpartition('backend')[2], 'the line is erased at the end'
