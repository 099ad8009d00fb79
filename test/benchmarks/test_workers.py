"""What the benchmarks stand on: systems in processes of their own, and the page of their figures."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'benchmarks'))

from workers import BLOCK, in_turn, Worker  # noqa: E402


def sleeps(seconds):
    """A system that takes its time and tells its process."""
    def run(text):
        time.sleep(seconds)
        return np.array([os.getpid(), len(text)], dtype=np.float64)
    return run


def broken(reason):
    """A system that cannot be made."""
    raise ImportError(reason)


@pytest.fixture
def workers():
    found = {name: Worker(sleeps, seconds) for name, seconds in (('slow', 0.02), ('quick', 0.002))}
    yield found
    for worker in found.values():
        worker.close()


def test_each_system_has_its_process(workers):
    answers = [worker.answer('four') for worker in workers.values()]
    assert len({os.getpid(), *(answer[0] for answer in answers)}) == 3
    assert all(answer[1] == 4 for answer in answers)
    assert all(10e6 < worker.memory() < 1e9 for worker in workers.values())


def test_they_are_measured_in_turn_on_the_same_texts(workers):
    found = in_turn(workers, ['a', 'b', 'c'], 0.5)
    assert found['slow'].p50 >= 20.0 and found['slow'].p50 > found['quick'].p50 >= 2.0
    assert found['slow'].calls == found['quick'].calls > 0
    assert found['slow'].calls % (BLOCK - 1) == 0, 'the first call of a block is not counted'


def test_what_cannot_be_made_says_why():
    with pytest.raises(RuntimeError, match='ImportError: no such library'):
        Worker(broken, 'no such library')


def dies(seconds):
    """A system that ends its process at the second text."""
    calls = []

    def run(text):
        calls.append(text)
        if len(calls) > 1:
            os._exit(1)
    return run


def fails(seconds):
    def run(text):
        if text != 'warm up':
            raise ValueError('cannot read ' + text)
    return run


def test_what_fails_later_is_left_out_and_the_others_go_on(workers, capsys):
    workers.update(dies=Worker(dies, 0.0), fails=Worker(fails, 0.0))
    found = in_turn(workers, ['a', 'b'], 0.2)
    assert set(found) == {'slow', 'quick'} and found['slow'].calls > 0
    said = capsys.readouterr().err
    assert 'dies (its process ended)' in said and 'fails (ValueError: cannot read a)' in said
    with pytest.raises(RuntimeError, match='ended'):
        workers['dies'].memory()


def test_the_page(tmp_path):
    pytest.importorskip('matplotlib')
    from report import main
    timing = {'p50': 8.0, 'p90': 9.0, 'p99': 10.0, 'mean': 8.1, 'calls': 50}
    machine = {'processor': 'A', 'cores': '2', 'python': '3.11', 'onnxruntime': '1'}
    files = {
        'speed': {'machine': machine, 'model': 'm+1', 'one_task': {'e int8': timing},
                  'engines': {'e int8': {'device': 'CPU', 'start_up': {
                      'seconds': 2.0, 'memory_mb': 300.0, 'gpu_memory_mb': None}}},
                  'roofline': {'read_bandwidth_gb_s': 10.0, 'floor_ms': {'e int8': 2.0}},
                  'batches': [{'engine': 'e int8', 'batch': batch, 'tokens': 24, **timing,
                               'tasks_per_s': 100.0 * batch} for batch in (1, 8)]},
        'peers': {'machine': machine, 'versions': {'torch': '2'}, 'model': 'm+1', 'threads': 2,
                  'systems': {'ours': {**timing, 'memory_mb': 300.0},
                              'sentence-transformers encode + heads': {
                                  **timing, 'p50': 64.0, 'memory_mb': 900.0}}},
        'node': {'machine': machine, 'start_up_s': {'cold': 30.0, 'warm': 3.0},
                 'calls': {'round_trip': timing, 'overhead': timing,
                           'empty_service': timing}, 'capacity_tasks_per_s': 90.0,
                 'queue_size': 256,
                 'loads': [{'share': 1.2, 'rate_per_s': 108.0, 'sent': 100, 'answered': 90,
                            'refused': 10, 'lost': 0, 'sent_late': timing, 'latency': timing}]}}
    arguments = []
    for name, content in files.items():
        (tmp_path / f'{name}.json').write_text(json.dumps(content))
        arguments += [f'--{name}', str(tmp_path / f'{name}.json')]
    before, sys.argv = sys.argv, ['report.py', *arguments, '--output', str(tmp_path / 'page.md'),
                                  '--figures', str(tmp_path / 'figures')]
    try:
        assert main() == 0
    finally:
        sys.argv = before
    page = (tmp_path / 'page.md').read_text()
    assert '| ours | 8.0 | 9.0 | 10.0 | 8.0 | 300 |' in page
    assert '| e int8 | 8 | 24 | 8.0 | 9.0 | 10.0 | 800 |' in page
    assert '| 120% | 108 | 100 | 90 | 10 | 0 | 8 | 10 |' in page
    for name in ('peers', 'throughput'):
        assert f'](figures/benchmark_{name}.svg)' in page
        assert (tmp_path / 'figures' / f'benchmark_{name}.svg').exists()
