"""What the builder is told, with a TensorRT that only writes it down."""

from __future__ import annotations

import types

import pytest

from skill_predictor.inference.errors import BackendError
from skill_predictor.inference.tensorrt import build as build_module
from skill_predictor.inference.tensorrt.build import build_plan
from skill_predictor.inference.tensorrt.library import Library
from skill_predictor.inference.tensorrt.profiles import profiles


LAYER = types.SimpleNamespace(
    name='layer.0.qkv.product', type=types.SimpleNamespace(name='MATRIX_MULTIPLY'),
    get_output_type=lambda index: types.SimpleNamespace(name='HALF'))


class Recorder:
    """A TensorRT 10 that builds ``content`` and says ``error``."""

    class ILogger:
        ERROR, INTERNAL_ERROR, WARNING = 1, 0, 2

        def log(self, severity, text):
            raise NotImplementedError

    class IProgressMonitor:
        pass

    ProfilingVerbosity = types.SimpleNamespace(DETAILED='detailed')
    BuilderFlag = types.SimpleNamespace(TF32='TF32')
    MemoryPoolType = types.SimpleNamespace(WORKSPACE='workspace')

    def __init__(self, content=b'engine', error=''):
        self.seen = {'profiles': []}
        self._content, self._error = content, error

    def OnnxParser(self, network, logger):
        return types.SimpleNamespace(parse=lambda content: content == b'graph', num_errors=1,
                                     get_error=lambda index: 'odd')

    def Builder(self, logger):
        seen = self.seen

        def set_timing_cache(cache, ignore_mismatch):
            seen['timings read'] = cache
            return cache != b'of another device'

        config = types.SimpleNamespace(
            set_memory_pool_limit=lambda pool, size: seen.update({pool: size}),
            add_optimization_profile=lambda profile: seen['profiles'].append(profile) or 0,
            clear_flag=lambda flag: seen.update({f'without {flag}': True}),
            create_timing_cache=lambda content: None if content == b'damaged' else content, set_timing_cache=set_timing_cache,
            get_timing_cache=lambda: types.SimpleNamespace(serialize=lambda: b'newer'))

        def build_serialized_network(network, config):
            seen['verbosity'] = config.profiling_verbosity
            monitor = getattr(config, 'progress_monitor', None)
            if monitor is not None:
                monitor.phase_start('Timing tactics', None, 3)
                seen['goes on'] = [monitor.step_complete('Timing tactics', step)
                                   for step in range(3)]
                monitor.phase_finish('Timing tactics')
            if self._error:
                logger.log(Recorder.ILogger.ERROR, self._error)
                logger.log(Recorder.ILogger.WARNING, 'of no interest')
            return self._content

        def create_optimization_profile():
            shapes = {}
            return types.SimpleNamespace(
                shapes=shapes, set_shape=lambda name, *three: shapes.update({name: three}))
        return types.SimpleNamespace(
            create_network=lambda flags: types.SimpleNamespace(
                num_layers=1, get_layer=lambda index: LAYER),
            create_builder_config=lambda: config,
            create_optimization_profile=create_optimization_profile,
            build_serialized_network=build_serialized_network)


@pytest.fixture
def build(tmp_path):
    graph = tmp_path / 'mpnet.fp16.onnx'
    graph.write_bytes(b'graph')

    def run(trt, name='tensorrt', **options):
        return build_plan(Library(trt, name, '10.7'), graph, profiles(100), 'fp16', **options)
    return run


def test_profiles_and_verbosity(build):
    trt = Recorder()
    plan = build(trt)
    assert plan.content == b'engine'
    first = trt.seen['profiles'][0].shapes
    assert first == dict.fromkeys(('input_ids', 'attention_mask'), ((1, 3), (1, 24), (1, 100)))
    assert len(trt.seen['profiles']) == 3 and trt.seen['verbosity'] == 'detailed'
    assert 'workspace' not in trt.seen and trt.seen['without TF32']


def test_measurements_are_kept_for_the_next_build(build, tmp_path):
    cache = tmp_path / 'timing.cache'
    trt = Recorder()
    build(trt, timing_cache=cache)
    assert trt.seen['timings read'] == b'' and cache.read_bytes() == b'newer'
    trt = Recorder()
    build(trt, timing_cache=cache)
    assert trt.seen['timings read'] == b'newer'
    assert sorted(path.name for path in tmp_path.iterdir()) == ['mpnet.fp16.onnx', 'timing.cache']
    cache.unlink()
    build(Recorder(), name='tensorrt_rtx', timing_cache=cache)
    assert not cache.exists()


@pytest.mark.parametrize('content', [b'damaged', b'of another device'])
def test_measurements_that_are_of_no_use_cost_nothing(build, tmp_path, content):
    cache = tmp_path / 'timing.cache'
    cache.write_bytes(content)
    trt = Recorder()
    assert build(trt, timing_cache=cache).content == b'engine'
    assert trt.seen['timings read'] == b'' and cache.read_bytes() == b'newer'


def test_measurements_can_be_made_anew(build, tmp_path):
    cache = tmp_path / 'timing.cache'
    cache.write_bytes(b'of slower clocks')
    trt = Recorder()
    build(trt, timing_cache=cache, forget_timings=True)
    assert trt.seen['timings read'] == b'' and cache.read_bytes() == b'newer'


@pytest.mark.parametrize('phase', ['phase_start', 'phase_finish', 'step_complete'])
def test_ctrl_c_stops_the_build(build, monkeypatch, phase):
    """Whenever it comes: TensorRT swallows what its callbacks raise."""
    import signal
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where tests run detached
    original = build_module._monitor

    def pressing(*arguments):
        monitor = original(*arguments)
        callback = getattr(monitor, phase)

        def wrapped(*values):
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                return False
            return callback(*values)
        setattr(monitor, phase, wrapped)
        return monitor
    monkeypatch.setattr(build_module, '_monitor', pressing)
    trt = Recorder()
    try:
        with pytest.raises(KeyboardInterrupt):
            build(trt, progress=lambda line: None)
        assert trt.seen['goes on'] == [phase == 'phase_finish'] * 3
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_the_progress_raises_ends_the_build(build, monkeypatch):
    monkeypatch.setattr(build_module, '_EVERY_S', 0.0)

    def broken(line):
        raise OSError('the terminal is gone')
    trt = Recorder()
    with pytest.raises(OSError, match='the terminal is gone'):
        build(trt, progress=broken)
    assert trt.seen['goes on'] == [False] * 3


def test_progress_is_told_now_and_then(build, monkeypatch):
    lines = []
    monkeypatch.setattr(build_module, '_EVERY_S', 0.0)
    trt = Recorder()
    build(trt, progress=lines.append)
    assert lines[0] == 'building mpnet.fp16: timing tactics, step 1 of 3'
    assert trt.seen['goes on'] == [True] * 3
    monkeypatch.setattr(build_module, '_EVERY_S', 60.0)
    lines.clear()
    build(Recorder(), progress=lines.append)
    assert lines == []


def test_a_build_that_fails_says_why(build):
    with pytest.raises(BackendError, match='built no engine of mpnet.fp16.onnx: out of memory'):
        build(Recorder(content=None, error='out of memory'))
    with pytest.raises(BackendError, match='it does not say why'):
        build(Recorder(content=None))
