"""``report``: the page of a model, and what is said when it cannot be made."""

from __future__ import annotations

import json

import pytest

for module in ('sklearn', 'scipy', 'matplotlib', 'jinja2'):
    pytest.importorskip(module)

from skill_predictor.dataset.records import TaskRecord, write_tasks  # noqa: E402
from skill_predictor.inference.store import read_model  # noqa: E402
from tiny_model import write_tiny_model  # noqa: E402


@pytest.fixture
def report(cli, shared_tiny, tmp_path):
    for split in ('train', 'validation', 'test', 'test_domains'):
        write_tasks([TaskRecord(f'{split}-1', 'Sweep the deck.', ('wheels',)),
                     TaskRecord(f'{split}-2', 'Dive to the anchor!', ('under_water',))]
                    if split != 'validation' else [], tmp_path / f'{split}.jsonl')
    (tmp_path / 'distractors_test.txt').write_text('The bridge was red.\n\n')

    def run(*argv):
        return cli('report', tmp_path, '--output', tmp_path / 'page.html', '--model',
                   shared_tiny.folder, '--encoders', shared_tiny.encoders, *argv)
    return run


def test_the_page(report, tmp_path):
    (tmp_path / 'ablation.json').write_text(json.dumps(
        {'judging': 12, 'rows': [
            {'variant': name, 'changes': changes, 'seed': 0, 'exact match, other writers': 0.5,
             'exact match, validation': 0.25, 'seconds': 60, 'right': right}
            for name, changes, right in (('as it is', '', 'ff00'), ('wide', 'x=2', 'fff0'))]}))
    done = report('--ablation', tmp_path / 'ablation.json')
    assert done.code == 0, done.err
    html = (tmp_path / 'page.html').read_text()
    for said in ('test, 2 tasks', 'test_domains, 2 tasks', 'distractor in front', 'upper case',
                 'tiny+', 'Ablation'):
        assert said in html
    assert '<td>wide</td><td>x=2</td>' in html and '+0.333' in html and 'p (McNemar)' in html
    assert 'ff00' not in html
    assert str(tmp_path) not in html


def test_the_summary(report, tmp_path):
    done = report('--output', tmp_path / 'short.md')
    assert done.code == 0, done.err
    text = (tmp_path / 'short.md').read_text()
    assert '## test_domains, 2 tasks' in text and '| upper case |' in text


@pytest.mark.parametrize('options, said', [
    (['--splits', 'validation'], 'has no tasks in validation; it has: train, test, test_domains'),
    (['--comparison', 'damaged.json'], 'is not JSON'),
    (['--comparison', 'list.json'], 'holds no JSON object'),
    (['--comparison', 'other.json'], 'other.json is no comparison'),
    (['--ablation', 'other.json'], 'other.json is no ablation'),
    (['--comparison', 'missing.json'], 'No such file')])
def test_what_cannot_be_read(report, tmp_path, options, said, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'damaged.json').write_text('{')
    (tmp_path / 'list.json').write_text('[]')
    (tmp_path / 'other.json').write_text('{"test": {}}')
    done = report(*options)
    assert done.code in (1, 2) and said in done.err
    assert not (tmp_path / 'page.html').exists()


def test_a_file_that_nobody_named_is_not_read(report, tmp_path):
    write_tasks([TaskRecord('i-1', 'Sweep the deck.')], tmp_path / 'test_not_labelled.jsonl')
    assert report('--splits', 'test').code == 0
    done = report('--splits', 'test_not_labelled')
    assert done.code == 1 and 'test_not_labelled.jsonl, line 1' in done.err


def test_splits_for_reporting_alone_and_texts_that_cannot_be_read(report, tmp_path):
    write_tasks([TaskRecord('i-1', 'Sweep the deck.', ('wheels',), boundary='of our own'),
                 TaskRecord('i-2', '???', ())], tmp_path / 'test_independent.jsonl')
    done = report('--splits', 'test_independent')
    assert done.code == 0, done.err
    html = (tmp_path / 'page.html').read_text()
    assert 'test_independent, 2 tasks' in html and 'of our own' in html and 'nan' not in html
    assert 'texts that were not read, counted as wrong' in html
    assert '???<br><small>i-2</small>' in html and '<td class="wrong">not read</td>' in html
    assert '<small>the text has no word: &#39;???&#39;</small>' in html


