"""The check of a new device: its report, with small commands in place of its steps, and the steps themselves."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from skill_predictor import cli

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'benchmarks'))

import device_check  # noqa: E402
from device_check import Step  # noqa: E402


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, '-c', code, *arguments]


@pytest.fixture
def check(monkeypatch, tmp_path):
    """Run the check with other steps; its exit code, the report and what it says of the steps as JSON."""
    def run(*found: Step) -> tuple[int, str, list[dict]]:
        monkeypatch.setattr(device_check, 'steps', lambda *_: list(found))
        code = device_check.main(['--output', str(tmp_path / 'report.md')])
        return (code, (tmp_path / 'report.md').read_text(),
                json.loads((tmp_path / 'report.steps.json').read_text())['steps'])
    return run


def test_a_failing_step_is_reported_and_the_others_go_on(check, capsys):
    code, report, told = check(
        Step('First', python('print("one")')),
        Step('Second', python('import sys; print("half"); sys.exit("no GPU here")')),
        Step('Third', ['/nowhere/at_all']),
        Step('Fourth', python('print("four")')))
    assert code == 1
    assert '## First: done after' in report and '\none\n' in report
    assert '## Second: FAILED with code 1 after' in report and 'half\nno GPU here' in report
    assert '## Third: FAILED after' in report and '/nowhere/at_all' in report
    assert '## Fourth: done after' in report and report.index('four') > report.index('no GPU')
    assert [one['state'] for one in told] == ['done', 'FAILED', 'FAILED', 'done']
    assert [one['code'] for one in told] == [0, 1, None, 0]
    assert 'failed: Second, Third' in capsys.readouterr().out


def test_all_well_is_no_failure(check, capsys):
    code, report, told = check(Step('Only', python('pass')), Step('Node', left_out='no ROS here'))
    assert code == 0 and 'FAILED' not in report
    assert '## Node: left out\n' in report and 'no ROS here' in report
    assert [one['state'] for one in told] == ['done', 'left out']
    said = capsys.readouterr().out
    assert 'left out: Node' in said and 'failed' not in said


def test_files_are_kept_beside_the_report_and_never_those_of_a_run_before(check, tmp_path):
    (tmp_path / 'old.json').write_text('{}')
    (tmp_path / 'layers').mkdir()
    (tmp_path / 'layers' / 'old.layers.json').write_text('{}')
    code, report, told = check(
        Step('Writes', python('open(__import__("sys").argv[1], "w").write("1")', str(tmp_path / 'new.json')),
             ['new.json']),
        Step('Writes none', python('pass'), ['old.json']), Step('Layers', python('pass'), ['layers']))
    assert code == 0 and 'Kept: [new.json](new.json)' in report
    assert not (tmp_path / 'old.json').exists() and not list((tmp_path / 'layers').iterdir())
    assert [one['files'] for one in told][:2] == [['new.json'], []]


def test_the_commands_exist(tmp_path, monkeypatch):
    """Whether the tool knows each sub-command, option and file; none is run."""
    monkeypatch.setattr(device_check, 'without_ros', lambda: '')
    monkeypatch.chdir(ROOT)
    commands = {step.title: step.command for step in device_check.steps('5', tmp_path, 'report')}
    tool = [command[3:] for command in commands.values()
            if command[1:3] == ['-m', 'skill_predictor']]
    assert {command[0] for command in tool} == {'info', 'build-engines', 'verify', 'benchmark'}
    for command in tool:
        assert cli._arguments(command, cli.argparse.Namespace(program='x', debug=False)).run
    assert commands['Engines'][-2:] == ['--layers', str(tmp_path / 'report.layers')]
    assert commands['Speed'][-2:] == ['--json', str(tmp_path / 'report.speed.json')]
    sets = [argument for argument in commands['Agreement'] if argument.startswith('data/')]
    assert sorted(ROOT / one for one in sets) == sorted((ROOT / 'data').glob('test*.jsonl'))
    for title in ('Memory', 'Node'):
        script = ROOT / commands[title][1]
        assert script.exists() and "add_argument('--json'" in script.read_text()
        assert commands[title][-2:] == ['--json', str(tmp_path / f'report.{title.lower()}.json')]


def test_a_step_says_beside_the_report_what_it_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(device_check, 'without_ros', lambda: '')
    for step in device_check.steps('5', tmp_path, 'report'):
        written = [one for one in step.command if one.startswith(str(tmp_path))]
        assert written == [str(tmp_path / name) for name in step.files], step.title


def test_without_ros_the_node_is_left_out_and_it_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(device_check.sys, 'executable', str(tmp_path / 'python'))
    (tmp_path / 'python').write_text(
        "#!/bin/sh\necho \"ModuleNotFoundError: No module named 'rclpy'\" >&2\nexit 1\n")
    (tmp_path / 'python').chmod(0o755)
    node = {step.title: step for step in device_check.steps('5', tmp_path, 'report')}['Node']
    assert "No module named 'rclpy'" in node.left_out
    assert node.run(tmp_path) == node.left_out and node.state == 'left out'


def test_with_ros_the_node_is_run():
    pytest.importorskip('rclpy', reason='the nodes need ROS 2 (source scripts/env.sh)')
    pytest.importorskip('skill_predictor.msg', reason='the interfaces are not built (make setup)')
    assert device_check.without_ros() == ''
