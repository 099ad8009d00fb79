"""Where results go: found out before the work, whole or not at all, and always UTF-8."""

from __future__ import annotations

import io
import json
import os
import signal
import stat
import subprocess
import sys
import threading

import pytest

from skill_predictor import cli as cli_module
from skill_predictor.dataset.records import TaskRecord, write_tasks
from skill_predictor.outputs import output, require_writable, same_file

TEXT = 'Inspect the café façade'


@pytest.mark.parametrize('argv, packages', [
    (['benchmark', '--json', '{}'], []), (['compare', 'nothere', '--json', '{}'], ['sklearn']),
    (['report', 'nothere', '--output', '{}'], ['sklearn', 'scipy', 'matplotlib', 'jinja2']),
    (['report', 'nothere', '--output', '{}.md'], ['sklearn', 'scipy', 'matplotlib', 'jinja2']),
    (['ablate', 'nothere', '--recipe', 'minilm', '--variants', 'nothere', '--output', '{}'],
     ['torch', 'transformers', 'accelerate', 'peft', 'sklearn'])], ids=lambda part: part[0] if part else '')
def test_what_cannot_be_written_is_said_before_anything_is_read(cli, shared_tiny, argv, packages):
    for package in packages:
        pytest.importorskip(package)
    done = cli(*(part.format('/no/such/folder/file') for part in argv))
    assert done.code == 1 and '/no/such/folder/file' in done.err
    assert done.err.endswith(': No such file or directory\n') and len(done.err.splitlines()) == 1


def test_verify_opens_its_file_before_the_first_form(cli, shared_tiny, tmp_path):
    write_tasks([TaskRecord('a', 'Sweep', ())], tmp_path / 'tasks.jsonl')
    done = cli('verify', tmp_path / 'tasks.jsonl', '--model', shared_tiny.folder, '--json', '/no/such/x')
    assert done.code == 1 and 'running' not in done.err
    assert done.err == 'skill-predictor verify: /no/such/x: No such file or directory\n'


def test_a_report_needs_its_packages_before_the_predictions(cli, tmp_path, monkeypatch):
    for package in ('sklearn', 'scipy', 'matplotlib', 'jinja2'):
        pytest.importorskip(package)
    monkeypatch.setitem(sys.modules, 'jinja2', None)
    done = cli('report', tmp_path / 'nothere', '--output', tmp_path / 'page.html')
    assert done.code == 1 and 'jinja2' in done.err and 'nothere' not in done.err


@pytest.mark.parametrize('second', ('./found', 'found', 'link'))
def test_two_results_need_a_file_each(cli, tmp_path, monkeypatch, second):
    monkeypatch.chdir(tmp_path)
    os.symlink('found', 'link')
    done = cli('evaluate', '--input', 'x', '--json', 'found', '--output', second)
    assert done.code == 2 and '--json and --output need a file each' in done.err
    done = cli('evaluate', '--input', 'found', '--output', second)
    assert done.code == 2 and '--output and --input need a file each' in done.err


def _written(monkeypatch, text: str) -> bytes:
    """What a standard output that speaks ASCII only gets of a text."""
    with monkeypatch.context() as patch:
        patch.setattr(sys, 'stdout', io.TextIOWrapper(io.BytesIO(), encoding='ascii', errors='replace'))
        with output('-') as stream, output(None) as same:
            assert stream is same is sys.stdout
            stream.write(text)
        sys.stdout.flush()
        return sys.stdout.buffer.getvalue()


@pytest.mark.parametrize('text', (TEXT, '\ud800'))
def test_data_on_standard_output_are_utf8(monkeypatch, text):
    """Half a character becomes what JSON says for it."""
    assert json.loads(_written(monkeypatch, f'"{text}"').decode('utf-8')) == text


@pytest.mark.parametrize('encoding', ('ascii', 'latin-1'))
def test_tasks_of_a_bag_keep_their_letters_on_any_terminal(spawn, cli, tmp_path, environment, encoding):
    write_tasks([TaskRecord('a', TEXT)], tmp_path / 'tasks.jsonl')
    assert cli('bag', 'record-demo', tmp_path / 'tasks.jsonl', '--output', tmp_path / 'bag').code == 0
    process = spawn('bag', 'tasks', tmp_path / 'bag', env={**environment, 'PYTHONIOENCODING': encoding})
    assert json.loads(process.communicate(timeout=60)[0])['text'] == TEXT


