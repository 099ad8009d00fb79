"""``bag``: what is wrong is said before anything is predicted, and nothing is lost by it."""

from __future__ import annotations

import json
import sys

import pytest

for module in ('rosbags', 'sklearn', 'scipy', 'matplotlib', 'jinja2'):
    pytest.importorskip(module)

from skill_predictor.dataset.records import TaskRecord, write_tasks  # noqa: E402
from skill_predictor.evaluation.bags.writing import write_bag  # noqa: E402
from skill_predictor.inference.predictor import SkillPredictor  # noqa: E402


@pytest.fixture
def nothing_is_predicted(monkeypatch):
    def predict(*_):
        raise AssertionError('this is too late')
    monkeypatch.setattr(SkillPredictor, 'predict', predict)


@pytest.mark.parametrize('option, path', [
    ('--json', 'no/x.json'), ('--json', '.'), ('--report', 'no/x.html'), ('--report', '.')])
def test_what_cannot_be_written(evaluate_bag, tmp_path, nothing_is_predicted, option, path):
    done = evaluate_bag(option, tmp_path / path)
    assert done.code == 1 and str(tmp_path) in done.err and 'AssertionError' not in done.err


@pytest.mark.parametrize('package', ['jinja2', 'matplotlib'])
def test_a_package_that_the_page_needs(evaluate_bag, tmp_path, monkeypatch, nothing_is_predicted, package):
    def missing(*_):
        raise ImportError(f'the report needs {package}')
    if package == 'jinja2':
        monkeypatch.setitem(sys.modules, 'jinja2', None)
    else:
        monkeypatch.setattr('skill_predictor.evaluation.report.plots.cumulative', missing)
    done = evaluate_bag('--report', tmp_path / 'page.html')
    assert done.code == 1 and f'the report needs {package}' in done.err
    assert not (tmp_path / 'page.html').exists()


def test_the_table_is_printed_whatever_becomes_of_the_files(evaluate_bag, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError('the disk is full')
    monkeypatch.setattr('skill_predictor.evaluation.bags.page.page', fail)
    done = evaluate_bag('--report', tmp_path / 'page.html')
    assert done.code == 1 and 'exact match now: 0.7500' in done.out and not (tmp_path / 'page.html').exists()


@pytest.mark.parametrize('first, second', [
    ('--json', '--report'), ('--json', '--baseline'), ('--report', '--labels'), ('--report', '--baseline')])
def test_one_file_for_two_purposes(evaluate_bag, tmp_path, monkeypatch, nothing_is_predicted, first, second):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'same').write_text('kept')
    done = evaluate_bag(first, 'same', second, tmp_path / 'same')
    assert done.code == 2 and f'{first} and {second} need a file each' in done.err
    assert (tmp_path / 'same').read_text() == 'kept'


@pytest.mark.parametrize('drop', ['5', '-0.1', 'nan', 'much'])
def test_a_drop_that_is_no_share(evaluate_bag, tmp_path, nothing_is_predicted, drop):
    done = evaluate_bag('--baseline', tmp_path / 'none.json', f'--max-drop={drop}')
    assert done.code == 2 and 'is no number from 0 to 1' in done.err


def test_the_gate_is_closed_to_another_recording_with_the_same_ids(cli, evaluate_bag, constant, tmp_path):
    assert evaluate_bag('--json', tmp_path / 'base.json').code == 0
    write_bag(tmp_path / 'tuesday', [TaskRecord(f't-{number}', f'quite another text {number}', ('wheels', 'hands'))
                                     for number in range(20)])
    done = cli('bag', 'evaluate', tmp_path / 'tuesday', '--model', constant.folder, '--encoders', constant.encoders,
               '--precision', 'fp32', '--threads', 1, '--baseline', tmp_path / 'base.json')
    assert done.code == 1 and 'gate FAILED' in done.out
    assert '20 tasks of the baseline are missing, or have another text' in done.out


def test_bags_are_called_by_their_names(evaluate_bag, bag, tmp_path, monkeypatch):
    """Also the one where somebody stands; those that were not read are not named among the read."""
    monkeypatch.chdir(bag)
    (bag / 'metadata.yaml').unlink()
    (tmp_path / 'empty').mkdir()
    done = evaluate_bag('--json', tmp_path / 'out.json', more=[tmp_path / 'empty', tmp_path / 'none', '.'])
    assert done.code == 3 and 'tasks of bag, bag, tiny+' in done.out.splitlines()[0]
    assert json.loads((tmp_path / 'out.json').read_text())['bags'] == ['bag', 'bag']
    assert done.err.count('trouble: bag: there is no metadata.yaml') == 2


def test_a_path_that_is_too_long_does_not_cost_the_tasks_of_others(cli, bag, tmp_path):
    done = cli('bag', 'tasks', bag, 'x' * 300, '--output', tmp_path / 'asked.jsonl')
    assert done.code == 3 and 'File name too long' in done.err
    assert len((tmp_path / 'asked.jsonl').read_text().splitlines()) == 20


def test_labels_of_which_none_fits(evaluate_bag, tmp_path):
    write_tasks([TaskRecord('q', 'zzz', ('fly',))], tmp_path / 'others.jsonl')
    done = evaluate_bag('--label-topic', '', '--labels', tmp_path / 'others.jsonl')
    assert done.code == 3 and 'none of the tasks has a text of' in done.err and '20 tasks of bag' in done.out


def test_the_topic_of_vectors(evaluate_bag):
    assert evaluate_bag('--label-topic', '', '--vector-topic', '/task_labels').code == 0
    done = evaluate_bag('--vector-topic', '/task_labels')
    assert done.code == 2 and 'no bag has skill vectors on /task_labels' in done.err


def test_info_wants_the_topics_that_were_named(cli, bag):
    done = cli('bag', 'info', bag, '--text-topics', '/nowhere')
    assert done.code == 1 and 'has a topic /nowhere' in done.err


@pytest.mark.parametrize('option, value', [
    ('--period', 'nan'), ('--period', 'inf'), ('--period', '-1'), ('--period', '1e9'), ('--first', '-2'),
    ('--first', 'two')])
def test_a_demonstration_that_cannot_be_written(cli, tmp_path, option, value):
    write_tasks([TaskRecord(str(number), f'sweep {number}') for number in range(3)], tmp_path / 'tasks.jsonl')
    done = cli('bag', 'record-demo', tmp_path / 'tasks.jsonl', '--output', tmp_path / 'demo', f'{option}={value}')
    assert done.code == 2 and option in done.err
    assert [path.name for path in tmp_path.iterdir()] == ['tasks.jsonl']
