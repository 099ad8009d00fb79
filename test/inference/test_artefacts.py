"""What is built is built once, kept whole, and never taken for something else."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import skill_predictor
from skill_predictor.inference import artefacts, built_files
from skill_predictor.inference.errors import ModelError
from skill_predictor.inference.store import read_model
from tiny_model import sha256


@pytest.fixture
def model(tiny):
    return read_model(tiny.folder)


def _build(model, encoder=1, **options):
    lines = []
    path = artefacts.onnx_file(
        model, model.encoders[encoder], progress=lines.append, **options)
    return path, lines


def _inputs(model):
    ids = np.array([[2, 40, 41, 42, 3]])
    return {'input_ids': ids, 'attention_mask': np.ones_like(ids)}


def _run(path, inputs):
    import onnxruntime
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    return session.run(None, inputs)[0]


@pytest.mark.parametrize('precision', ['int8', 'fp32', 'fp16'])
def test_built_once(model, precision, monkeypatch):
    path, lines = _build(model, precision=precision)
    assert path.name == f'minilm.{precision}.onnx'
    assert any(line.startswith('built minilm') for line in lines)
    assert _run(path, _inputs(model)).shape == (1, 6)
    monkeypatch.setattr(artefacts, '_build', None)  # a second build would fail
    assert _build(model, precision=precision) == (path, [])


def test_int8_is_close_to_fp32_and_not_the_same(model):
    exact, quantised = (_run(_build(model, precision=precision)[0], _inputs(model))
                        for precision in ('fp32', 'int8'))
    assert 0 < np.abs(exact - quantised).max() < 0.1


def test_the_manifest_says_what_it_depends_on(model):
    path, _ = _build(model)
    manifest = json.loads(path.with_suffix('.json').read_text())
    assert manifest['sha256'] == sha256(path)
    assert manifest['model'] == model.version
    assert manifest['depends_on']['model_sha256'] == model.sha256
    assert manifest['depends_on']['precision'] == 'int8'


def test_rebuild_on_demand(model):
    path, _ = _build(model)
    before = path.stat().st_ino
    again, lines = _build(model, rebuild=True)
    assert again == path and path.stat().st_ino != before
    assert not any('damaged' in line for line in lines)


@pytest.mark.parametrize('damage', [
    lambda content: content[:-1], lambda content: content[:-1] + bytes([content[-1] ^ 1]),
    lambda content: b''])
def test_a_damaged_file_is_built_again(model, damage):
    path, _ = _build(model)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    _, lines = _build(model)
    assert path.read_bytes() == whole
    assert any('damaged' in line for line in lines)


@pytest.mark.parametrize('content', [None, b'', b'{}', b'[]', b'{"sha256": 7}'])
def test_without_a_sound_manifest_it_is_built_again(model, content):
    path, _ = _build(model)
    manifest = path.with_suffix('.json')
    if content is None:
        manifest.unlink()
    else:
        manifest.write_bytes(content)
    assert _build(model)[1]
    assert json.loads(manifest.read_text())['sha256'] == sha256(path)
    assert _build(model)[1] == []


def test_no_scraps_stay(model):
    path, _ = _build(model)
    names = sorted(entry.name for entry in path.parent.iterdir())
    assert names == ['minilm.int8.json', 'minilm.int8.onnx', 'minilm.int8.onnx.lock']


def test_everything_it_depends_on_is_in_the_key(tiny, model, monkeypatch):
    paths = {artefacts.onnx_file(model, encoder, precision)
             for encoder in model.encoders for precision in artefacts.GRAPHS}
    assert len({path.parent for path in paths}) == 6
    tiny.edit_config(lambda config: config['thresholds'].update(hands=0.4))
    assert _build(read_model(tiny.folder))[0].parent not in {path.parent for path in paths}
    paths.add(_build(model)[0])
    for module, name in (('onnx', '__version__'), ('onnxruntime', '__version__')):
        monkeypatch.setattr(f'{module}.{name}', '0.0.1')
        path, lines = _build(model)
        assert path not in paths and lines, f'{module} is not in the key'
        paths.add(path)
    monkeypatch.setattr(artefacts.graph, 'VERSION', artefacts.graph.VERSION + 1)
    assert _build(model)[0] not in paths


def test_only_int8_needs_the_quantiser(model, monkeypatch):
    """Engines are built from the other graphs, also on a robot without ONNX Runtime."""
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    for precision in ('fp16', 'fp32'):
        path, _ = _build(model, precision=precision)
        assert json.loads(path.with_suffix('.json').read_text())['depends_on']['onnxruntime'] == ''
    with pytest.raises(ModuleNotFoundError, match='onnxruntime'):
        _build(model)


def test_the_processor_decides_about_7_bits(monkeypatch):
    def flags(text):
        monkeypatch.setattr(artefacts.Path, 'read_text', lambda self: text)
        return artefacts.reduce_range()
    monkeypatch.setattr(artefacts.platform, 'machine', lambda: 'x86_64')
    assert flags('flags : sse avx2') is True
    assert flags('flags : avx512_vnni') is False
    monkeypatch.setattr(artefacts.platform, 'machine', lambda: 'aarch64')
    assert flags('Features : asimd') is False


_BUILDER = """
import sys, time
import onnx, onnxruntime  # not in the race for the lock
from skill_predictor.inference import artefacts, built_files
from skill_predictor.inference.store import read_model
build = artefacts._build
def slow(*args):
    print('building', flush=True)
    time.sleep(1.0)
    build(*args)
