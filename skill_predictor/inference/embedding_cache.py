"""Embeddings kept on disk, so that one text is embedded once, whatever command asks for it."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np


class CachedEmbeddings:
    """Embeddings of one encoder in one file.

    A file that is missing, damaged or of another width counts as empty. Two processes may use one
    file: the last to finish wins, and nothing but time is lost.

    Parameters
    ----------
    path
        ``.npz`` file, one per encoder and version of its graph.
    width
        Size of an embedding.
    compute
        Embeddings, float32, shape (len(texts), width), of texts that are not there yet; the second
        argument is called with the number of texts done since the last call.
    """

    def __init__(self, path: str | os.PathLike, width: int, compute: Callable) -> None:
        self._path = Path(path)
        self._width = width
        self._compute = compute

    def embed(self, texts: Sequence[str],
              on_done: Callable[[int], None] | None = None) -> np.ndarray:
        """Embeddings, float32, shape (len(texts), width), in the order of ``texts``."""
        say = on_done or (lambda count: None)
        known = self._read()
        keys = [hashlib.sha256(text.encode()).digest() for text in texts]
        missing = {key: text for key, text in zip(keys, texts) if key not in known}
        say(len(texts) - len(missing))
        if missing:
            found = self._compute(list(missing.values()), say)
            known.update(zip(missing, found))
            self._write(known)
        return np.array([known[key] for key in keys], dtype=np.float32).reshape(-1, self._width)

    def _read(self) -> dict[bytes, np.ndarray]:
        try:
            with np.load(self._path) as content:
                keys, values = content['keys'], content['values']
        except Exception:  # missing or damaged in any of the ways a zip file can be
            return {}
        if keys.shape != (len(values), 32) or values.shape[1:] != (self._width,):
            return {}
        return {key.tobytes(): value for key, value in zip(keys, values)}

    def _write(self, known: dict[bytes, np.ndarray]) -> None:
        keys = np.frombuffer(b''.join(known), dtype=np.uint8).reshape(-1, 32)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle, scratch = tempfile.mkstemp(dir=self._path.parent, suffix='.npz')
        except OSError:
            return  # a full disk costs the next run its time, not this one its result
        try:
            with os.fdopen(handle, 'wb') as stream:
                np.savez(stream, keys=keys, values=np.array(list(known.values()), np.float32))
            os.replace(scratch, self._path)
        except BaseException as error:
            os.unlink(scratch)
            if not isinstance(error, OSError):
                raise
