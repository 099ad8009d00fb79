"""Files that are built once and kept in the user's cache: whole or not at all, once for all processes."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, ExitStack, suppress
from pathlib import Path
from typing import Any

from .errors import ModelError
from .store import sha256_file

Progress = Callable[[str], None]


def key(ingredients: Mapping[str, Any]) -> str:
    """A name for everything that a file depends on: the same for the same, 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(ingredients, sort_keys=True).encode()).hexdigest()


def ensure(path: Path, manifest: Mapping[str, Any], build: Callable[[Path], None], say: Progress, *,
           rebuild: bool = False) -> Path:
    """Build a file, unless it is there and sound.

    Parameters
    ----------
    path
        Of the file; its manifest and its lock lie beside it.
    manifest
        What is noted about the file, fit for JSON; its hash is added.
    build
        Called with the path of a scratch file to write, in a folder that it may use, on the same
        disk.
    say
        Called with a line of text when another process is building, or the file is damaged.
    rebuild
        Build even when the file is sound.

    Raises
    ------
    ModelError
        When the folder cannot be written.
    """
    if not rebuild and is_sound(path, manifest):
        _note_use(path)
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with lock(path.with_name(f'{path.name}.lock'), say):
            if rebuild or not is_sound(path, manifest):  # another process may have built it by now
                if path.exists() and not rebuild:
                    say(f'{path} is damaged, or made of something else, and is built again')
                _build(path, manifest, build)
    except OSError as error:
        raise ModelError(f'cannot build {path}: {error}. Where the disk is full or must not be '
                         'written, name another folder in $SKILL_PREDICTOR_CACHE (2 GB are needed)'
                         ) from error
    return path


def is_sound(path: Path, manifest: Mapping[str, Any]) -> bool:
    """Whether the file is there, made of what the manifest says, and as it was written."""
    try:
        noted = json.loads(_manifest(path).read_text())
        # As JSON: a tuple comes back as a list. A copy from elsewhere may be whole, and wrong.
        return (all(noted[name] == value for name, value in json.loads(json.dumps(manifest)).items())
                and sha256_file(path) == noted['sha256'])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def remove_unused(root: Path, unused_s: float, keep: Collection[Path] = ()
                  ) -> list[tuple[Path, int]]:
    """Remove the folders of built files that nothing has loaded for some time.

    Parameters
    ----------
    root
        The folder that they lie in; need not be there.
    unused_s
        Seconds since the last use. What is being built now stays in any case.
    keep
        Folders that stay in any case.

    Returns
    -------
    list of (folder, bytes) that are gone

    Raises
    ------
    ModelError
        When a folder cannot be removed.
    """
    before, gone = time.time() - unused_s, []
    for folder in sorted(path for path in root.glob('*') if path.is_dir() and path not in keep):
        files = [path for path in folder.rglob('*') if path.is_file()]
        try:
            with ExitStack() as locks:
                for path in files:
                    if path.suffix == '.lock':
                        fcntl.flock(locks.enter_context(open(path, 'rb')),
                                    fcntl.LOCK_EX | fcntl.LOCK_NB)
                states = [path.stat() for path in files]
                if all(state.st_mtime <= before for state in states):
                    shutil.rmtree(folder)
                    gone.append((folder, sum(state.st_size for state in states)))
        except (BlockingIOError, FileNotFoundError):  # somebody is at work in it
            continue
        except OSError as error:
            raise ModelError(f'cannot remove {folder}: {error}') from error
    return gone


def _note_use(path: Path) -> None:
    """Date the manifest; :func:`remove_unused` goes by it, since disks seldom note reading."""
    with suppress(OSError):  # a cache that is only read serves all the same
        os.utime(_manifest(path))


def _build(path: Path, manifest: Mapping[str, Any], build: Callable[[Path], None]) -> None:
    prefix = f'.partial-{path.name}-'
    for left_over in path.parent.glob(f'{prefix}*'):  # of a build that was killed
        shutil.rmtree(left_over, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=prefix) as scratch:
        made, note = Path(scratch) / path.name, Path(scratch) / 'manifest.json'
        build(made)
        note.write_text(json.dumps({'sha256': sha256_file(made), **manifest}, indent=2) + '\n')
        os.replace(made, path)
        os.replace(note, _manifest(path))


def _manifest(path: Path) -> Path:
    return path.with_suffix('.json')


@contextmanager
def lock(path: Path, say: Progress) -> Iterator[None]:
    """Wait for, and hold, a lock that the system lets go of when this process ends.

    Parameters
    ----------
    path
        Of the lock's file, in a folder that is there.
    say
        Called with a line of text when another process holds it.

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    with open(path, 'w') as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say('another process is building the model; waiting for it')
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