artefacts._build = slow
model = read_model(sys.argv[1])
print('ready', flush=True)
sys.stdin.readline()
path = artefacts.onnx_file(model, model.encoders[1], progress=lambda line: print(line, flush=True))
print('path', path, flush=True)
"""


def test_two_processes_build_once(tiny):
    root = str(Path(skill_predictor.__file__).parents[1])
    env = {**os.environ, 'PYTHONPATH': os.pathsep.join([root, os.environ.get('PYTHONPATH', '')])}
    processes = [subprocess.Popen(
        [sys.executable, '-c', _BUILDER, str(tiny.folder)], env=env, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for process in processes:
            assert process.stdout.readline() == 'ready\n'
        for process in processes:
            process.stdin.write('go\n')
            process.stdin.flush()
        outputs = [process.communicate(timeout=60)[0].splitlines() for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert sum(lines.count('building') for lines in outputs) == 1
    assert sum('another process is building the model; waiting for it' in lines
               for lines in outputs) == 1
    assert outputs[0][-1].startswith('path') and outputs[0][-1] == outputs[1][-1]


def test_a_cache_that_cannot_be_written(model, tmp_path, monkeypatch):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('SKILL_PREDICTOR_CACHE', str(tmp_path / 'file' / 'cache'))
    with pytest.raises(ModelError, match='cannot build .*SKILL_PREDICTOR_CACHE'):
        _build(model)


def test_a_full_disk_leaves_nothing_behind(model, monkeypatch):
    path, _ = _build(model)
    whole = path.read_bytes()

    def full(source, target):
        target.write_bytes(b'half')
        raise OSError(28, 'No space left on device')
    monkeypatch.setattr(artefacts, '_quantise', full)
    with pytest.raises(ModelError, match='No space left on device.*the disk is full'):
        _build(model, rebuild=True)
    assert path.read_bytes() == whole, 'the old one still serves'
    assert not list(path.parent.glob('.partial-*'))


def test_what_a_killed_build_left_is_removed(model):
    path, _ = _build(model)
    left_over = path.parent / f'.partial-{path.name}-killed'
    left_over.mkdir()
    (left_over / 'fp32.onnx').write_bytes(b'half')
    others = path.parent / '.partial-another.int8.onnx-running'
    others.mkdir()
    _build(model, rebuild=True)
    assert not left_over.exists() and others.exists()


def test_a_whole_file_of_something_else_is_built_again(model):
    """Copied from another machine, manifest and all: its hash is right."""
    right, _ = _build(model, encoder=1)
    content = right.read_bytes()
    other, _ = _build(model, encoder=1, precision='fp32')
    for suffix in ('.onnx', '.json'):
        shutil.copy(other.with_suffix(suffix), right.with_suffix(suffix))
    path, lines = _build(model, encoder=1)
    assert path == right and path.read_bytes() == content
    assert any('made of something else' in line for line in lines)


def _aged(path, days):
    for file in path.parent.iterdir():
        os.utime(file, (time.time() - days * 86400,) * 2)
    return path


def test_what_is_not_used_is_removed(model):
    used, left = (_aged(_build(model, precision=precision)[0], 40)
                  for precision in ('int8', 'fp32'))
    _build(model, precision='int8')
    root = used.parent.parent
    (root / 'timing-0.cache').write_bytes(b'kept: small, and no folder')
    size = sum(path.stat().st_size for path in left.parent.iterdir())
    assert built_files.remove_unused(root, 50 * 86400) == []
    assert built_files.remove_unused(root, 30 * 86400) == [(left.parent, size)]
    assert used.exists() and not left.parent.exists() and (root / 'timing-0.cache').exists()
    assert built_files.remove_unused(root / 'not there', 0) == []


def test_what_is_being_built_is_not_removed(model):
    path = _aged(_build(model)[0], 40)
    with open(path.with_name(f'{path.name}.lock')) as builder:
        fcntl.flock(builder, fcntl.LOCK_EX)
        assert built_files.remove_unused(path.parent.parent, 0) == []
    assert built_files.remove_unused(path.parent.parent, 0) != []


def test_unknown_precision(model):
    with pytest.raises(ValueError, match="unknown precision 'fp8'; choose from int8, fp32, fp16"):
        _build(model, precision='fp8')


def test_missing_base_weights(tiny, model):
    tiny.base_file('minilm').unlink()
    with pytest.raises(ModelError, match='all-MiniLM-L6-v2'):
        _build(model, offline=True)


def test_weights_are_base_plus_training(tiny, model):
    for encoder in model.encoders:
        weights = artefacts.encoder_weights(model, encoder)
        assert weights.keys() == tiny.weights[encoder.name].keys()
        for name, tensor in weights.items():
            np.testing.assert_allclose(tensor, tiny.weights[encoder.name][name], rtol=1e-6)


def test_training_that_does_not_fit_the_base(model):
    class Other(type(model)):
        def tuned_weights(self, encoder):
            return {'pooler.dense.weight': np.zeros((32, 32), np.float32)}
    other = Other(**{field.name: getattr(model, field.name)
                     for field in dataclasses.fields(model)})
    with pytest.raises(ModelError, match='pooler.dense.weight .* does not fit'):
        artefacts.encoder_weights(other, other.encoders[0])
