"""``skill-predictor data probe``, ``curve`` and ``audit doubts``: options, and what is tried first."""

from __future__ import annotations

import hashlib
import json
import sys

import numpy as np
import pytest

from skill_predictor.dataset import pictures
from skill_predictor.dataset.records import TaskRecord, write_tasks
from skill_predictor.inference.embedding import SentenceEmbedder

SETS = [(), ('fly',), ('wheels',), ('wheels', 'hands'), ('legs',)]


def task(number, label, group=''):
    rng = np.random.default_rng(number)
    noise = ' '.join(f'w{value}' for value in rng.integers(0, 500, 3))
    return TaskRecord(f't{number}', f'{" ".join(label) or "text"} {noise}', label, 'port',
                      f'a{number % 3}', group=group)


@pytest.fixture
def embedded(monkeypatch, tmp_path):
    """Embeddings without an encoder, the sum of a direction per word; says what was embedded."""
    texts_seen = []

    def direction(word):
        digest = hashlib.sha256(word.encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:8], 'big')).normal(size=384)

    class Words:
        def embed(self, texts, on_done=None):
            texts_seen.extend(texts)
            return np.array([sum(map(direction, text.split())) for text in texts])
    monkeypatch.setattr(SentenceEmbedder, 'load', lambda *args, **options: Words())
    monkeypatch.setenv('SKILL_PREDICTOR_CACHE', str(tmp_path / 'cache'))
    return texts_seen


