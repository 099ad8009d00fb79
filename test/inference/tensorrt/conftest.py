"""A GPU in numpy, and engines that are a few bytes."""

from __future__ import annotations

import pytest

from fake_gpu import FakeGpu
from skill_predictor.inference.store import read_model
from skill_predictor.inference.tensorrt import engines
from skill_predictor.inference.tensorrt.build import Plan


@pytest.fixture
def gpu(monkeypatch):
    """A machine with a GPU, pycuda and TensorRT."""
    fake = FakeGpu()
    fake.install(monkeypatch)
    return fake


@pytest.fixture
def model(tiny):
    """A released model in miniature."""
    return read_model(tiny.folder)


@pytest.fixture
def built(monkeypatch):
    """Stands for the builder, which needs TensorRT itself; counts what is built."""
    names = []

    def build(library, graph, shapes, wanted, **_):
        names.append(f'{graph.stem} {wanted}')
        return Plan(f'{graph.stem} {len(names)}'.encode(), '1 MATRIX_MULTIPLY HALF', 0.0)
    monkeypatch.setattr(engines, 'build_plan', build)
    return names
