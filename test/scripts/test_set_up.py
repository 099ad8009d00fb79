"""``scripts/set_up.py``: what it refuses, what it does again, and how it builds on a ROS host."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / 'scripts' / 'set_up.py'


@pytest.fixture
def script(tmp_path, monkeypatch):
    """The script as a module that works in a folder of the test's, on a machine without ROS."""
    spec = importlib.util.spec_from_file_location('set_up', SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    root = tmp_path / 'root'
    root.mkdir()
    overlay = root / '.overlay'
    for name, value in {
            'ROOT': root, 'VENV': root / '.venv', 'STAMPS': root / '.venv' / 'stamps', 'OVERLAY': overlay,
            'SOURCES': overlay / 'src' / 'skill_predictor', 'REQUIREMENTS': root / 'requirements',
            'ON_ROS_HOST': False}.items():
        monkeypatch.setattr(module, name, value)
    monkeypatch.delenv('ROS_DISTRO', raising=False)
    return module


@pytest.fixture
def commands(script, monkeypatch):
    """Commands that were to be run; none is. Whoever wants one to fail names a word of it."""
    ran, failing = [], []

    def run(command, env=None):
        ran.append([str(part) for part in command])
        if any(word in ran[-1] for word in failing):
            raise script.SetUpError('the command ended with 1')
    monkeypatch.setattr(script, 'run', run)
    return SimpleNamespace(ran=ran, failing=failing)


@pytest.fixture
def ros_host(script, monkeypatch):
    """Let it be a ROS host; ``answers`` maps a word of a Python command to what it prints."""
    answers = {'rclpy': '/opt/ros/humble/lib/python\n', 'numpy': '1.26.4\n', 'purelib': ''}
    monkeypatch.setattr(script, 'ON_ROS_HOST', True)
    monkeypatch.setenv('ROS_DISTRO', 'humble')
    packages = script.VENV / 'site'
    packages.mkdir(parents=True)
    answers['purelib'] = f'{packages}\n'

    def run(command, **options):
        word = next(word for word in answers if word in command[-1])
        failed = isinstance(answers[word], Exception)
        return subprocess.CompletedProcess(
            command, int(failed), '' if failed else answers[word], str(answers[word]) if failed else '')
    monkeypatch.setattr(script.subprocess, 'run', run)
    return SimpleNamespace(answers=answers, packages=packages)


def refuse(script, monkeypatch, what):
    """Take one thing away from the machine."""
    which, find_spec = script.shutil.which, script.importlib.util.find_spec
    monkeypatch.setattr(script.shutil, 'which', lambda name, **_: None if what == 'compiler' else (
        which(name) or f'/usr/bin/{name}'))
    if what == 'python':
        monkeypatch.setattr(script.sys, 'version_info', (3, 9, 1))
    elif what == 'headers':
        monkeypatch.setattr(script.sysconfig, 'get_path', lambda name: '/nowhere')
    elif what == 'venv':
        monkeypatch.setattr(script.importlib.util, 'find_spec',
                            lambda name: None if name == 'ensurepip' else find_spec(name))
    elif what == 'wheels':
        monkeypatch.setattr(script.platform, 'machine', lambda: 'aarch64')


@pytest.mark.parametrize('what, said', [
    ('python', r'Python 3\.9 is not supported; use 3\.10 to 3\.13'),
    ('compiler', 'no C.. compiler.*build-essential'), ('headers', 'Python.h .*python3-dev'),
    ('venv', 'cannot make virtual environments.*python3-venv'),
    ('wheels', 'aarch64 has no ROS 2 wheels. Install ROS 2')])
def test_a_machine_that_lacks_something_is_refused_with_what_to_do(script, monkeypatch, what, said):
    include = Path(script.sysconfig.get_path('include'), 'Python.h')
    monkeypatch.setattr(script.Path, 'is_file', lambda path: path == include)
    for name in ('Linux', 'x86_64'):
        monkeypatch.setattr(script.platform, 'system' if name == 'Linux' else 'machine', lambda name=name: name)
    monkeypatch.setattr(script.importlib.util, 'find_spec', lambda name: object())
    monkeypatch.setattr(script.sys, 'version_info', (3, 11, 7))
    refuse(script, monkeypatch, 'nothing')
    script.check_machine()
    refuse(script, monkeypatch, what)
    with pytest.raises(script.SetUpError, match=said):
        script.check_machine()


def test_a_ros_host_needs_its_colcon_and_no_wheels(script, ros_host, monkeypatch):
    monkeypatch.setattr(script.sys, 'version_info', (3, 11, 7))
    monkeypatch.setattr(script.importlib.util, 'find_spec', lambda name: object())
    monkeypatch.setattr(script.Path, 'is_file', lambda path: True)
    monkeypatch.setattr(script.platform, 'machine', lambda: 'aarch64')
    monkeypatch.setattr(script.shutil, 'which', lambda name: f'/usr/bin/{name}')
    script.check_machine()
    monkeypatch.setattr(script.shutil, 'which', lambda name: None if name == 'colcon' else name)
    with pytest.raises(script.SetUpError, match='python3-colcon-common-extensions'):
        script.check_machine()


def test_a_step_is_done_again_unless_it_ended_well_with_the_same_inputs(script):
    def attempt(*inputs, fails=False):
        with script.Step('Title', 'name', inputs) as step:
            if fails and not step.done:
                raise script.SetUpError('half-way')
        return step.done
    with pytest.raises(script.SetUpError):
        attempt('a', fails=True)
    assert not (script.STAMPS / 'name').exists(), 'a step that failed leaves no stamp'
    assert [attempt('a'), attempt('a'), attempt('b'), attempt('b')] == [False, True, False, True]
    with pytest.raises(script.SetUpError):
        attempt('c', fails=True)
    assert attempt('c') is False
    assert [attempt('d', 'e'), attempt('de')] == [False, False]


def test_a_stamp_of_another_folder_does_not_count(script, tmp_path, monkeypatch):
    """Environments hold absolute paths: a folder that was moved is set up again."""
    for done in (False, True):
        with script.Step('Title', 'name', ['a']) as step:
            assert step.done is done
    monkeypatch.setattr(script, 'ROOT', tmp_path / 'moved')
    with script.Step('Title', 'name', ['a']) as step:
        assert not step.done


def test_the_environment_of_a_ros_host_sees_the_hosts_packages(script, commands, ros_host, monkeypatch):
    script.make_environment()
    assert commands.ran == [[sys.executable, '-m', 'venv', '--clear', '--system-site-packages',
                             str(script.VENV)]]
    assert (ros_host.packages / 'ros_host.pth').read_text() == '/opt/ros/humble/lib/python\n'
    script.make_environment()
    assert len(commands.ran) == 1, 'it is there already'
    monkeypatch.setenv('ROS_DISTRO', 'jazzy')
    script.make_environment()
    assert len(commands.ran) == 2, 'another distribution has another rclpy'


def test_without_ros_the_environment_stands_alone(script, commands):
    script.make_environment()
    assert commands.ran == [[sys.executable, '-m', 'venv', '--clear', str(script.VENV)]]
    commands.failing.append('venv')
    (script.STAMPS / 'environment').unlink()
    with pytest.raises(script.SetUpError, match='sudo apt install python3-venv'):
        script.make_environment()
    assert not (script.STAMPS / 'environment').exists()


def test_a_ros_host_that_is_not_sourced_is_told_so(script, commands, ros_host):
    ros_host.answers['rclpy'] = ModuleNotFoundError("No module named 'rclpy'")
    with pytest.raises(script.SetUpError, match="(?s)Source /opt/ros/humble/setup.bash.*'rclpy'"):
        script.make_environment()
    assert not (script.STAMPS / 'environment').exists(), 'next time it is made again'


def test_packages_are_installed_once_and_numpy_stays_below_2_where_the_hosts_does(
        script, commands, ros_host):
    script.REQUIREMENTS.mkdir()
    for name in ('runtime', 'test'):
        (script.REQUIREMENTS / f'{name}.txt').write_text(f'# {name}\n')
    commands.failing.append(str(script.REQUIREMENTS / 'test.txt'))
    with pytest.raises(script.SetUpError):
        script.install_requirements(('runtime', 'test'))
    commands.failing.clear()
    script.install_requirements(('runtime', 'test'))
    files = [command[command.index('-r') + 1] for command in commands.ran]
    assert [Path(file).stem for file in files] == ['runtime', 'test', 'test']
    assert all(command[-1] == 'numpy<2' for command in commands.ran)
    ros_host.answers['numpy'] = '2.2.1\n'
    (script.REQUIREMENTS / 'test.txt').write_text('# another\n')
    script.install_requirements(('runtime', 'test'))
    assert len(commands.ran) == 4 and 'numpy<2' not in commands.ran[-1]


def test_the_wheels_of_ros_are_for_hosts_without(script, commands, monkeypatch):
    repaired = []
    monkeypatch.setattr(script, 'repair_cmake_files', lambda: repaired.append(1))
    script.REQUIREMENTS.mkdir()
    (script.REQUIREMENTS / 'ros-wheels.txt').write_text('ros\n')
    monkeypatch.setattr(script, 'ON_ROS_HOST', True)
    script.install_ros()
    assert commands.ran == []
    monkeypatch.setattr(script, 'ON_ROS_HOST', False)
    script.install_ros()
    assert len(commands.ran) == len(repaired) == 1 and 'numpy<2' not in commands.ran[0]
    script.install_ros()
    assert len(commands.ran) == 1


def test_cmake_files_are_pointed_at_this_machine(script, monkeypatch):
    folder = script.VENV / 'share' / 'some' / 'cmake'
    folder.mkdir(parents=True)
    other = folder / 'other.cmake'
    other.write_text('set(a "/usr/include")\n')
    export = folder / 'export.cmake'
    export.write_text(
        'INCLUDE "/opt/python/cp311-cp311/include/python3.11;${_PREFIX}/include"\n'
        'set(numpy /opt/python/cp311/lib/python3.11/site-packages/numpy/_core/include)\n'
        '  /opt/python/cp310-cp310/include/python3.10>\n/opt/python/cp39/include and /opt/python/cp39/include')
    monkeypatch.setattr(script, 'output', lambda command: '/here/numpy/include')
    monkeypatch.setattr(script.sysconfig, 'get_path', lambda name: '/here/python')
    before = os.stat(other).st_mtime_ns
    script.repair_cmake_files()
    assert export.read_text() == (
        'INCLUDE "/here/python;${_PREFIX}/include"\nset(numpy /here/numpy/include)\n'
        '  /here/python>\n/here/python and /here/python')
    assert os.stat(other).st_mtime_ns == before


@pytest.fixture
def package(script, monkeypatch):
    """A package in miniature, and how often it is built: with interfaces, or its files alone."""
    for path in ('requirements/ros-wheels.txt', 'CMakeLists.txt', 'package.xml', 'msg/A.msg', 'srv/B.srv',
                 'skill_predictor/a.py', 'skill_predictor/__pycache__/a.pyc', 'launch/a.launch.py'):
        (script.ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (script.ROOT / path).write_text('')
    builds = []

    def build():
        builds.append('files' if (script.OVERLAY / 'install').exists() else 'all')
        script.link_sources()
        installed = script.OVERLAY / 'install'
        installed.mkdir(parents=True, exist_ok=True)
        (installed / 'local_setup.sh').write_text('')
        for path in script.package_files():
            link = installed / path.name
            if not link.is_symlink():
                link.symlink_to(script.SOURCES / path)
    monkeypatch.setattr(script, 'colcon_build', build)
    return builds


def test_what_is_built_again(script, package):
    script.build_overlay()
    script.build_overlay()
    assert package == ['all']
    (script.ROOT / 'skill_predictor' / 'a.py').write_text('changed = True\n')
    script.build_overlay()
    assert package == ['all'], 'a link needs no build when its file changes'
    (script.ROOT / 'skill_predictor' / 'b.py').write_text('')
    script.build_overlay()
    assert package == ['all', 'files']
    (script.ROOT / 'msg' / 'A.msg').write_text('bool new\n')
    script.build_overlay()
    assert package == ['all', 'files', 'all']
    (script.OVERLAY / 'install' / 'local_setup.sh').unlink()
    script.build_overlay()
    assert package == ['all', 'files', 'all', 'all'], 'a stamp without what it stands for'


def test_a_file_that_was_removed_is_removed_from_what_is_installed(script, package):
    script.build_overlay()
    link = script.OVERLAY / 'install' / 'a.launch.py'
    assert link.exists()
    (script.ROOT / 'launch' / 'a.launch.py').unlink()
    script.build_overlay()
    assert package == ['all', 'files'] and not link.is_symlink()
    assert not list(script.OVERLAY.rglob('a.pyc'))


def test_a_build_that_fails_is_tried_again(script, package, monkeypatch):
    build, broken = script.colcon_build, [1]

    def colcon_build():
        build()
        if broken:
            raise script.SetUpError(f'no compiler {broken.pop()}')
    monkeypatch.setattr(script, 'colcon_build', colcon_build)
    with pytest.raises(script.SetUpError):
        script.build_overlay()
    script.build_overlay()
    assert package == ['all', 'all'], 'what was left half done is not built upon'


def test_a_command_that_fails_is_shown_with_where_all_of_it_is(script, capfd):
    script.run([sys.executable, '-c', 'print("quiet")'])
    assert 'quiet' not in capfd.readouterr().out
    with pytest.raises(script.SetUpError, match=r'ended with 3; all it said is in .*\.set_up\.log'):
        script.run([sys.executable, '-c', 'print("the reason"); raise SystemExit(3)'])
    assert 'the reason' in capfd.readouterr().err


def test_two_set_ups_wait_for_each_other(script, capsys):
    events = []

    def second():
        with script.alone():
            events.append('second')
    thread = threading.Thread(target=second)
    with script.alone():
        thread.start()
        until = time.monotonic() + 10.0
        while 'waiting for it' not in capsys.readouterr().out:
            assert time.monotonic() < until
            time.sleep(0.01)
        events.append('first')
    thread.join(10.0)
    assert events == ['first', 'second']


def test_a_refusal_is_one_line_and_an_exit_code(script, monkeypatch, capsys):
    later = []
    monkeypatch.setattr(script.sys, 'argv', ['set_up.py', 'demo'])
    monkeypatch.setattr(script, 'make_environment', lambda: later.append(1))

    def check_machine():
        raise script.SetUpError('no compiler')
    monkeypatch.setattr(script, 'check_machine', check_machine)
    assert script.main() == 1 and not later
    assert capsys.readouterr().err == '\nset-up failed: no compiler\n'
