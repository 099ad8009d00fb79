"""``compare``: one table per split, with everything that was asked for."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys

import pytest

from chat_server import Refusal
from skill_predictor.dataset.records import TaskRecord, write_tasks

WORDS = {'fly': ('fly',), 'sweep': ('wheels',), 'climb': ('legs',), 'sail': ('surface_water',),
         'dive': ('under_water',), 'bring': ('wheels', 'hands')}


@pytest.fixture
def data(tmp_path):
    for split, count in (('train', 60), ('validation', 6), ('test', 12), ('test_domains', 6)):
        words = list(WORDS) * (count // len(WORDS))
        write_tasks([TaskRecord(f'{split}-{number}', f'{word} the {split} {number}', WORDS[word])
                     for number, word in enumerate(words)], tmp_path / f'{split}.jsonl')
    return tmp_path


@pytest.fixture
def compare(cli, data, constant):
    def run(*argv):
        return cli('compare', data, '--model', constant.folder, '--encoders', constant.encoders,
                   '--precision', 'fp32', '--threads', 1, *argv)
    return run


def test_models_and_language_models(compare, data, chat_server, shared_tiny):
    pytest.importorskip('sklearn')
    pytest.importorskip('openai')

    def right(body):
        task = body['messages'][0]['content'].partition('Task: ')[2]
        return json.dumps({'skills': list(WORDS[task.split()[0]])})
    server = chat_server(right)
    done = compare('--no-baselines', '--language-models', 'clever', '--base-url', server.url,
                   '--against', shared_tiny.folder, '--json', data / 'out.json')
    assert done.code == 0, done.err
    found = json.loads((data / 'out.json').read_text())
    assert list(found) == ['test', 'test_domains']
    systems = {system['name']: system for system in found['test']['systems']}
    constant = next(name for name in systems)
    assert systems[constant]['exact_match']['value'] == pytest.approx(1 / 6)
    assert systems[constant]['against'] is None
    clever = systems['clever, zero-shot']
    assert clever['exact_match']['value'] == 1.0
    # ten of twelve tasks that only the language model has right
    assert (clever['against']['only_first'], clever['against']['only_second']) == (0, 10)
    assert f'{constant}, mpnet alone' in systems and len(found['test']['tasks']) == 12
    assert found['test']['decisions'][constant] == ['010001'] * 12
    assert 'test, 12 tasks' in done.out and '| clever, zero-shot | 1.000' in done.out


def test_a_language_model_without_answers_counts_as_wrong(compare, chat_server):
    pytest.importorskip('sklearn')
    pytest.importorskip('openai')
    server = chat_server(lambda body: 'no' if 'dive' in str(body) else '{"skills": ["fly"]}')
    done = compare('--no-baselines', '--splits', 'test', '--language-models', 'dull',
                   '--base-url', server.url, '--json', '-')
    assert 'dull: no usable answer for 2 of 12 tasks' in done.err
    found = json.loads(done.out)['test']
    assert found['systems'][-1]['exact_match']['value'] == pytest.approx(2 / 12)


def test_a_language_model_that_cannot_be_asked_is_left_out(compare, monkeypatch):
    """Said before the others are fitted; their table comes all the same."""
    pytest.importorskip('sklearn')
    monkeypatch.setitem(sys.modules, 'openai', None)
    done = compare('--no-baselines', '--language-models', 'clever', '--base-url', 'http://localhost:9/v1')
    assert done.code == 1 and 'mpnet alone' in done.out and 'clever' not in done.out
    lines = done.err.splitlines()
    said = next(number for number, line in enumerate(lines) if 'clever: left out: ' in line)
    assert said < next(number for number, line in enumerate(lines) if 'predicting' in line)


def test_a_server_that_fails_costs_no_other_system(compare, chat_server):
    pytest.importorskip('sklearn')
    pytest.importorskip('openai')

    def respond(body):
        raise Refusal(401)
    done = compare('--no-baselines', '--language-models', 'clever', '--base-url',
                   chat_server(respond).url)
    assert done.code == 1 and 'clever, zero-shot is left out' in done.err
    assert 'mpnet alone' in done.out and 'clever' not in done.out


@pytest.mark.parametrize('options, sent', [((), 0.0), (('--temperature', '0.5'), 0.5),
                                           (('--temperature', 'server'), None)])
def test_temperature_of_language_models(compare, chat_server, options, sent):
    pytest.importorskip('sklearn')
    pytest.importorskip('openai')
    asked = []

    def respond(body):
        asked.append(body.get('temperature'))
        return '{"skills": ["fly"]}'
    done = compare('--no-baselines', '--splits', 'test', '--language-models', 'one', '--base-url',
                   chat_server(respond).url, *options)
    assert done.code == 0 and set(asked) == {sent}


def test_a_system_that_fails_does_not_take_the_tables_along(compare, monkeypatch):
    pytest.importorskip('sklearn')
    from skill_predictor.commands import compared_systems

    def fail(args, train, validation):
        raise OSError('out of order')
    monkeypatch.setattr(compared_systems, '_baselines', fail)
    done = compare('--splits', 'test')
    assert done.code == 1 and 'out of order' in done.err
    assert 'test, 12 tasks' in done.out and 'mpnet alone' in done.out


def test_what_a_model_was_fitted_to_is_noted(compare, data, constant, tmp_path):
    pytest.importorskip('sklearn')
    done = compare('--no-baselines', '--splits', 'test')
    assert 'does not note what it was fitted to' in done.err
    config = json.loads((constant.folder / 'config.json').read_text())
    known = hashlib.sha256((data / 'train.jsonl').read_bytes()).hexdigest()
    for sha256, said in ((known, ''), ('0' * 64, 'was fitted to another train.jsonl than the one here')):
        folder = tmp_path / f'model-{sha256[:4]}'
        shutil.copytree(constant.folder, folder)
        (folder / 'config.json').write_text(json.dumps({**config, 'data_sha256': {'train': sha256}}))
        done = compare('--no-baselines', '--splits', 'test', '--model', folder, '--json', data / 'out.json')
        assert done.code == 0 and said in done.err and 'does not note' not in done.err
        assert set(json.loads((data / 'out.json').read_text())['test']['fitted_to'].values()) == {sha256}
        assert bool(said) == ('fitted to' in done.err)


def test_a_text_that_cannot_be_read_is_said_before_the_work(compare, data):
    pytest.importorskip('sklearn')
    write_tasks([TaskRecord('i-1', '???', ())], data / 'test_odd.jsonl')
    done = compare('--splits', 'test_odd')
    assert done.code == 2 and 'test_odd, task i-1: ' in done.err
    assert 'predicting' not in done.err


def test_without_language_models_it_says_so(compare):
    pytest.importorskip('sklearn')
    done = compare('--no-baselines', '--splits', 'test_domains')
    assert done.code == 0 and 'no language model was named' in done.err


@pytest.mark.parametrize('pairs, says', [('-1', 'below 0'), ('many', 'no whole number')])
def test_wrong_pairs_are_refused(cli, data, pairs, says):
    done = cli('compare', data, '--setfit', pairs)
    assert done.code == 2 and says in done.err


def test_setfit_that_is_missing_is_said_at_once(compare, monkeypatch):
    pytest.importorskip('sklearn')
    monkeypatch.setitem(sys.modules, 'setfit', None)
    done = compare('--setfit', 100)
    assert done.code != 0 and 'pip install -r requirements/train.txt -r requirements/setfit.txt' in done.err
    assert 'predicting' not in done.err


def test_systems_of_an_earlier_comparison(compare, data, shared_tiny):
    pytest.importorskip('sklearn')
    first, both = data / 'first.json', data / 'both.json'
    assert compare('--no-baselines', '--against', shared_tiny.folder, '--json', first).code == 0
    done = compare('--no-baselines', '--earlier', first, '--json', both)
    assert done.code == 0, done.err
    before, after = (json.loads(path.read_text()) for path in (first, both))
    assert after == before and 'tiny, minilm alone' in done.out
    assert compare('--no-baselines', '--splits', 'test', '--earlier', both, '--json', both).code == 0
    assert json.loads(both.read_text()) == before, 'the other split is kept'


@pytest.mark.parametrize('change, said', [
    (lambda found: found['test']['tasks'].pop(), 'compares on other tasks in test'),
    (lambda found: found['test'].update(texts_sha256='0'), 'compares on other tasks in test'),
    (lambda found: found['test'].update(data_sha256={}), 'fitted to, or chosen by, other tasks'),
    (lambda found: found['test']['decisions'].update(x=['10']), 'lacks decisions in test'),
    (lambda found: found.pop('test_domains'), 'is no comparison')])
def test_an_earlier_comparison_of_something_else(compare, data, change, said):
    pytest.importorskip('sklearn')
    path = data / 'first.json'
    assert compare('--no-baselines', '--json', path).code == 0
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))
    done = compare('--no-baselines', '--earlier', path)
    assert done.code == 2 and said in done.err
