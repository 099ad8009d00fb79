"""Reading a released model, and every damage that must be noticed."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from skill_predictor.inference.errors import ModelError
from skill_predictor.inference.store import read_model
from skill_predictor.inference.tokenizer import TaskTokenizer
from skill_predictor.taxonomy import SKILLS


def test_a_whole_model(tiny):
    model = read_model(tiny.folder)
    config = (tiny.folder / 'config.json').read_bytes()
    assert model.sha256 == hashlib.sha256(config).hexdigest()
    assert model.version == f'tiny+{model.sha256[:12]}'
    assert model.skills == SKILLS
    assert model.thresholds == (0.5,) * 6
    assert [encoder.name for encoder in model.encoders] == ['mpnet', 'minilm']
    assert model.encoders[0].head_layers == (32, 16, 6)
    assert model.encoders[0].token_ids.offset == 4
    assert model.vocabulary == tiny.folder / 'vocab.txt'


def test_trained_weights_are_float32(tiny):
    model = read_model(tiny.folder)
    weights = model.tuned_weights(model.encoders[1])
    assert {tensor.dtype for tensor in weights.values()} == {np.dtype('float32')}
    np.testing.assert_array_equal(
        weights['head.0.weight'], tiny.weights['minilm']['head.0.weight'])


def test_thresholds_are_read_by_name(tiny):
    tiny.edit_config(lambda config: config.update(
        thresholds={skill: 0.1 * (place + 1) for place, skill in
                    reversed(list(enumerate(SKILLS)))}))
    assert read_model(tiny.folder).thresholds == pytest.approx((0.1, 0.2, 0.3, 0.4, 0.5, 0.6))


def test_another_threshold_is_another_version(tiny):
    before = read_model(tiny.folder).version
    tiny.edit_config(lambda config: config['thresholds'].update(hands=0.4))
    assert read_model(tiny.folder).version != before


@pytest.mark.parametrize('name', ['vocab.txt', 'mpnet.safetensors', 'minilm.safetensors'])
def test_a_missing_file(tiny, name):
    (tiny.folder / name).unlink()
    with pytest.raises(ModelError, match=f'{name} is missing'):
        read_model(tiny.folder)


@pytest.mark.parametrize('name', ['vocab.txt', 'mpnet.safetensors', 'minilm.safetensors'])
def test_a_changed_file(tiny, name):
    content = bytearray((tiny.folder / name).read_bytes())
    content[-1] ^= 1
    (tiny.folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=f'{name} is damaged'):
        read_model(tiny.folder)


def test_words_are_verified_like_every_file(tiny):
    assert read_model(tiny.folder).words is None
    before = read_model(tiny.folder).version
    words = tiny.add_words(bring=90, bridge=50)
    model = read_model(tiny.folder)
    assert model.words == words and model.version != before
    tiny.edit_config(lambda config: config.update(format=2))
    with pytest.raises(ModelError, match='words need format 3'):
        read_model(tiny.folder)
    tiny.edit_config(lambda config: config.update(format=3))
    words.write_text('bring 90\n')
    with pytest.raises(ModelError, match='words.txt is damaged'):
        read_model(tiny.folder)
    tiny.edit_config(lambda config: config['words'].update(file='../words.txt'))
    with pytest.raises(ModelError, match="'../words.txt' cannot be the name"):
        read_model(tiny.folder)


def test_a_model_with_words_reads_mistyped_ones(tiny):
    plain = TaskTokenizer.of(read_model(tiny.folder))
    tiny.add_words(bring=90, bridge=50)
    reads = TaskTokenizer.of(read_model(tiny.folder))
    assert reads.tokenize('birng the brdige') == plain.tokenize('bring the bridge')
    assert reads.tokenize('bring the anchor') == plain.tokenize('bring the anchor')
    assert plain.tokenize('birng') != plain.tokenize('bring'), 'the other is as it was'


def test_a_git_lfs_pointer_instead_of_weights(tiny):
    (tiny.folder / 'mpnet.safetensors').write_text('version https://git-lfs.github.com/spec/v1\n')
    with pytest.raises(ModelError, match='git lfs'):
        read_model(tiny.folder)


@pytest.mark.parametrize('content', [b'', b'{"format": 1', b'[1, 2]', b'null', b'\xff\xfe',
                                     b'{"format": 1}'])
def test_a_damaged_config(tiny, content):
    (tiny.folder / 'config.json').write_bytes(content)
    with pytest.raises(ModelError, match='config.json is damaged'):
        read_model(tiny.folder)


def test_no_config(tmp_path):
    with pytest.raises(ModelError, match='cannot read the model folder'):
        read_model(tmp_path / 'nothing')


def test_another_format_says_what_to_do(tiny):
    tiny.edit_config(lambda config: config.update(format=4))
    with pytest.raises(ModelError, match='format 4, this version reads formats 1, 2, 3; update'):
        read_model(tiny.folder)


@pytest.mark.parametrize('skills', [SKILLS[::-1], SKILLS[:5], (*SKILLS[:5], 'arms')])
def test_other_skills_or_another_order(tiny, skills):
    tiny.edit_config(lambda config: config.update(skills=skills))
    with pytest.raises(ModelError, match='was trained for the skills'):
        read_model(tiny.folder)


@pytest.mark.parametrize('threshold', [0, -0.1, 1.1, float('nan')])
def test_a_senseless_threshold(tiny, threshold):
    tiny.edit_config(lambda config: config['thresholds'].update(legs=threshold))
    with pytest.raises(ModelError, match='threshold'):
        read_model(tiny.folder)


def _encoder(change):
    return lambda config: change(config['encoders'][0])


@pytest.mark.parametrize('change, message', [
    (lambda config: config.update(encoders=[]), 'names no encoder'),
    (lambda config: config['thresholds'].pop('fly'), "damaged .*'fly'"),
    (lambda config: config.update(max_tokens='many'), 'damaged'),
    (_encoder(lambda entry: entry.update(pooling='cls')), "unknown pooling 'cls'"),
    (_encoder(lambda entry: entry.update(head_layers=[32, 16, 5])), 'the head must lead from 32'),
    (_encoder(lambda entry: entry.update(head_layers=[384, 6])), 'the head must lead from 32'),
    (_encoder(lambda entry: entry.update(weight=0)), 'the weight 0.0 is not above 0'),
    (_encoder(lambda entry: entry.update(weight=float('nan'))), 'the weight nan is not above 0'),
    (_encoder(lambda entry: entry.update(weight='much')), 'damaged'),
    (_encoder(lambda entry: entry['base'].pop('sha256')), 'damaged .*sha256'),
    (_encoder(lambda entry: entry.pop('tuned')), "damaged .*'tuned'"),
    (_encoder(lambda entry: entry.update(architecture=None)), 'damaged'),
])
def test_a_config_that_makes_no_sense(tiny, change, message):
    tiny.edit_config(change)
    with pytest.raises(ModelError, match=message):
        read_model(tiny.folder)


@pytest.mark.parametrize('change', [
    lambda config: config.update(name='../../x'),
    lambda config: config['encoders'][0].update(name='a/b'),
    lambda config: config['encoders'][0]['tuned'].update(file='/etc/passwd'),
    lambda config: config['vocabulary'].update(file='../vocab.txt')])
def test_names_that_would_lead_out_of_the_folder(tiny, change):
    tiny.edit_config(change)
    with pytest.raises(ModelError, match='cannot be the name of'):
        read_model(tiny.folder)


def test_the_fixture_is_json_with_all_hashes(tiny):
    config = json.loads((tiny.folder / 'config.json').read_text())
    stated = [entry['tuned']['sha256'] for entry in config['encoders']]
    assert len(set(stated)) == 2, 'the encoders must differ, or a mix-up would not be noticed'
