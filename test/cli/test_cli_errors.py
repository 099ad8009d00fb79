"""Which command an error names, and what it advises."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from skill_predictor import cli as cli_module, extras

ROOT = Path(__file__).resolve().parents[2]


def _failing(monkeypatch, error):
    from skill_predictor.commands import info

    def run(args):
        raise error
    monkeypatch.setattr(info, 'run', run)


@pytest.mark.parametrize('argv, program', [
    (['predict', '--inpt', 'x'], 'predict'),
    (['bag', 'info', 'x', '--bogus'], 'bag info'),
    (['data', 'audit', 'relabel', 'q', '--output', 'x', '--model', 'm', '--bogus'], 'data audit relabel')])
def test_an_unknown_option_is_said_by_the_command_whose_help_knows_them(cli, argv, program):
    done = cli(*argv)
    assert done.code == 2 and done.out == ''
    first, second = done.err.splitlines()
    assert first.startswith(f'skill-predictor {program}: unrecognized arguments: --')
    assert second == f'Try: skill-predictor {program} --help'


def test_wrong_usage_of_an_action_names_the_action(cli, tmp_path):
    done = cli('bag', 'record-demo', 'x', '--output', tmp_path)
    assert done.code == 2
    first, second = done.err.splitlines()
    assert first.startswith('skill-predictor bag record-demo: there is something at')
    assert second == 'Try: skill-predictor bag record-demo --help'


@pytest.mark.parametrize('place', range(4))
def test_debug_is_taken_before_and_behind_every_part(monkeypatch, place):
    from skill_predictor.commands.data import audit

    def run(args):
        raise KeyError('shown')
    monkeypatch.setattr(audit, 'run', run)
    argv = ['data', 'audit', 'compare', 'x', '--queue', 'q', '--answers', 'a', '--audit', 'u']
    with pytest.raises(KeyError, match='shown'):
        cli_module.main([*argv[:place], '--debug', *argv[place:]])
    with pytest.raises(KeyError, match='shown'):
        cli_module.main([*argv, '--debug'])
    assert cli_module.main(argv) == 1


@pytest.mark.parametrize('error', [
    ModuleNotFoundError("No module named 'skill_predictor.new'", name='skill_predictor.new'),
    ImportError("cannot import name 'x' from 'skill_predictor.taxonomy'", name='skill_predictor.taxonomy')])
def test_what_is_missing_of_ourselves_is_not_on_a_package_index(cli, monkeypatch, error):
    _failing(monkeypatch, error)
    done = cli('info')
    assert done.code == 1 and f'({error}): run `make setup`, or build again' in done.err
    assert 'pip install skill_predictor' not in done.err and len(done.err.splitlines()) == 1


def test_a_stale_overlay_is_explained(tmp_path):
    """A module that came with an update, and is not among the links of the last set-up."""
    package = tmp_path / 'skill_predictor'
    package.mkdir()
    for path in (ROOT / 'skill_predictor').iterdir():
        if path.name != 'taxonomy.py':
            (package / path.name).symlink_to(path)
    done = subprocess.run([sys.executable, '-m', 'skill_predictor', '--help'], cwd=tmp_path,
                          capture_output=True, text=True, env={'PYTHONPATH': str(tmp_path)})
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "No module named 'skill_predictor.taxonomy'" in done.stderr and 'make setup' in done.stderr


def test_one_command_installs_all_that_everybody_needs(cli, monkeypatch):
    _failing(monkeypatch, ModuleNotFoundError("No module named 'yaml'", name='yaml'))
    assert cli('info').err == ("skill-predictor info: No module named 'yaml': "
                               'pip install -r requirements/runtime.txt (in the source folder of '
                               'skill_predictor)\n')
    listed = re.findall(r'(?m)^(\w+)', (ROOT / 'requirements' / 'runtime.txt').read_text())
    assert {name.replace('PyYAML', 'yaml') for name in listed} == extras.RUNTIME


def test_errors_that_explain_themselves_are_known():
    for module, names in {**cli_module.TOLD, 'inference.errors': ('TextError', 'ModelError')}.items():
        found = importlib.import_module(f'skill_predictor.{module}')
        assert len(cli_module._known(module, *names)) == len(names)
        for name in names:
            assert getattr(found, name).__module__ == found.__name__
            assert cli_module._explain(getattr(found, name)('what', 'where')) != 'what'


def test_an_error_is_explained_where_packages_are_missing(environment):
    """What explains an error must not need what is missing."""
    code = ('import sys; sys.modules.update(dict.fromkeys(("yaml", "numpy", "rich")));'
            'from skill_predictor.cli import main; sys.exit(main(["bag", "info", "nothere"]))')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, env=environment)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr
    assert 'requirements/runtime.txt' in done.stderr


def test_exit_codes_are_in_the_help(cli):
    assert 'exit codes:' in cli('--help').out and 'SIGTERM' in cli('--help').out
    for argv in (['bag', 'info'], ['bag', 'tasks'], ['compare']):
        assert 'The exit code is' in cli(*argv, '--help').out


@pytest.mark.parametrize('command', ('compare', 'report'))
def test_a_missing_dataset_is_said(cli, tmp_path, command):
    for module in ('sklearn', 'scipy', 'matplotlib', 'jinja2'):
        pytest.importorskip(module)
    output = ['--output', tmp_path / 'x.html'] if command == 'report' else []
    done = cli(command, tmp_path / 'nothere', *output)
    assert done.code == 1 and f'{tmp_path / "nothere"}: there is no such folder' in done.err


@pytest.mark.parametrize('argv', [['--json', 'out.json', 'Sweep the deck'], ['tasks.jsonl']])
def test_the_name_of_a_file_is_no_task(cli, argv):
    done = cli('predict', *argv)
    assert done.code == 2 and 'is no task; --input FILE reads tasks, --output FILE writes' in done.err


def test_a_text_that_speaks_of_a_file_is_a_task(cli, shared_tiny):
    assert cli('predict', '--json', 'Print the file report.json').code == 0


def test_an_unreadable_task_is_named_before_any_form_runs(cli, shared_tiny, tmp_path):
    path = tmp_path / 'tasks.jsonl'
    path.write_text('{"id": "good", "text": "Sweep", "label": []}\n{"id": "bad", "text": " ", "label": []}\n')
    done = cli('verify', path, '--model', shared_tiny.folder, '--encoders', shared_tiny.encoders)
    assert done.code == 2 and 'task bad cannot be read: the text is empty' in done.err
    assert 'running' not in done.err


def test_trouble_of_a_bag_is_not_among_its_counts(cli, bag):
    (bag / 'metadata.yaml').unlink()
    done = cli('bag', 'info', bag)
    assert done.code == 3 and 'trouble: ' in done.err
    assert 'trouble' not in done.out and '/tasks' in done.out


@pytest.mark.parametrize('loads', (False, True))
def test_a_machine_is_told_to_install_pycuda_only_where_a_gpu_may_be(monkeypatch, loads):
    cuda = pytest.importorskip('skill_predictor.inference.tensorrt.cuda')
    monkeypatch.setitem(sys.modules, 'pycuda', None)
    monkeypatch.setattr(cuda.Path, 'glob', lambda *_: iter(()))  # no device

    def library():
        if not loads:
            raise OSError('libcuda.so.1: cannot open shared object file')
    monkeypatch.setattr(cuda, '_driver_library', library)
    assert ('pip install pycuda' in cuda.missing()) == loads
    assert ('there is no NVIDIA GPU' in cuda.missing()) != loads
