"""Writes small bags of tasks: for tests, tutorials, and to try another fleet's recording tools."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...dataset.records import TaskRecord
from ...taxonomy import DEFAULT_THRESHOLD, SKILLS
from .messages import library, own_types, TASK, VECTOR

STORAGES = ('mcap', 'sqlite3')
COMPRESSIONS = ('none', 'file', 'message')
TASK_TOPIC, LABEL_TOPIC = '/tasks', '/task_labels'
START_NS = 1_700_000_000_000_000_000
LONGEST_S = 2**31 - 1 - START_NS / 1e9
"""A message holds the seconds of its time stamp in 32 bits."""


def write_bag(path: str | Path, tasks: Iterable[TaskRecord], *, storage: str = 'mcap',
              compression: str = 'none', period_s: float = 1.0) -> int:
    """Write tasks, and their labels as vectors on a topic of their own. The bag appears whole or not at all.

    Parameters
    ----------
    path
        Folder to make.
    tasks
        With or without label; ids and texts are kept.
    storage
        One of :data:`STORAGES`.
    compression
        One of :data:`COMPRESSIONS`; with zstd.
    period_s
        Between two tasks.

    Returns
    -------
    int
        Number of tasks.

    Raises
    ------
    FileExistsError
        When there is something already.
    ImportError
        When rosbags is not installed.
    """
    library()
    path = Path(path)
    if path.exists():
        raise FileExistsError(f'there is something at {path} already')
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix='.partial-') as folder:
        scratch = Path(folder) / path.name  # its files are called by its name
        count = _write(scratch, tasks, storage, compression, period_s)
        scratch.rename(path)
    return count


def _write(path: Path, tasks: Iterable[TaskRecord], storage: str, compression: str, period_s: float) -> int:
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
    store = own_types()
    writer = Writer(path, version=8, storage_plugin=StoragePlugin[storage.upper()])
    if compression != 'none':
        mode = CompressionMode.STORAGE if (storage, compression) == ('mcap', 'file') else (
            CompressionMode[compression.upper()])
        writer.set_compression(mode, CompressionFormat.ZSTD)
    count = 0
    with writer:
        topics = {kind: writer.add_connection(topic, kind, typestore=store)
                  for topic, kind in ((TASK_TOPIC, TASK), (LABEL_TOPIC, VECTOR))}
        for count, record in enumerate(tasks, 1):
            now = START_NS + int((count - 1) * period_s * 1e9)
            task = _task(store, record, now)
            writer.write(topics[TASK], now, store.serialize_cdr(task, TASK))
            if record.label is not None:
                label = _label(store, record, task, now)
                writer.write(topics[VECTOR], now, store.serialize_cdr(label, VECTOR))
    return count


def _stamp(store: Any, now: int) -> Any:
    return store.types['builtin_interfaces/msg/Time'](now // 10**9, now % 10**9)


def _task(store: Any, record: TaskRecord, now: int) -> Any:
    types = store.types
    return types[TASK](
        header=types['std_msgs/msg/Header'](_stamp(store, now), ''), task_id=record.id,
        text=record.text, priority=1, deadline=types['builtin_interfaces/msg/Time'](0, 0),
        expected_duration=types['builtin_interfaces/msg/Duration'](0, 0), payload_kg=0.0,
        location=types['geometry_msgs/msg/Point'](0.0, 0.0, 0.0))


def _label(store: Any, record: TaskRecord, task: Any, now: int) -> Any:
    import numpy as np
    required = np.array([skill in record.label for skill in SKILLS])
    return store.types[VECTOR](
        header=store.types['std_msgs/msg/Header'](_stamp(store, now), ''), task_id=record.id,
        task=task, skills=list(SKILLS), probabilities=required.astype(np.float32),
        required=required, thresholds=np.full(len(SKILLS), DEFAULT_THRESHOLD, np.float32),
        model_version='label', latency_ms=0.0, inference_ms=0.0, batch_size=1)