@pytest.fixture
def folder(tmp_path):
    """A dataset of 60 training tasks, every sixth of them with a wrong label."""
    folder = tmp_path / 'set'
    folder.mkdir()
    train = [task(number, SETS[number % 5]) for number in range(60)]
    train = [TaskRecord(each.id, each.text, SETS[(number + number % 6 // 5) % 5], each.domain, each.writer)
             for number, each in enumerate(train)]
    write_tasks(train, folder / 'train.jsonl')
    write_tasks([task(number, SETS[number % 5]) for number in range(100, 130)],
                folder / 'validation.jsonl')
    for name in ('test', 'test_domains'):
        write_tasks([], folder / f'{name}.jsonl')
    return folder


MINILM = ('--encoder', 'minilm')


def figures(cli, *argv):
    done = cli('data', *argv, *MINILM, '--json', '-')
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_folds_and_seed_of_the_probe_count(cli, embedded, folder):
    first = figures(cli, 'probe', folder, '--folds', 3)['figures']
    assert list(first) == ['3-fold cross-validation on train', 'validation']
    again, other = (figures(cli, 'probe', folder, '--folds', 3, '--seed', seed)['figures']
                    for seed in (0, 1))
    name = '3-fold cross-validation on train'
    assert first == again and other[name] != first[name]
    assert other['validation'] == first['validation'], 'the seed is of the folds alone'


@pytest.mark.parametrize('argv, said', [
    (['probe', '--folds', '1'], 'from 2'), (['probe', '--folds', '61'], 'too few for 61 folds'),
    (['probe', '--seed', '-1'], 'below 0'), (['curve', '--seed', 'x'], 'no whole number'),
    (['curve', '--epochs', '9'], '--fine-tune'),
    (['probe', '--splits', 'test', 'test_domains'], 'no tasks in test or test_domains to judge by'),
    (['curve', '--splits', 'test'], 'no tasks in test to judge by')])
def test_wrong_usage_is_found_out_before_anything_is_embedded(cli, embedded, folder, argv, said):
    done = cli('data', argv[0], folder, *argv[1:], *MINILM)
    assert done.code == 2 and said in done.err and 'unexpected' not in done.err
    assert not embedded


def test_groups_are_what_folds_are_made_of(cli, embedded, folder):
    write_tasks([task(number, SETS[number % 5], f'g{number % 2}') for number in range(60)],
                folder / 'train.jsonl')
    done = cli('data', 'probe', folder, *MINILM)
    assert done.code == 2 and '60 training tasks (in 2 groups) are too few for 5 folds' in done.err
    assert not embedded
    assert cli('data', 'probe', folder, '--folds', 2, *MINILM).code == 0


@pytest.mark.parametrize('command', ['probe', 'curve'])
def test_nothing_to_fit_is_said(cli, embedded, folder, command):
    write_tasks([], folder / 'train.jsonl')
    done = cli('data', command, folder, *MINILM)
    assert done.code == 2 and 'unexpected' not in done.err and ' train' in done.err and not embedded


@pytest.mark.parametrize('argv', [
    ['probe', '--json'], ['curve', '--json'], ['curve', '--json', '-', '--picture']])
def test_output_that_cannot_be_written_is_found_out_first(cli, embedded, folder, tmp_path, argv):
    for place in (tmp_path / 'nowhere' / 'out', folder):
        done = cli('data', argv[0], folder, *MINILM, *argv[1:], place)
        assert done.code == 1 and str(place) in done.err and not embedded
    assert not list(folder.glob('.partial*'))


def test_missing_matplotlib_is_found_out_first(cli, embedded, folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'matplotlib', None)
    done = cli('data', 'curve', folder, *MINILM, '--picture', tmp_path / 'c.png')
    assert done.code == 1 and 'matplotlib: pip install -r requirements/dataset.txt' in done.err
    assert not embedded


def test_figures_are_kept_when_the_picture_fails(cli, embedded, folder, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, 'No space left on device')
    monkeypatch.setattr(pictures, 'draw_curve', full)
    done = cli('data', 'curve', folder, *MINILM, '--picture', tmp_path / 'c.png',
               '--json', tmp_path / 'c.json')
    assert done.code == 1 and 'No space left' in done.err
    assert len(json.loads((tmp_path / 'c.json').read_text())) == 1 and 'exact match' in done.out


def test_a_curve_is_a_png_whatever_its_name(tmp_path):
    pictures.draw_curve(tmp_path / 'curve.data', {'probe': {10: 0.5, 20: 0.6}}, 'title')
    assert (tmp_path / 'curve.data').read_bytes().startswith(b'\x89PNG')


def test_seed_of_the_curve_draws_the_tasks(cli, embedded, folder):
    first, again, other = (figures(cli, 'curve', folder, '--sizes', 12, '--seed', seed)
                           for seed in (0, 0, 3))
    assert first == again and other[0] != first[0]
    assert other[1] == first[1], 'all of train is all of train'


def doubted(cli, folder, *argv):
    done = cli('data', 'audit', 'doubts', folder / 'train.jsonl', *MINILM, *argv)
    assert done.code == 0, done.err
    return {answer['id']: answer['probabilities'] for answer in done.answers}


def test_folds_of_the_doubts_count(cli, embedded, folder):
    assert doubted(cli, folder) == doubted(cli, folder, '--folds', 5)
    assert doubted(cli, folder) != doubted(cli, folder, '--folds', 2)


def test_tasks_without_any_skill_leave_no_doubt(cli, embedded, folder):
    write_tasks([task(number, ()) for number in range(12)], folder / 'train.jsonl')
    assert doubted(cli, folder) == {}


@pytest.mark.parametrize('module, name', [('cleanlab', 'cleanlab'), ('sklearn', 'scikit-learn')])
def test_missing_package_of_the_doubts_is_named(cli, embedded, folder, monkeypatch, module, name):
    monkeypatch.setitem(sys.modules, module, None)
    done = cli('data', 'audit', 'doubts', folder / 'train.jsonl', *MINILM)
    assert done.code == 1 and not embedded
    assert f'looking for label errors needs {name}: pip install -r requirements/dataset' in done.err


@pytest.mark.parametrize('argv, code', [
    (['--folds', '1'], 2), (['--folds', '61'], 2), (['--output', 'nowhere/doubts.jsonl'], 1)])
def test_doubts_that_cannot_be_found_or_written_are_found_out_first(
        cli, embedded, folder, tmp_path, monkeypatch, argv, code):
    monkeypatch.chdir(tmp_path)
    done = cli('data', 'audit', 'doubts', folder / 'train.jsonl', *MINILM, *argv)
    assert done.code == code and 'unexpected' not in done.err and not embedded
    assert argv[1] in done.err


@pytest.mark.parametrize('command', ['probe', 'curve'])
def test_help_says_by_what_is_judged(cli, command):
    assert 'validation, or what --splits names' in cli('data', command, '--help').out
