"""Help, errors and exit codes of the command as a whole."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from skill_predictor import __version__, cli as cli_module, commands
from skill_predictor.cli import COMMANDS, main


def test_version(cli):
    done = cli('--version')
    assert (done.code, done.out) == (0, f'skill-predictor {__version__}\n')


def test_help_lists_the_commands_in_the_order_a_user_meets_them(cli):
    done = cli('--help')
    assert done.code == 0
    places = [re.search(rf'\n    {name}\s', done.out).start() for name in COMMANDS]
    assert places == sorted(places)
    assert 'examples:\n  skill-predictor prepare' in done.out


@pytest.mark.parametrize('command', COMMANDS)
def test_every_help_has_examples(cli, command):
    done = cli(command, '--help')
    assert done.code == 0
    assert f'examples:\n  skill-predictor {command}' in done.out
    assert '--debug' in done.out


@pytest.mark.parametrize('argv', [['--help'], ['predict', '--help'], ['predict', '--oops'],
                                  ['evaluate', '--help']])
def test_help_and_usage_errors_load_nothing_heavy(argv, environment):
    heavy = ('numpy', 'onnx', 'onnxruntime', 'rich', 'sklearn', 'tokenizers', 'torch')
    code = ('import sys; from skill_predictor.cli import main; main(sys.argv[1:]); '
            f'print([name for name in {heavy} if name in sys.modules])')
    done = subprocess.run([sys.executable, '-c', code, *argv], capture_output=True, text=True,
                          check=True, env=environment)
    assert done.stdout.splitlines()[-1] == '[]'


@pytest.mark.parametrize('argv, message', [
    ([], 'the following arguments are required: COMMAND'),
    (['fly'], "invalid choice: 'fly'"),
    (['predict', '--thresholds', '0.5', 'x'], 'unrecognized arguments: --thresholds'),
    (['predict', '--thr', '0.5', 'x'], 'unrecognized arguments: --thr'),
    (['predict', '--backend', 'torch', 'x'], "invalid choice: 'torch'"),
    (['predict', '--precision', 'fp8', 'x'], "invalid choice: 'fp8'"),
    (['predict', '--threads', '-1', 'x'], "'-1' is no number of threads"),
    (['predict', '--threads', 'all', 'x'], "'all' is no number of threads"),
    (['predict', '--threshold', 'high', 'x'], "'high' is no threshold"),
    (['predict', '--threshold', '1.5', 'x'], "'1.5' is no threshold"),
    (['predict', '--threshold', '0', 'x'], "'0' is no threshold"),
    (['predict', '--threshold', 'nan', 'x'], "'nan' is no threshold"),
    (['predict', '--threshold', 'hands=', 'x'], "'' is no threshold"),
    (['predict', '--threshold', 'arms=0.4', 'x'], "unknown skill 'arms'; the skills are fly, "),
    (['predict', '--input', 'tasks.jsonl', 'x'], 'as arguments or with --input, not both'),
    (['evaluate'], 'the following arguments are required: --input'),
    (['evaluate', '--input', 'x', '--json', '-', '--output', '-'], 'need a file each'),
])
def test_wrong_usage_is_said_in_two_lines(cli, argv, message):
    done = cli(*argv)
    assert done.code == 2 and done.out == ''
    first, second = done.err.splitlines()
    assert message in first and first.startswith('skill-predictor')
    assert second.startswith('Try: skill-predictor') and second.endswith(' --help')


@pytest.mark.parametrize('argv', [
    ['predict', '--model', 'no-such-model', 'x'], ['predict', '--input', '/no/such/file'],
    ['predict', '--input', '/'], ['predict', '--output', '/no/such/folder/file', 'x'],
    ['predict', '--backend', 'tensorrt', 'x'], ['prepare', '--backend', 'tensorrt'],
    ['predict', '--encoders', '/no/such/folder', '--precision', 'fp32', 'x'],
    ['prepare', '--model', 'no-such-model'], ['evaluate', '--input', '/no/such/file'],
])
def test_a_failure_is_one_line(cli, tiny, argv):
    done = cli(*argv)
    assert done.code == 1 and done.out == ''
    complaint = [line for line in done.err.splitlines() if line.startswith('skill-predictor ')]
    assert len(complaint) == 1 and complaint[0].startswith(f'skill-predictor {argv[0]}: ')
    assert 'Traceback' not in done.err and 'unexpected' not in done.err


def test_a_failure_names_the_file(cli, shared_tiny):
    assert cli('predict', '--input', '/no/such/file').err == (
        'skill-predictor predict: /no/such/file: No such file or directory\n')
    assert cli('predict', '--output', '/no/such/folder/file', 'x').err == (
        'skill-predictor predict: /no/such/folder/file: No such file or directory\n')


@pytest.mark.parametrize('argv', [['--debug', 'predict', '--model', 'no-such-model', 'x'],
                                  ['predict', '--debug', '--model', 'no-such-model', 'x']])
def test_debug_shows_the_traceback(spawn, argv):
    process = spawn(*argv)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert b'Traceback' in errors and b'ModelError' in errors


def _failing(monkeypatch, error):
    from skill_predictor.commands import info

    def run(args):
        raise error
    monkeypatch.setattr(info, 'run', run)


@pytest.mark.parametrize('error, message', [
    (KeyError('x'), "unexpected KeyError: 'x'; --debug shows where it comes from"),
    (ModuleNotFoundError("No module named 'onnx'", name='onnx'),
     "No module named 'onnx': pip install -r requirements/runtime.txt (in the source folder of skill_predictor)"),
    (OSError(28, 'No space left on device'), 'No space left on device'),
])
def test_other_errors(cli, monkeypatch, error, message):
    _failing(monkeypatch, error)
    done = cli('info')
    assert (done.code, done.err) == (1, f'skill-predictor info: {message}\n')


def test_an_interrupt_is_quiet(cli, monkeypatch):
    _failing(monkeypatch, KeyboardInterrupt())
    done = cli('info')
    assert (done.code, done.out, done.err) == (130, '', '')


def test_a_command_that_is_not_installed_is_not_offered(cli, monkeypatch):
    monkeypatch.setattr(cli_module, 'COMMANDS', (*COMMANDS, 'fly-away'))
    done = cli('--help')
    assert done.code == 0 and 'fly-away' not in done.out
    assert cli('fly-away').code == 2


def test_a_command_with_a_broken_import_does_not_vanish(monkeypatch):
    def broken(name):
        raise ModuleNotFoundError("No module named 'lib'", name='lib')
    monkeypatch.setattr(cli_module.importlib, 'import_module', broken)
    assert main(['--help']) == 1


@pytest.mark.parametrize('wanted, expected', [
    ([], (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)),
    ([('', 0.7)], (0.7,) * 6),
    ([('hands', 0.9)], (0.1, 0.2, 0.3, 0.4, 0.5, 0.9)),
    ([('fly', 0.9), ('', 0.7), ('legs', 0.8)], (0.9, 0.7, 0.8, 0.7, 0.7, 0.7)),
    ([('', 0.7), ('', 0.3), ('fly', 0.1), ('fly', 0.2)], (0.2, 0.3, 0.3, 0.3, 0.3, 0.3)),
])
def test_named_thresholds_go_before_the_general_one(wanted, expected):
    assert commands.apply_thresholds((0.1, 0.2, 0.3, 0.4, 0.5, 0.6), wanted) == expected
