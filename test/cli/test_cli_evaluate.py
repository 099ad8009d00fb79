"""``evaluate``: figures that were worked out by hand, and the files it writes."""

from __future__ import annotations

import hashlib
import json

import pytest

from constant_model import CONSTANT
from skill_predictor.inference.store import read_model
from skill_predictor.taxonomy import SKILLS
from tiny_model import write_tiny_model

TASKS = ({'id': 'a', 'text': 'Bring me the box', 'label': ['hands', 'wheels']},
         {'id': 'b', 'text': 'Sweep the deck', 'label': ['wheels']},
         {'id': 'c', 'text': 'Write a poem', 'label': []},
         {'id': 'd', 'text': '???', 'label': ['fly']})

# Flags wrong: a 0, b 1 (hands), c 2, d all 6, being unreadable.
FIGURES = {'tasks': 4, 'unreadable': 1, 'exact_match': 1 / 4, 'hamming_loss': 9 / 24,
           # wheels 2/3, hands 0.4, the others 0
           'macro_f1': (2 / 3 + 0.4) / 6,
           # 3 right; wrong are wheels 2, hands 3, legs, surface_water, under_water; missed is fly
           'micro_f1': 2 * 3 / (2 * 3 + 8 + 1)}
PER_SKILL = {'wheels': (2 / 4, 1.0, 2 / 3, 2), 'hands': (1 / 4, 1.0, 0.4, 1),
             'fly': (0.0, 0.0, 0.0, 1), 'legs': (0.0, 0.0, 0.0, 0),
             'surface_water': (0.0, 0.0, 0.0, 0), 'under_water': (0.0, 0.0, 0.0, 0)}


@pytest.fixture
def evaluate(cli, constant):
    def run(*argv):
        return cli('evaluate', '--model', constant.folder, '--encoders', constant.encoders,
                   '--precision', 'fp32', '--threads', 1, *argv)
    return run


def test_the_report(evaluate, write_lines, tmp_path, constant):
    path = write_lines(*TASKS)
    done = evaluate('--input', path, '--json', tmp_path / 'report.json')
    assert done.code == 0
    report = json.loads((tmp_path / 'report.json').read_text())
    model = read_model(constant.folder)
    about = {key: report.pop(key) for key in (
        'model', 'model_sha256', 'thresholds', 'backend', 'device', 'input', 'input_sha256')}
    assert about == {
        'model': model.version, 'model_sha256': model.sha256,
        'thresholds': dict.fromkeys(SKILLS, 0.5), 'backend': 'onnxruntime',
        'device': 'CPU, fp32, 1 thread', 'input': 'tasks.jsonl',
        'input_sha256': hashlib.sha256(path.read_bytes()).hexdigest()}
    latency, skills = report.pop('latency_ms'), report.pop('skills')
    intervals = {name: report.pop(f'{name}_95') for name in ('exact_match', 'hamming_loss', 'macro_f1')}
    for name, (low, high) in intervals.items():
        assert 0 <= low < report[name] < high <= 1, name
    # Of a, b and c: wheels were said with 0.9 and came true in 2 of 3, hands with 0.8 in 1 of 3.
    assert report.pop('expected_calibration_error') == pytest.approx(
        (0.1 + (0.9 - 2 / 3) + 0.2 + 0.3 + 0.05 + (0.8 - 1 / 3)) / 6)
    assert report == pytest.approx(FIGURES)
    assert list(skills) == list(SKILLS)
    for skill, expected in PER_SKILL.items():
        assert tuple(skills[skill].values()) == pytest.approx(expected), skill
        assert list(skills[skill]) == ['precision', 'recall', 'f1', 'support']
    assert list(latency) == ['mean', 'p50', 'p95', 'p99']
    assert 0 < latency['p50'] <= latency['p95'] <= latency['p99']


def test_the_table(evaluate, write_lines):
    done = evaluate('--input', write_lines(*TASKS))
    words = [line.split() for line in done.out.splitlines()]
    for line in (['tasks', '4'], ['unreadable', '1', '(counted', 'as', 'wrong)'],
                 ['exact', 'match', '0.2500', '(95'], ['Hamming', 'loss', '0.3750', '(95'],
                 ['macro', 'F1', '0.1778', '(95'], ['micro', 'F1', '0.4000'],
                 ['wheels', '0.5', '0.5000', '1.0000', '0.6667', '2'],
                 ['hands', '0.5', '0.2500', '1.0000', '0.4000', '1']):
        assert line in [said[:len(line)] for said in words]
    assert "skill-predictor evaluate: task 'd': the text has no word" in done.err


