"""``skill-predictor data``: a dataset from its first prompt to its check, by the command line."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from chat_server import Refusal
from skill_predictor.dataset.generation.grid import CoverageGrid
from skill_predictor.dataset.records import read_tasks, TaskRecord, write_tasks
from skill_predictor.inference.embedding import SentenceEmbedder

SETS = [(), ('fly',), ('wheels',), ('wheels', 'hands'), ('legs',)]


@pytest.fixture
def words_as_embeddings(monkeypatch, tmp_path):
    """Embeddings without an encoder: the sum of a random direction per word."""
    def direction(word):
        digest = hashlib.sha256(word.encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:8], 'big')).normal(size=768)

    class Words:
        def embed(self, texts, on_done=None):
            if on_done:
                on_done(len(texts))
            return np.array([sum(map(direction, text.split())) for text in texts])
    monkeypatch.setattr(SentenceEmbedder, 'load', lambda *args, **options: Words())
    monkeypatch.setenv('SKILL_PREDICTOR_CACHE', str(tmp_path / 'cache'))


@pytest.fixture
def pool(tmp_path):
    """300 tasks whose words tell the label, in a file."""
    rng = np.random.default_rng(0)
    tasks = []
    for number in range(300):
        label = SETS[rng.integers(5)]
        noise = ' '.join(f'w{value}' for value in rng.integers(0, 5000, 4))
        said = ' '.join(f'{skill} {skill}s {skill}ing' for skill in label) or 'please write text'
        tasks.append(TaskRecord(f't{number}', f'{said} {noise}', label,
                                ('port', 'farm', 'zoo')[number % 3], f'a{number % 4}',
                                boundary='carry' if number % 10 == 0 else ''))
    write_tasks(tasks, tmp_path / 'pool.jsonl')
    return tmp_path / 'pool.jsonl'


@pytest.fixture
def dataset(cli, pool, words_as_embeddings, tmp_path):
    done = cli('data', 'split', pool, '--output', tmp_path / 'set', '--test-tasks', 20,
               '--held-out-domains', 'zoo', '--held-out-writers', 'a3')
    assert done.code == 0, done.err
    return tmp_path / 'set'


def test_split_writes_a_dataset_that_passes_the_check(cli, dataset):
    done = cli('data', 'check', dataset)
    assert done.code == 0 and 'the dataset passes' in done.out and 'FAIL' not in done.out
    assert len(done.out.splitlines()) == 11
    assert len((dataset / 'test.jsonl').read_text().splitlines()) == 20


def test_check_names_what_is_wrong(cli, dataset):
    lines = (dataset / 'test.jsonl').read_text().splitlines()
    with open(dataset / 'train.jsonl', 'a') as stream:
        stream.write(lines[0].replace('"id": "t', '"id": "x') + '\n')
    done = cli('data', 'check', dataset)
    assert done.code == 1
    assert {'repeated texts', 'near-duplicates between splits'} <= {
        line.split('FAIL ')[1].split(' (')[0] for line in done.out.splitlines() if 'FAIL' in line}
    assert 'near-duplicates' not in cli('data', 'check', dataset, '--fast').out


def test_check_finds_test_tasks_that_training_has_seen(cli, dataset):
    line = (dataset / 'train.jsonl').read_text().splitlines()[0]
    (dataset / 'test_mine.jsonl').write_text(line.replace('"id": "t', '"id": "mine-') + '\n')
    done = cli('data', 'check', dataset)
    found = [line for line in done.out.splitlines() if 'FAIL' in line]
    assert done.code == 1 and [line.split('FAIL ')[1].split(' (')[0] for line in found] == [
        'tasks for reporting alone', 'near-duplicates between splits']
    assert 'mine-' in done.out and '(test_mine) has the text of t' in done.out
    assert 'tasks for reporting alone' in cli('data', 'check', dataset, '--fast').out


def test_split_again_keeps_what_the_manifest_says(cli, dataset, pool):
    before = (dataset / 'test.jsonl').read_text()
    assert cli('data', 'split', pool, '--output', dataset).code == 0
    assert (dataset / 'test.jsonl').read_text() == before
    done = cli('data', 'split', pool, '--output', dataset, '--held-out-domains', 'moon')
    assert done.code == 2 and "'moon'" in done.err


def test_stats_count_and_draw(cli, dataset, tmp_path):
    done = cli('data', 'stats', dataset, '--pictures', tmp_path / 'png')
    assert done.code == 0 and '300 tasks, 3 domains, 4 writers' in done.out
    assert {path.stem for path in (tmp_path / 'png').iterdir()} == {
        'skill_sets', 'domains', 'lengths', 'boundaries'}
    report = json.loads(cli('data', 'stats', dataset, '--json', '-').out)
    assert report['tasks'] == 300 and report['splits']['test'] == 20 and report['agreement'] == {}


def test_stats_print_the_tables_of_a_card(cli, dataset):
    done = cli('data', 'stats', dataset, '--markdown')
    rows = {line.split(' | ')[0].strip('| '): [int(cell) for cell in line.strip('| ').split(' | ')[1:]]
            for line in done.out.splitlines() if line[:1] == '|' and line.strip('| ')[-1].isdigit()}
    assert set(rows) == {'none', 'fly', 'wheels', 'wheels+hands', 'legs', 'hands', 'carry',
                         'surface_water', 'under_water'}
    assert all(total == sum(parts) for total, *parts in rows.values())
    assert rows['carry'][0] == 30


def test_probe_measures_what_the_data_are_worth(cli, dataset):
    figures = json.loads(cli('data', 'probe', dataset, '--json', '-').out)['figures']
    assert list(figures) == ['5-fold cross-validation on train', 'validation']
    figures = json.loads(cli('data', 'probe', dataset, '--splits', 'validation', 'test', 'test_domains',
                             '--json', '-').out)['figures']
    assert list(figures) == ['5-fold cross-validation on train', 'validation', 'test',
                             'test_domains']
    assert figures['test']['exact_match'] > 0.8 and figures['test']['tasks'] == 20
    table = cli('data', 'probe', dataset, '--only-writers', 'a0', '--first', 30)
    assert '30 training tasks' in table.out
    assert cli('data', 'probe', dataset, '--only-writers', 'nobody').code == 2


def test_a_curve_needs_tasks_to_judge_by(cli, dataset):
    (dataset / 'validation.jsonl').write_text('')
    done = cli('data', 'curve', dataset)
    assert done.code == 2 and 'there are no tasks in validation to judge by' in done.err


def test_curve_gains_from_more_tasks(cli, dataset, tmp_path):
    done = cli('data', 'curve', dataset, '--sizes', 20, 60, 9999, '--picture', tmp_path / 'c.png',
               '--json', '-')
    points = json.loads(done.out)
    assert {point['split'] for point in points} == {'validation'}
    by_size = {point['tasks']: point['exact_match'] for point in points}
    assert list(by_size)[:2] == [20, 60] and len(by_size) == 3
    assert by_size[20] < by_size[max(by_size)]
    assert (tmp_path / 'c.png').stat().st_size > 1000


def test_repeats_are_left_out_but_not_from_a_group(cli, pool, words_as_embeddings, tmp_path):
    tasks = list(read_tasks(pool))
    copies = [replace(tasks[0], id='copy'), replace(tasks[1], id='x', group='g'),
              replace(tasks[1], id='y', group='g')]
    write_tasks(copies, tmp_path / 'more.jsonl')
    done = cli('data', 'audit', 'repeats', tmp_path / 'more.jsonl', pool, '--output',
               tmp_path / 'kept.jsonl')
    kept = {task.id for task in read_tasks(tmp_path / 'kept.jsonl')}
    assert done.code == 0 and '2 left out' in done.out and 't0' in done.err
    assert {'copy', 'x', 'y', 't2'} <= kept and not {'t0', 't1'} & kept


def answer(body):
    """Labels that are the first word of each text, right but for the texts with w1."""
    labels = []
    for line in body['messages'][1]['content'].splitlines():
        found = re.match(r'(\d+)\. (.*)', line)
        if found:
            text = found[2].split()
            label = [skill for skill in ('fly', 'wheels', 'legs', 'hands') if skill in text]
            labels.append({'number': int(found[1]),
                           'label': ['under_water'] if any('w1' in w for w in text) else label})
    return json.dumps({'labels': labels})


def test_audit_from_doubt_to_decision(cli, pool, words_as_embeddings, chat_server, tmp_path):
    path = {name: tmp_path / f'{name}.jsonl'
            for name in ('doubts', 'queue', 'answers', 'audit', 'open', 'audited')}
    assert cli('data', 'audit', 'doubts', pool, '--output', path['doubts']).code == 0
    done = cli('data', 'audit', 'select', pool, '--doubts', path['doubts'], '--output', path['queue'])
    assert done.code == 0 and '30 boundary' in done.out
    queue = [json.loads(line) for line in path['queue'].read_text().splitlines()]
    assert all(set(entry) == {'id', 'text', 'why'} for entry in queue), 'no labels'

    guide = tmp_path / 'guide.md'
    guide.write_text('The guide.')
    server = chat_server(answer)
    relabel = ['data', 'audit', 'relabel', path['queue'], '--output', path['answers'], '--model',
               'm', '--base-url', server.url, '--guide', guide]
    assert cli(*relabel).code == 0
    assert f'{len(queue)} of {len(queue)} tasks labelled' in cli(*relabel).out
    assert len(server.requests) == -(-len(queue) // 20)

    done = cli('data', 'audit', 'compare', pool, '--queue', path['queue'], '--answers',
               path['answers'], '--audit', path['audit'], '--disagreements', path['open'],
               '--annotator', 'second')
    disputed = [json.loads(line) for line in path['open'].read_text().splitlines()]
    assert done.code == 0 and disputed and f'{len(disputed)} to be decided' in done.out
    decide = ['data', 'audit', 'decide', pool, '--audit', path['audit'], '--decisions',
              path['open'], '--output', path['audited']]
    done = cli(*decide)
    assert done.code == 1 and f'{len(disputed)} disagreements still open' in done.out

    for number, entry in enumerate(disputed):
        entry.update(final='drop' if number == 0 else entry['second'], rule=6, reason='wet')
    path['open'].write_text(''.join(json.dumps(entry) + '\n' for entry in disputed))
    done = cli(*decide)
    assert done.code == 0 and '1 dropped' in done.out
    audited = {task.id: task.label for task in read_tasks(path['audited'])}
    assert len(audited) == 299 and audited[disputed[1]['id']] == ('under_water',)


def test_generate_writes_and_resumes(cli, chat_server, tmp_path):
    grid = CoverageGrid.read()
    plan = grid.plan(6, 3, 0)

    def respond(body):
        prompt = body['messages'][1]['content']
        request = next(r for r in plan if r.domain in prompt and r.voice in prompt)
        return json.dumps({'tasks': [
            {'text': ' '.join([request.id, str(number), *['word'] * (cell.length[0] - 1)]),
             'label': list(cell.skills)} for number, cell in enumerate(request.cells)]})
    guide = tmp_path / 'guide.md'
    guide.write_text('The guide.')
    server = chat_server(respond)
    command = ['data', 'generate', '--model', 'm', '--base-url', server.url, '--guide', guide,
               '--tasks', 6, '--per-request', 3, '--output', tmp_path / 'drafts.jsonl',
               '--price', 1, 2]
    done = cli(*command)
    assert done.code == 0 and '6 tasks in' in done.out and 'cost 0.00' in done.err
    assert cli(*command).code == 0 and len(server.requests) == 2
    assert len(list(read_tasks(tmp_path / 'drafts.jsonl', require_label=True))) == 6


def test_generate_shows_its_plan_without_a_server(cli, tmp_path):
    guide = tmp_path / 'guide.md'
    guide.write_text('The guide itself.')
    done = cli('data', 'generate', '--model', 'm', '--tasks', 20, '--boundary-pairs', 4, '--guide',
               guide, '--output', tmp_path / 'x', '--dry-run')
    assert done.code == 0 and 'for 28 tasks' in done.out and 'The guide itself.' in done.out
    assert not (tmp_path / 'x').exists()


@pytest.mark.parametrize('arguments, said', [
    (['generate', '--model', 'm', '--output', 'x'], '--tasks N'),
    (['generate', '--model', 'm', '--output', 'x', '--tasks', '0'], 'from 1'),
    (['generate', '--model', 'm', '--output', 'x', '--tasks', '3', '--grid', 'none.yaml'], 'none.yaml'),
    (['generate', '--model', 'm', '--output', 'x', '--tasks', '3', '--max-cost', '1'], '--price'),
    (['audit', 'select', 'x', '--output', 'y', '--fraction', '2'], 'from 0 to 1'),
    (['audit'], 'STEP'), ([], 'ACTION')])
def test_wrong_usage_is_explained(cli, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data' / 'LABELING.md').write_text('The guide.')
    done = cli('data', *arguments)
    assert done.code == 2 and said in done.err


def test_missing_guide_names_the_option(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = cli('data', 'generate', '--model', 'm', '--output', 'x', '--tasks', 3)
    assert done.code == 2 and '--guide' in done.err


def test_refusing_server_is_one_clear_line(cli, chat_server, tmp_path):
    def respond(body):
        raise Refusal(404)
    guide = tmp_path / 'guide.md'
    guide.write_text('The guide.')
    done = cli('data', 'generate', '--model', 'm', '--base-url', chat_server(respond).url,
               '--guide', guide, '--tasks', 50, '--output', tmp_path / 'x')
    assert done.code == 1 and 'refused with 404' in done.err and 'unexpected' not in done.err


@pytest.mark.parametrize('arguments', [['check'], ['stats'], ['probe']])
def test_folder_that_is_no_dataset_is_one_clear_line(cli, tmp_path, arguments):
    done = cli('data', *arguments, tmp_path)
    assert done.code == 1 and 'unexpected' not in done.err and str(tmp_path) in done.err