@pytest.mark.parametrize('binary, content', [(False, TEXT), (True, b'\x89PNG')])
def test_a_file_appears_whole(tmp_path, binary, content):
    path = tmp_path / 'file'
    with output(path, binary) as stream:
        stream.write(content)
        assert not path.exists()
    assert path.read_bytes() == (content if binary else content.encode())
    assert stat.S_IMODE(path.stat().st_mode) & 0o077, 'an ordinary file, which others may read'
    with pytest.raises(RuntimeError), output(path, binary) as stream:
        stream.write(content[:1])
        raise RuntimeError
    assert path.stat().st_size > 1 and [one.name for one in tmp_path.iterdir()] == ['file']


def test_a_named_pipe_takes_bytes_too(tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    got = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / 'pipe').read_bytes()))
    reader.start()
    with output(tmp_path / 'pipe', binary=True) as stream:
        stream.write(b'\x89PNG')
    reader.join(30)
    assert got == [b'\x89PNG'] and stat.S_ISFIFO((tmp_path / 'pipe').stat().st_mode)


def test_what_can_be_written_is_left_as_it_is(tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    (tmp_path / 'old').write_text('old')
    for path in ('-', '/dev/null', tmp_path / 'pipe', tmp_path / 'old', tmp_path / 'new'):
        require_writable(path)
    assert sorted(one.name for one in tmp_path.iterdir()) == ['old', 'pipe']
    for path, said in ((tmp_path, 'Is a directory'), (tmp_path / 'no' / 'file', 'No such file')):
        with pytest.raises(OSError, match=said) as error:
            require_writable(path)
        assert error.value.filename == str(path)


def test_sigterm_leaves_no_half_file(spawn, shared_tiny, tmp_path):
    (tmp_path / 'out').mkdir()
    process = spawn('predict', '--input', '-', '--output', tmp_path / 'out' / 'x.jsonl', bufsize=0)
    process.stdin.write(b'no json\n')
    # Before it come lines on what is built, where this test is the first to use the model.
    assert any(b'is not JSON' in line for line in iter(process.stderr.readline, b''))
    assert len(list((tmp_path / 'out').iterdir())) == 1
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143
    assert list((tmp_path / 'out').iterdir()) == [] and b'Traceback' not in process.stderr.read()


def test_the_signals_of_a_caller_are_left_alone(cli, monkeypatch):
    from skill_predictor.commands import info
    seen = []

    def run(args):
        seen.append(signal.getsignal(signal.SIGTERM))
        return 0
    monkeypatch.setattr(info, 'run', run)
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        assert cli('info').code == 0 and seen == [signal.SIG_IGN]
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        assert cli('info').code == 0 and seen[1] not in (signal.SIG_DFL, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        other = threading.Thread(target=lambda: seen.append(cli_module.main(['info'])))
        other.start()
        other.join(30)
        assert seen[2:] == [signal.SIG_DFL, 0]
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize('command', ('predict <&-', 'predict --input - <&-', 'evaluate --input - <&-'))
def test_a_closed_standard_input_is_said(environment, command):
    pytest.importorskip('sklearn')
    done = subprocess.run(['bash', '-c', f'exec "{sys.executable}" -m skill_predictor {command}'],
                          capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 2 and 'standard input is closed' in done.stderr.splitlines()[0]


def test_a_closed_standard_output_is_no_surprise(environment, shared_tiny):
    run = f'exec "{sys.executable}" -m skill_predictor'
    done = subprocess.run(['bash', '-c', f'{run} info >&-'], stderr=subprocess.PIPE, text=True,
                          env=environment, timeout=120)
    assert 'unexpected' not in done.stderr and 'Traceback' not in done.stderr
    done = subprocess.run(['bash', '-c', f'{run} predict --json Sweep >&-'], stderr=subprocess.PIPE,
                          text=True, env=environment, timeout=120)
    assert done.returncode == 1 and 'standard output is closed; name a file' in done.stderr


def test_progress_does_not_become_output_where_stderr_is_closed(environment, shared_tiny):
    done = subprocess.run(
        ['bash', '-c', f'exec "{sys.executable}" -m skill_predictor predict --json Sweep 2>&-'],
        stdout=subprocess.PIPE, text=True, env=environment, timeout=120)
    assert done.returncode == 0 and [json.loads(line)['id'] for line in done.stdout.splitlines()] == ['1']


def test_which_files_are_the_same(tmp_path):
    (tmp_path / 'link').symlink_to(tmp_path / 'new')
    for paths, expected in (
            ({'a': '-', 'b': '-'}, ('a', 'b')), ({'a': '', 'b': None}, None), ({'a': '-', 'b': 'x'}, None),
            ({'a': tmp_path / 'new', 'b': 'x', 'c': tmp_path / 'link'}, ('a', 'c')),
            ({'a': '/dev/null', 'b': '/dev/null'}, None)):
        assert same_file(paths) == expected
