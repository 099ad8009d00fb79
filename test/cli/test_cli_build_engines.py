"""``build-engines``: what would be built, and building it."""

from __future__ import annotations

import pytest

from skill_predictor.inference.tensorrt import cuda


@pytest.fixture
def build(cli, tiny, monkeypatch):
    monkeypatch.setattr(cuda, 'missing', lambda: 'there is no GPU')
    return lambda *argv: cli('build-engines', '--model', tiny.folder, '--encoders', tiny.encoders,
                             *argv)


def test_nothing_is_built_on_a_dry_run(build, tiny):
    pytest.importorskip('tensorrt_rtx')
    done = build('--dry-run', '--library', 'tensorrt_rtx')
    assert done.code == 0
    for said in ('TensorRT for RTX', 'any GPU', 'precision  fp16', '1 x 3 to 1 x',
                 'mpnet      to be built:', 'minilm     to be built:'):
        assert said in done.out
    assert not (tiny.folder.parent / 'cache').exists()


def test_built_once(build):
    pytest.importorskip('tensorrt_rtx')
    options = ('--library', 'tensorrt_rtx', '--workspace', 512)
    first, second = build(*options), build(*options)
    assert first.code == second.code == 0
    assert 'built the fp16 engine of mpnet' in first.err and 'built' not in second.err
    assert 'fp16 engines for any GPU are ready' in first.out
    assert 'mpnet      there:' in build('--dry-run', '--library', 'tensorrt_rtx').out
    assert 'built the fp16 engine of mpnet' in build(*options, '--rebuild').err


@pytest.mark.parametrize('options, code, said', [
    (['--workspace', '0'], 2, 'below 1'), (['--precision', 'int8'], 2, 'invalid choice'),
    (['--library', 'tensorrt'], 1, 'no TensorRT here'), (['--model', 'none'], 1, 'none')])
def test_what_cannot_be_built(build, monkeypatch, options, code, said):
    import sys
    monkeypatch.setitem(sys.modules, 'tensorrt', None)
    done = build(*options)
    assert done.code == code and said in done.err