def test_all_readable_is_not_spoken_of(evaluate, write_lines):
    done = evaluate('--input', write_lines(*TASKS[:3]))
    assert 'unreadable' not in done.out
    assert 'skill-predictor evaluate: task' not in done.err


def test_nothing_readable_has_no_latency(evaluate, write_lines):
    done = evaluate('--input', write_lines(TASKS[3]), '--json', '-')
    report = json.loads(done.out)
    assert report['latency_ms'] is None and report['hamming_loss'] == 1.0
    assert 'latency' not in evaluate('--input', write_lines(TASKS[3])).out


def test_thresholds_are_those_that_were_applied(evaluate, write_lines):
    done = evaluate('--input', write_lines(*TASKS[:3]), '--json', '-', '--threshold', 'hands=0.85')
    report = json.loads(done.out)
    assert report['thresholds'] == {**dict.fromkeys(SKILLS, 0.5), 'hands': 0.85}
    assert report['exact_match'] == pytest.approx(1 / 3), 'only b is wheels alone'


def test_whether_typing_errors_were_mended_is_noted(cli, write_lines, tmp_path):
    model = write_tiny_model(tmp_path / 'reads')
    model.add_words(bring=90)
    path, report = write_lines(*TASKS[:3]), tmp_path / 'report.json'
    for options, noted in (([], ''), (['--as-written'], ', as written')):
        done = cli('evaluate', '--model', model.folder, '--encoders', model.encoders, '--precision', 'fp32',
                   '--input', path, '--json', report, *options)
        version = json.loads(report.read_text())['model']
        assert version == read_model(model.folder).version + noted and f'{version},' in done.out


def test_the_vectors_with_their_labels(evaluate, write_lines, tmp_path):
    evaluate('--input', write_lines(*TASKS), '--output', tmp_path / 'vectors.jsonl')
    entries = [json.loads(line) for line in (tmp_path / 'vectors.jsonl').read_text().splitlines()]
    assert [list(entry) for entry in entries] == [
        ['id', 'skills', 'probabilities', 'label']] * 3 + [['id', 'error', 'label']]
    assert [entry['label'] for entry in entries] == [['wheels', 'hands'], ['wheels'], [], ['fly']]
    assert entries[0]['skills'] == ['wheels', 'hands']
    assert entries[0]['probabilities'] == dict(zip(SKILLS, CONSTANT))


def test_vectors_on_standard_output_stand_alone(evaluate, write_lines):
    done = evaluate('--input', write_lines(*TASKS), '--output', '-')
    assert [entry['id'] for entry in done.answers] == ['a', 'b', 'c', 'd']


def test_standard_input(spawn, write_lines, shared_tiny):
    content = write_lines(*TASKS).read_bytes()
    process = spawn('evaluate', '--input', '-', '--json', '-')
    report = json.loads(process.communicate(content, 60)[0])
    assert report['tasks'] == 4 and report['input'] is None
    assert report['input_sha256'] == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize('entry, message', [
    ({'id': 'e', 'text': 'Sweep'}, 'tasks.jsonl, line 2: has no "label"'),
    ({'id': 'e', 'text': 'Sweep', 'label': ['arms']}, "line 2: unknown skill 'arms'"),
    ('no json', 'line 2: is not JSON'),
])
def test_a_damaged_file_is_not_scored(evaluate, write_lines, tmp_path, entry, message):
    path = write_lines(TASKS[0], entry)
    done = evaluate('--input', path, '--json', tmp_path / 'report.json')
    assert done.code == 1 and done.out == ''
    assert message in done.err and done.err.count('\n') == 1
    assert not (tmp_path / 'report.json').exists()


def test_an_empty_file(evaluate, write_lines):
    done = evaluate('--input', write_lines(''))
    assert done.code == 1 and 'tasks.jsonl: there is no task in it' in done.err


def test_without_scikit_learn(evaluate, write_lines, monkeypatch):
    import sys
    monkeypatch.setitem(sys.modules, 'sklearn', None)
    done = evaluate('--input', write_lines(*TASKS))
    assert done.code == 1
    assert done.err == (
        'skill-predictor evaluate: scoring needs scikit-learn: pip install -r requirements/'
        'evaluation.txt (in the source folder of skill_predictor)\n'), 'before any prediction'
