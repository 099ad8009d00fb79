"""Engines that are really built, from models in miniature: TensorRT for RTX needs no GPU for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

pytest.importorskip('tensorrt_rtx')

from builder_spy import check_network, watch_builder  # noqa: E402
from skill_predictor.inference import artefacts  # noqa: E402
from skill_predictor.inference.errors import BackendError  # noqa: E402
from skill_predictor.inference.graph import build_graph  # noqa: E402
from skill_predictor.inference.store import read_model  # noqa: E402
from skill_predictor.inference.tensorrt import cuda, engines  # noqa: E402
from skill_predictor.inference.tensorrt.build import build_plan  # noqa: E402
from skill_predictor.inference.tensorrt.device import ANY_DEVICE, Device  # noqa: E402
from skill_predictor.inference.tensorrt.engines import engine_file, EngineRequest  # noqa: E402
from skill_predictor.inference.tensorrt.library import find_library, Library  # noqa: E402
from skill_predictor.inference.tensorrt.profiles import profiles  # noqa: E402
from tiny_model import MAX_TOKENS, sha256  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope='module')
def library():
    return find_library('tensorrt_rtx')


@pytest.fixture
def request_of(model, library):
    def make(encoder=1, **changes):
        return EngineRequest(**{'model': model, 'encoder': model.encoders[encoder],
                                'library': library, 'device': ANY_DEVICE, **changes})
    return make


def build(request, **options):
    lines = []
    return engine_file(request, progress=lines.append, **options), lines


@pytest.mark.parametrize('encoder', [0, 1])
@pytest.mark.parametrize('precision', ['fp16', 'fp32'])
def test_both_encoders_in_both_precisions(request_of, encoder, precision):
    request = request_of(encoder, precision=precision)
    path, lines = build(request)
    assert path == request.path and path.name == f'{request.encoder.name}.{precision}.engine'
    assert path.stat().st_size > 10_000
    assert ('MATRIX_MULTIPLY HALF' in lines[-1]) == (precision == 'fp16')
    manifest = json.loads(path.with_suffix('.json').read_text())
    assert manifest['sha256'] == sha256(path)
    assert manifest['depends_on']['library'] == 'tensorrt_rtx'
    assert build(request) == (path, []), 'the second time it is there already'


@pytest.mark.parametrize('damage', [lambda content: content[:-1], lambda content: b''])
def test_a_damaged_engine_is_built_again(request_of, damage):
    path, _ = build(request_of())
    path.write_bytes(damage(path.read_bytes()))
    _, lines = build(request_of())
    assert 'is damaged' in lines[0] and lines[0].endswith('is built again')
    assert build(request_of())[1] == []


def test_everything_it_depends_on_is_in_the_key(tiny, request_of, library, monkeypatch):
    found = {request_of(0).path, request_of(1).path, request_of(precision='fp32').path,
             request_of(device=Device('Orin', '8.7')).path,
             request_of(device=Device('Orin', '8.9')).path,
             request_of(device=Device('Orin', '8.7', 8)).path,
             request_of(library=Library(library.module, library.name, '9.9')).path}
    tiny.edit_config(lambda config: config['thresholds'].update(hands=0.4))
    changed = read_model(tiny.folder)
    found.add(request_of(model=changed).path)
    monkeypatch.setattr(engines.graph, 'VERSION', engines.graph.VERSION + 1)
    found.add(request_of().path)
    monkeypatch.setattr(engines, 'profiles', lambda tokens: profiles(tokens)[:1])
    found.add(request_of().path)
    monkeypatch.setattr(engines, 'BUILD_VERSION', engines.BUILD_VERSION + 1)
    found.add(request_of().path)
    assert len(found) == 11


def test_engines_of_one_gpu_are_built_in_turn(request_of, library):
    """Whichever library builds them; what they measure is kept apart."""
    orin = Device('Orin', '8.7', 16, 64 << 10)
    here, there = (request_of(0, device=orin, library=Library(None, name, version))
                   for name, version in (('tensorrt', '10.3.0'), ('tensorrt_rtx', '1.7.1')))
    assert here.lock == there.lock and here.timing_cache != there.timing_cache
    assert request_of(device=Device('Orin', '8.7', 8, 32 << 10)).lock != here.lock


@pytest.mark.parametrize('encoder', [0, 1])
def test_the_network_is_what_was_written(model, library, monkeypatch, encoder):
    """Names, types and shapes as the builder sees them."""
    import tensorrt_rtx as trt
    seen = watch_builder(monkeypatch, trt)
    graph = artefacts.onnx_file(model, model.encoders[encoder], 'fp16')
    plan = build_plan(library, graph, profiles(MAX_TOKENS), 'fp16', workspace_bytes=1 << 28)
    assert plan.content
    check_network(seen, trt, MAX_TOKENS)
    assert seen['workspace'] == 1 << 28


def test_a_graph_in_another_precision_is_refused(model, library):
    plain = artefacts.onnx_file(model, model.encoders[0], 'fp32')
    with pytest.raises(BackendError, match='half precision was lost'):
        build_plan(library, plain, profiles(MAX_TOKENS), 'fp16')
    half = artefacts.onnx_file(model, model.encoders[0], 'fp16')
    with pytest.raises(BackendError, match='though fp32 was asked for'):
        build_plan(library, half, profiles(MAX_TOKENS), 'fp32')


def test_what_cannot_be_parsed_is_said(tmp_path, library, tiny, model):
    path = tmp_path / 'broken.onnx'
    path.write_bytes(b'no graph')
    with pytest.raises(BackendError, match='cannot read broken.onnx'):
        build_plan(library, path, profiles(MAX_TOKENS), 'fp16')
    encoder = model.encoders[0]
    graph = build_graph(encoder, tiny.weights[encoder.name], MAX_TOKENS)
    graph.graph.node[5].op_type = 'NoSuchLayer'
    onnx.save(graph, path)
    with pytest.raises(BackendError, match='NoSuchLayer'):
        build_plan(library, path, profiles(MAX_TOKENS), 'fp32')


def test_a_library_that_needs_a_gpu_says_so(request_of, library, monkeypatch):
    monkeypatch.setattr(cuda, 'missing', lambda *_: 'pycuda does not load')
    with pytest.raises(BackendError, match='pycuda does not load'):
        cuda.device_for(Library(None, 'tensorrt', '10.7.0'))
    assert cuda.device_for(library) == ANY_DEVICE
    with pytest.raises(ValueError, match='engines are built in fp16 or fp32'):
        request_of(precision='int8')


_BUILDER = """
import sys, time
from skill_predictor.inference.store import read_model
from skill_predictor.inference.tensorrt.device import ANY_DEVICE
from skill_predictor.inference.tensorrt import engines
from skill_predictor.inference.tensorrt.engines import engine_file, EngineRequest
from skill_predictor.inference.tensorrt.library import find_library
build = engines.build_plan
def slow(*args, **options):
    time.sleep(2.0)  # the other one comes to the lock meanwhile
    return build(*args, **options)
engines.build_plan = slow
model = read_model(sys.argv[1])
request = EngineRequest(model, model.encoders[1], find_library('tensorrt_rtx'), ANY_DEVICE)
print('ready', flush=True)
sys.stdin.readline()
engine_file(request, progress=lambda line: print(line, flush=True))
"""


def test_two_processes_build_once(tiny):
    running = [subprocess.Popen([sys.executable, '-c', _BUILDER, str(tiny.folder)], cwd=ROOT,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
               for _ in range(2)]
    try:
        for process in running:
            assert process.stdout.readline() == 'ready\n'
        for process in running:
            process.stdin.write('\n')
            process.stdin.flush()
        outputs = [process.communicate(timeout=120)[0] for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    assert all(process.returncode == 0 for process in running)
    assert sum('built the fp16 engine' in output for output in outputs) == 1
    assert sum('another process is building' in output for output in outputs) == 1, 'one has waited'
