"""Times by a clock that the test winds, bytes that can be counted by hand."""

from __future__ import annotations

from importlib import metadata

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper, TensorProto

from fake_gpu import FakeGpu
from skill_predictor.evaluation.speed import machine
from skill_predictor.evaluation.speed.roofline import gpu_bandwidth, read_bandwidth, weight_bytes
from skill_predictor.evaluation.speed.timing import side_by_side, summary


class Clock:
    """Goes on only while somebody works."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def work(self, seconds):
        def call(number):
            self.now += seconds
        return call


def test_percentiles():
    timing = summary([0.001] * 90 + [0.002] * 9 + [0.1])
    assert timing.p50 == pytest.approx(1.0) and timing.calls == 100
    assert timing.p90 == pytest.approx(1.1, abs=0.11) and timing.p99 == pytest.approx(2.98, abs=1)
    assert timing.mean == pytest.approx(2.08)
    with pytest.raises(ValueError):
        summary([])


def test_systems_take_turns():
    clock, order = Clock(), []

    def note(name, seconds):
        work = clock.work(seconds)

        def call(number):
            order.append((name, number))
            work(number)
        return call
    found = side_by_side({'slow': note('slow', 0.3), 'quick': note('quick', 0.1)}, 3.9, least=2,
                         clock=clock)
    assert found['slow'].calls == found['quick'].calls == 10
    assert found['slow'].p50 == pytest.approx(300) and found['quick'].p50 == pytest.approx(100)
    measured = order[6:]
    rounds = [measured[start:start + 2] for start in range(0, len(measured), 2)]
    assert all({number for _, number in pair} == {index} for index, pair in enumerate(rounds))
    assert {pair[0][0] for pair in rounds} == {'slow', 'quick'}, 'each goes first now and then'


def test_rounds_at_least_and_the_share_that_is_over():
    clock, shares = Clock(), []
    found = side_by_side({'a': clock.work(1.0)}, 2.0, least=5, clock=clock, on_round=shares.append)
    assert found['a'].calls == 5 and shares == [0.5, 1.0, 1.0, 1.0, 1.0]


def test_tables_of_which_rows_are_taken_do_not_count(tmp_path):
    tensors = [numpy_helper.from_array(np.zeros((1000, 4), np.float32), 'table'),
               numpy_helper.from_array(np.zeros((4, 8), np.int8), 'weight'),
               numpy_helper.from_array(np.zeros(8, np.float16), 'bias')]
    nodes = [helper.make_node('Gather', ['table', 'ids'], ['rows'])]
    graph = helper.make_graph(
        nodes, 'g', [helper.make_tensor_value_info('ids', TensorProto.INT64, ['n'])],
        [helper.make_tensor_value_info('rows', TensorProto.FLOAT, ['n', 4])], initializer=tensors)
    onnx.save(helper.make_model(graph), tmp_path / 'g.onnx')
    assert weight_bytes(tmp_path / 'g.onnx') == 4 * 8 + 8 * 2


def test_the_machine():
    assert 1e8 < read_bandwidth(16 << 20, 2) < 1e13
    assert machine.resident_bytes() > 1e6
    assert int(machine.describe()['cores']) >= 1 and machine.describe()['numpy'] == np.__version__


def test_versions_of_libraries_by_the_modules_that_are_imported(monkeypatch):
    versions = {'tensorrt-rtx-cu13': '1.7', 'numpy': '2.4'}

    def version(name):
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]
    monkeypatch.setattr(metadata, 'version', version)
    monkeypatch.setattr(metadata, 'packages_distributions', lambda: {'tensorrt_rtx': ['tensorrt-rtx-cu13']})
    found = machine.describe()
    assert found['tensorrt_rtx'] == '1.7' and found['numpy'] == '2.4' and 'tensorrt' not in found


def test_bandwidth_of_a_gpu_leaves_nothing_behind(monkeypatch):
    fake = FakeGpu()
    fake.install(monkeypatch)
    assert 1e6 < gpu_bandwidth(1 << 22, rounds=2) < 1e13
    assert fake.used == fake.living == fake.pushed == 0
