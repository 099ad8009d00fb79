"""A GPU in numpy, and engines that are a few bytes."""

from __future__ import annotations

import pytest

from fake_gpu import FakeGpu
from skill_predictor.inference.store import read_model


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
