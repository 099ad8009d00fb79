"""Engines of both real encoders, built without a GPU, and the graphs that they are built from."""

from __future__ import annotations

import pytest

pytest.importorskip('tensorrt_rtx')

from builder_spy import check_network, watch_builder  # noqa: E402
from skill_predictor.inference.locations import find_model  # noqa: E402
from skill_predictor.inference.store import read_model  # noqa: E402
from skill_predictor.inference.tensorrt.device import ANY_DEVICE  # noqa: E402
from skill_predictor.inference.tensorrt.engines import engine_file, EngineRequest  # noqa: E402
from skill_predictor.inference.tensorrt.library import find_library  # noqa: E402

pytestmark = pytest.mark.model


@pytest.mark.parametrize('index, least_mb', [(0, 200), (1, 40)])
def test_both_encoders_become_engines(index, least_mb, own_cache, monkeypatch):
    import tensorrt_rtx as trt
    seen = watch_builder(monkeypatch, trt)
    model = read_model(find_model(None))
    request = EngineRequest(model, model.encoders[index], find_library('tensorrt_rtx'), ANY_DEVICE)
    lines = []
    path = engine_file(request, progress=lines.append, rebuild=True)
    # Half precision: two bytes for each of the 109 and 23 million weights, and kernels.
    assert least_mb < path.stat().st_size / 1e6 < least_mb + 60
    layers = model.encoders[index].architecture.layers
    assert f'{6 * layers} MATRIX_MULTIPLY HALF' in lines[-1]
    check_network(seen, trt, model.max_tokens)
    assert engine_file(request, progress=lines.append) == path
