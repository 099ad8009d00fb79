"""Files that appear whole or not at all, and standard output as the place for data."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def output(path: str | os.PathLike | None, binary: bool = False) -> Iterator[IO]:
    """Standard output for ``None`` and ``'-'``, else a file that appears whole or not at all.

    What there is keeps its rights; a link stays, what it leads to is replaced; a device or a pipe
    is written to. Text is UTF-8, whatever the terminal speaks: this is data.

    Parameters
    ----------
    path
        Where to write; ``Path('-')`` is a file of that name.
    binary
        For bytes instead of text.

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    if path is None or path == '-':
        yield _standard_output(binary)
    elif os.path.exists(path) and not os.path.isfile(path):
        # /dev/null, a named pipe: to be written to, not to be replaced.
        with _opened(path, binary) as stream:
            yield stream
    else:
        yield from _whole_file(os.fspath(path), binary)


def require_writable(path: str | os.PathLike) -> None:
    """Find out before long work what :func:`output` would find out after it; nothing is changed.

    Raises
    ------
    OSError
        When no file can be written there.
    """
    if path == '-':
        return
    if os.path.isdir(path):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if os.path.isfile(path) or not os.path.exists(path):
        handle, scratch = _scratch(os.fspath(path))
        os.close(handle)
        os.unlink(scratch)


def same_file(paths: Mapping[str, str | Path | None]) -> tuple[str, str] | None:
    """Names of two of the paths that lead to one file; ``None``: each has its own.

    Parameters
    ----------
    paths
        By name; ``-`` is standard output, and what is neither file nor missing (``/dev/null``) may be shared.
    """
    given = {name: '-' if str(path) == '-' else Path(path).resolve() for name, path in paths.items() if path}
    for (one, first), (other, second) in itertools.combinations(given.items(), 2):
        if first == second and (first == '-' or first.is_file() or not first.exists()):
            return one, other
    return None


def _standard_output(binary: bool) -> IO:
    if sys.stdout is None:
        raise OSError(errno.EBADF, 'standard output is closed; name a file')
    if binary:
        sys.stdout.flush()
        return sys.stdout.buffer
    if hasattr(sys.stdout, 'reconfigure'):
        # What UTF-8 cannot say (half a surrogate pair) becomes what JSON says for it.
        sys.stdout.reconfigure(encoding='utf-8', errors='backslashreplace')
    return sys.stdout


def _opened(file: str | os.PathLike | int, binary: bool) -> IO:
    return open(file, 'wb') if binary else open(file, 'w', encoding='utf-8', newline='\n')


def _whole_file(path: str, binary: bool) -> Iterator[IO]:
    target = Path(path).resolve()  # a link stays, what it leads to is replaced
    handle, scratch = _scratch(path)
    try:
        with _opened(handle, binary) as stream:
            yield stream
        _copy_mode(target, scratch)
        os.replace(scratch, target)
    except BaseException:
        os.unlink(scratch)
        raise


def _scratch(path: str) -> tuple[int, str]:
    """Descriptor and name of a new file beside the one that is to be written."""
    try:
        return tempfile.mkstemp(dir=Path(path).resolve().parent, prefix='.partial-')
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error


def _copy_mode(target: Path, scratch: str) -> None:
    """Give the new file the rights of the old one, or of any new file (mkstemp hides it)."""
    if target.exists():
        shutil.copymode(target, scratch)
    else:
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(scratch, 0o666 & ~umask)