def comparison(cli, tmp_path, *argv):
    done = cli('compare', tmp_path, '--no-baselines', '--json', tmp_path / 'comparison.json', *argv)
    assert done.code == 0, done.err
    return tmp_path / 'comparison.json'


@pytest.fixture
def validated(report, tmp_path):
    """Comparing wants validation tasks as well."""
    write_tasks([TaskRecord('v-1', 'Fly', ('fly',))], tmp_path / 'validation.jsonl')
    return tmp_path


def test_a_comparison_of_this_model(cli, report, shared_tiny, validated):
    path = comparison(cli, validated, '--model', shared_tiny.folder, '--encoders', shared_tiny.encoders)
    done = report('--comparison', path)
    assert done.code == 0, done.err
    assert 'tiny, mpnet alone' in (validated / 'page.html').read_text()
    found = json.loads(path.read_text())
    found['test']['unanswered'] = {'tiny, mpnet alone': 1}
    path.write_text(json.dumps(found))
    assert report('--comparison', path).code == 0
    assert 'tiny, mpnet alone (1 unanswered)' in (validated / 'page.html').read_text()


def test_figures_of_another_model_are_refused(cli, report, validated):
    """Also where it has the same name, as one that was trained again."""
    other = write_tiny_model(validated / 'other', seed=5)
    path = comparison(cli, validated, '--model', other.folder, '--encoders', other.encoders)
    done = report('--comparison', path)
    assert done.code == 2 and 'is of tiny+' in done.err and 'compare again' in done.err
    (validated / 'agreement.json').write_text(json.dumps(
        {'model': 'tiny+0', 'forms': {}, 'reference': 'torch', 'tasks': 1, 'files': 'a'}))
    done = report('--agreement', validated / 'agreement.json')
    assert done.code == 2 and 'is of tiny+0' in done.err and 'verify again' in done.err


def test_an_agreement_by_file_or_of_before_there_was_one(report, shared_tiny, tmp_path):
    version = read_model(shared_tiny.folder).version
    one = {'largest': 0.25, 'mean': 0.001, 'changed': 3, 'exact_match': 0.5}
    found = {'model': version, 'reference': 'torch', 'tasks': 3, 'files': 'a.jsonl, b.jsonl',
             'forms': {'int8': one}}
    path, page = tmp_path / 'agreement.json', tmp_path / 'page.html'
    path.write_text(json.dumps(found))
    done = report('--splits', 'test', '--agreement', path)
    assert done.code == 0 and '<td>int8</td><td>all</td>' in page.read_text(), done.err
    found['by_file'] = [{'file': 'b.jsonl', 'tasks': 2, 'forms': {'int8': one}}]
    path.write_text(json.dumps(found))
    assert report('--splits', 'test', '--agreement', path).code == 0
    assert '<td>int8</td><td>b.jsonl</td>' in page.read_text()
    found['by_file'] = [{'file': 'b.jsonl'}]
    path.write_text(json.dumps(found))
    done = report('--splits', 'test', '--agreement', path)
    assert done.code == 2 and 'is no agreement (verify --json)' in done.err


def test_a_comparison_on_other_tasks_is_refused(cli, report, shared_tiny, validated):
    path = comparison(cli, validated, '--model', shared_tiny.folder, '--encoders', shared_tiny.encoders)
    write_tasks([TaskRecord('test-1', 'Sweep the other deck.', ('wheels',))], validated / 'test.jsonl')
    done = report('--comparison', path)
    assert done.code == 2 and 'other tasks in test' in done.err


def test_ablations_of_one_name_are_all_shown(report, tmp_path):
    for name in ('first', 'second'):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'ablation.json').write_text(json.dumps(
            {'judging': 12, 'rows': [
                {'variant': variant, 'changes': '', 'seed': 0, 'exact match, other writers': 0.5,
                 'exact match, validation': 0.25, 'seconds': 60, 'right': 'ff00'}
                for variant in ('as it is', f'wide-{name}')]}))
    done = report('--ablation', *(tmp_path / name / 'ablation.json' for name in ('first', 'second')))
    assert done.code == 0, done.err
    html = (tmp_path / 'page.html').read_text()
    assert 'wide-first' in html and 'wide-second' in html


def test_a_split_of_which_nothing_can_be_read(report, tmp_path):
    write_tasks([TaskRecord('i-1', '???', ()), TaskRecord('i-2', '!', ())], tmp_path / 'test_odd.jsonl')
    done = report('--splits', 'test_odd')
    assert done.code == 2 and 'can read none of the texts of test_odd' in done.err
