"""Writing the folder of a dataset: all of its files, or none."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from .manifest import FILE, Manifest, SPLITS
from .records import read_tasks, TaskRecord, write_tasks

LEFT_OUT = 'left_out.jsonl'
"""Tasks that were left out of a division whose sources its own files replaced."""


def require_folder(folder: str | os.PathLike) -> None:
    """Find out before long work whether :func:`write_folder` can write; nothing is changed.

    Raises
    ------
    OSError
        When it cannot.
    """
    folder = Path(folder)
    for name in (FILE, LEFT_OUT, *(f'{split}.jsonl' for split in SPLITS)):
        path = folder / name
        if path.exists() and not path.is_file():
            raise OSError(errno.EEXIST, 'is no file; move it away', str(path))
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, 'is no folder; name another', str(folder))
    _scratch(folder).rmdir()


def _scratch(folder: Path) -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix='.partial-', dir=folder))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error


def write_folder(folder: str | os.PathLike, splits: Mapping[str, Sequence[TaskRecord]],
                 manifest: Manifest, left_out: Sequence[TaskRecord] | None = None) -> None:
    """Write the splits and the manifest of a dataset; they replace what is there together.

    They may have been read from the same files: these stay until all new ones are written.

    Parameters
    ----------
    folder
        Is made where it is not there.
    splits
        Tasks by split.
    manifest
        How they were divided.
    left_out
        Tasks to keep in :data:`LEFT_OUT`; ``None``: that file stays as it is.

    Raises
    ------
    OSError
        When something cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    scratch = _scratch(folder)
    try:
        for name, part in splits.items():
            write_tasks(part, scratch / f'{name}.jsonl')
        if left_out is not None:
            write_tasks(left_out, scratch / LEFT_OUT)
        manifest.write(scratch)
        # The manifest first: what it holds out is never forgotten.
        moves = [(path, (folder / path.name).resolve())
                 for path in sorted(scratch.iterdir(), key=lambda path: path.name != FILE)]
        for path, target in moves:
            if target.parent.stat().st_dev != scratch.stat().st_dev:
                raise OSError(errno.EXDEV, f'leads to another disk, {target}; replace the link',
                              str(folder / path.name))
            if target.exists():
                shutil.copymode(target, path)
    except BaseException:
        shutil.rmtree(scratch)
        raise
    for path, target in moves:
        os.replace(path, target)
    scratch.rmdir()


def merged_left_out(folder: str | os.PathLike, divided: Sequence[TaskRecord],
                    dropped: Sequence[TaskRecord]) -> list[TaskRecord] | None:
    """What is left out of a folder now: what was before and not divided again, and what was dropped.

    ``None`` where nothing is, nor was.

    Raises
    ------
    RecordError
        When the file there holds anything but labelled tasks.
    """
    path = Path(folder) / LEFT_OUT
    if not path.exists():
        return list(dropped) or None
    again = {task.id for task in divided}
    before = read_tasks(path, require_label=True)
    return [*(task for task in before if task.id not in again), *dropped]
