"""The model folder: what is written is what the model store reads."""

from __future__ import annotations

import os
import stat

import numpy as np
import pytest

pytest.importorskip('torch')

from skill_predictor.inference.errors import ModelError  # noqa: E402
from skill_predictor.inference.store import read_model  # noqa: E402
from skill_predictor.taxonomy import SKILLS  # noqa: E402
from skill_predictor.training.heads import Head  # noqa: E402
from skill_predictor.inference.known_encoders import KNOWN_ENCODERS  # noqa: E402
from skill_predictor.training.release import TrainedEncoder, write_release  # noqa: E402

MPNET, MINILM = KNOWN_ENCODERS


def head(*widths, seed=0):
    """A head with random weights."""
    generator = np.random.default_rng(seed)
    return Head(tuple(generator.standard_normal((outer, inner)).astype(np.float32)
                      for inner, outer in zip(widths, widths[1:])),
                tuple(generator.standard_normal(outer).astype(np.float32) for outer in widths[1:]))


def encoders():
    """Both published encoders with a head each."""
    return [TrainedEncoder(MPNET, head(768, 8, 6)), TrainedEncoder(MINILM, head(384, 9, 7, 6))]


def files(folder):
    """Content of a folder by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_round_trip(tmp_path, vocabulary):
    folder = tmp_path / 'models' / 'test'
    written = write_release(folder, 'test-model', encoders(), vocabulary, '# Card\n',
                            thresholds={skill: 0.1 * (n + 1) for n, skill in enumerate(SKILLS)},
                            data_sha256={'train': 'ab', 'validation': 'cd'})
    model = read_model(folder)
    assert model == written and model.data_sha256 == {'train': 'ab', 'validation': 'cd'}
    assert (model.name, model.skills, model.max_tokens) == ('test-model', SKILLS, 256)
    assert model.thresholds == pytest.approx((0.1, 0.2, 0.3, 0.4, 0.5, 0.6))
    assert model.vocabulary.read_bytes() == vocabulary.read_bytes()
    assert (folder / 'README.md').read_text() == '# Card\n'
    for given, read in zip(encoders(), model.encoders):
        assert (read.name, read.base) == (given.known.name, given.known.base)
        assert read.architecture == given.known.architecture
        assert read.token_ids == given.known.token_ids
        assert (read.head_layers, read.unfrozen) == (given.head.widths, ())
        tensors = model.tuned_weights(read)
        assert len(tensors) == 2 * len(given.head.weights)
        for index, (weight, bias) in enumerate(zip(given.head.weights, given.head.biases)):
            np.testing.assert_allclose(tensors[f'head.{index}.weight'], weight, rtol=1e-3)
            np.testing.assert_allclose(tensors[f'head.{index}.bias'], bias, rtol=1e-3)


def test_words(tmp_path, vocabulary):
    assert write_release(tmp_path / 'a', 'm', encoders(), vocabulary, '').words is None
    assert '"format": 2' in (tmp_path / 'a' / 'config.json').read_text(), 'what is as before, older versions read'
    assert not (tmp_path / 'a' / 'words.txt').exists()
    model = write_release(tmp_path / 'b', 'm', encoders(), vocabulary, '', words={'fly': 3, 'dive': 12})
    assert model == read_model(tmp_path / 'b')
    assert '"format": 3' in (tmp_path / 'b' / 'config.json').read_text(), 'older versions would not mend'
    assert model.words.read_text() == 'dive 12\nfly 3\n'


def test_default_thresholds(tmp_path, vocabulary):
    model = write_release(tmp_path / 'm', 'm', encoders(), vocabulary, '')
    assert model.thresholds == (0.5,) * 6


def test_weights_are_stored_in_half_precision(tmp_path, vocabulary):
    from safetensors.numpy import load_file
    write_release(tmp_path / 'm', 'm', encoders(), vocabulary, '')
    tensors = load_file(str(tmp_path / 'm' / 'mpnet.safetensors'))
    assert {tensor.dtype for tensor in tensors.values()} == {np.dtype(np.float16)}


def test_the_same_release_is_the_same_bytes(tmp_path, vocabulary):
    one = write_release(tmp_path / 'a', 'm', encoders(), vocabulary, 'card')
    other = write_release(tmp_path / 'b', 'm', encoders(), vocabulary, 'card')
    assert one.sha256 == other.sha256
    assert files(tmp_path / 'a') == files(tmp_path / 'b')


def test_everybody_may_read_the_folder(tmp_path, vocabulary):
    (tmp_path / 'plain').mkdir()
    (tmp_path / 'plain' / 'file').touch()
    write_release(tmp_path / 'm', 'm', encoders(), vocabulary, '')

    def mode(path):
        return stat.S_IMODE(path.stat().st_mode)
    assert mode(tmp_path / 'm') == mode(tmp_path / 'plain')
    assert {mode(path) for path in (tmp_path / 'm').iterdir()} == {
        mode(tmp_path / 'plain' / 'file')}


@pytest.mark.parametrize('wrong, reason', [
    (head(767, 8, 6), 'must lead from 768 to 6'),
    (head(768, 8, 5), 'must lead from 768 to 6'),
    (Head(head(768, 8, 6).weights[:1] + head(9, 6).weights, head(768, 8, 6).biases), 'do not fit'),
    (Head(head(768, 8, 6).weights, head(768, 9, 6).biases), 'do not fit'),
    (Head(head(768, 8, 6).weights, head(768, 8, 6).biases[:1]), 'do not fit'),
    (Head(tuple(weight * 1e6 for weight in head(768, 8, 6).weights), head(768, 8, 6).biases),
     'not finite in half precision'),
    (Head(head(768, 8, 6).weights, tuple(bias * np.nan for bias in head(768, 8, 6).biases)),
     'not finite in half precision'),
])
def test_heads_that_do_not_fit_are_refused_and_leave_nothing(tmp_path, vocabulary, wrong, reason):
    with pytest.raises(ModelError, match=reason):
        write_release(tmp_path / 'm', 'm', [TrainedEncoder(MPNET, wrong)], vocabulary, '')
    assert os.listdir(tmp_path) == []


def test_no_encoder_or_two_of_a_name_are_refused(tmp_path, vocabulary):
    for wrong in ([], [encoders()[0], encoders()[0]]):
        with pytest.raises(ModelError, match='different names'):
            write_release(tmp_path / 'm', 'm', wrong, vocabulary, '')


@pytest.mark.parametrize('name', ['', '.', '-m', 'a/b', 'a b', '../m', 'm\n'])
def test_names_that_are_no_file_names_are_refused(tmp_path, vocabulary, name):
    with pytest.raises(ModelError, match='cannot name a model'):
        write_release(tmp_path / 'm', name, encoders(), vocabulary, '')


def test_a_missing_vocabulary_is_an_error_and_leaves_nothing(tmp_path):
    with pytest.raises(ModelError, match='absent.txt'):
        write_release(tmp_path / 'm', 'm', encoders(), tmp_path / 'absent.txt', '')
    assert os.listdir(tmp_path) == []


def test_a_model_is_replaced_only_when_allowed(tmp_path, vocabulary):
    folder = tmp_path / 'm'
    write_release(folder, 'old', encoders(), vocabulary, 'old')
    (folder / 'left-over').touch()
    with pytest.raises(ModelError, match='already a model'):
        write_release(folder, 'new', encoders(), vocabulary, 'new')
    assert read_model(folder).name == 'old'
    write_release(folder, 'new', encoders(), vocabulary, 'new', overwrite=True)
    assert read_model(folder).name == 'new'
    assert sorted(files(folder)) == [
        'README.md', 'config.json', 'minilm.safetensors', 'mpnet.safetensors', 'vocab.txt']
    assert os.listdir(tmp_path) == ['m']


def test_a_failed_replacement_keeps_the_old_model(tmp_path, vocabulary):
    folder = tmp_path / 'm'
    write_release(folder, 'old', encoders(), vocabulary, '')
    wrong = [TrainedEncoder(MPNET, Head(
        head(768, 6).weights, tuple(bias * np.inf for bias in head(768, 6).biases)))]
    with pytest.raises(ModelError, match='not finite'):
        write_release(folder, 'new', wrong, vocabulary, '', overwrite=True)
    assert read_model(folder).name == 'old'
    assert os.listdir(tmp_path) == ['m']


def test_a_stop_in_the_last_moment_keeps_the_old_model(tmp_path, vocabulary, monkeypatch):
    folder = tmp_path / 'm'
    write_release(folder, 'old', encoders(), vocabulary, '')
    rename, calls = os.rename, []

    def stopped(source, target):
        calls.append(target)
        if len(calls) == 2:  # the old one is away, the new one not yet there
            raise KeyboardInterrupt
        rename(source, target)
    monkeypatch.setattr(os, 'rename', stopped)
    with pytest.raises(KeyboardInterrupt):
        write_release(folder, 'new', encoders(), vocabulary, '', overwrite=True)
    assert read_model(folder).name == 'old' and os.listdir(tmp_path) == ['m']


def test_what_the_model_store_would_refuse_is_not_put_in_place(tmp_path, vocabulary):
    folder = tmp_path / 'm'
    write_release(folder, 'old', encoders(), vocabulary, '')
    with pytest.raises(ModelError, match='threshold'):
        write_release(folder, 'new', encoders(), vocabulary, '', overwrite=True,
                      thresholds=dict.fromkeys(SKILLS, 0.0))
    assert read_model(folder).name == 'old'


def test_what_is_no_model_is_never_replaced(tmp_path, vocabulary):
    folder = tmp_path / 'thesis'
    folder.mkdir()
    write_release(folder, 'm', encoders(), vocabulary, '')  # an empty folder is fair
    (folder / 'config.json').unlink()
    with pytest.raises(ModelError, match='no model'):
        write_release(folder, 'm', encoders(), vocabulary, '', overwrite=True)
    (tmp_path / 'file').touch()
    with pytest.raises(ModelError, match='no folder'):
        write_release(tmp_path / 'file', 'm', encoders(), vocabulary, '', overwrite=True)
