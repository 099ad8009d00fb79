"""What the machine could do at best: one task needs every weight read once (Williams et al. 2009)."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import numpy as np

from ...inference.processors import usable_processors

_ARRAY_BYTES = 256 << 20  # far above any cache
_ROUNDS = 7


def read_bandwidth(size_bytes: int = _ARRAY_BYTES, rounds: int = _ROUNDS) -> float:
    """Bytes a second that all cores together read from memory, the best of several rounds.

    Parameters
    ----------
    size_bytes
        Of what is read; more than the caches hold.
    rounds
        How often it is read.
    """
    from concurrent.futures import ThreadPoolExecutor
    cores = usable_processors()
    parts = np.array_split(np.ones(size_bytes // 8, dtype=np.int64), cores)
    best = 0.0
    with ThreadPoolExecutor(cores) as pool:
        for _ in range(rounds):
            started = time.perf_counter()
            # numpy lets go of the interpreter's lock, and a maximum is pure reading.
            list(pool.map(np.max, parts))
            best = max(best, size_bytes / (time.perf_counter() - started))
    return best


def gpu_bandwidth(size_bytes: int = _ARRAY_BYTES, rounds: int = _ROUNDS) -> float:
    """Bytes a second that the GPU reads and writes in its memory, the best of several copies.

    Parameters
    ----------
    size_bytes
        Of what is copied; more than the caches hold.
    rounds
        How often it is copied.

    Raises
    ------
    BackendError
        When there is no GPU, or it fails.
    """
    from ...inference.tensorrt.cuda import Gpu
    best = 0.0
    with closing(Gpu()) as gpu, gpu.current():
        stream, source, target = gpu.stream(), gpu.memory(size_bytes), gpu.memory(size_bytes)
        try:
            for _ in range(rounds):
                started = time.perf_counter()
                gpu.copy(target, source, size_bytes, stream)
                stream.synchronize()
                best = max(best, 2 * size_bytes / (time.perf_counter() - started))
        finally:
            source.free()
            target.free()
    return best


def weight_bytes(graph: Path) -> int:
    """Bytes of a graph's weights that one task reads: all but the tables of which it takes rows."""
    import onnx
    model = onnx.load(str(graph), load_external_data=False)
    looked_up = {node.input[0] for node in model.graph.node if node.op_type in ('Gather', 'Slice')}
    return sum(_bytes(tensor) for tensor in model.graph.initializer
               if tensor.name not in looked_up)


def _bytes(tensor) -> int:
    from onnx import helper
    items = int(np.prod(tensor.dims, dtype=np.int64))
    return items * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
