"""``predict``: formats, order, errors in their place, and whole output files."""

from __future__ import annotations

import json
import os
import re
import stat
import sys

import pytest

from skill_predictor.taxonomy import SKILLS
from tiny_model import TEXTS, write_tiny_model

CONSTANT = (0.123456789, 0.9, 0.25, 0.03, 0.5625, 0.8)


@pytest.fixture(autouse=True)
def _tiny(shared_tiny):
    pass


@pytest.fixture
def constant(tmp_path):
    """Options for a model that always gives the probabilities ``CONSTANT``."""
    model = write_tiny_model(tmp_path / 'constant', constant=CONSTANT)
    return ['--model', model.folder, '--encoders', model.encoders, '--precision', 'fp32']


def test_the_exact_format(cli, constant):
    done = cli('predict', *constant, '--json', 'Sweep the deck', 'Dive')
    line = ('"skills": ["wheels", "under_water", "hands"], "probabilities": {"fly": 0.123457, '
            '"wheels": 0.9, "legs": 0.25, "surface_water": 0.03, "under_water": 0.5625, '
            '"hands": 0.8}}')
    assert done.out == ''.join(f'{{"id": "{number}", {line}\n' for number in (1, 2))
    assert done.code == 0


def test_a_file_is_answered_in_its_order(cli, write_lines):
    tasks = [{'id': f't-{number}', 'text': TEXTS[number % len(TEXTS)] + ' x' * (number % 7)}
             for number in range(300)]
    done = cli('predict', '--input', write_lines(*tasks), '--precision', 'fp32')
    assert done.code == 0
    assert [entry['id'] for entry in done.answers] == [task['id'] for task in tasks]
    single = cli('predict', '--json', '--precision', 'fp32', tasks[123]['text']).answers[0]
    assert done.answers[123]['probabilities'] == pytest.approx(single['probabilities'], abs=1e-5)
    assert all(list(entry['probabilities']) == list(SKILLS) for entry in done.answers)
    assert all(entry['skills'] == [skill for skill in SKILLS
                                   if entry['probabilities'][skill] >= 0.5]
               for entry in done.answers)


def test_a_record_without_id_is_named_by_its_line(cli, write_lines):
    done = cli('predict', '--input', write_lines('', {'text': 'Sweep'}, {'text': 'x', 'id': 7}))
    assert [entry['id'] for entry in done.answers] == ['line-2', '7']


def test_errors_stand_in_their_place(cli, write_lines):
    path = write_lines(
        {'id': 'a', 'text': 'Sweep'}, 'Sweep the deck', {'id': 'c', 'text': '???'},
        {'id': 'd'}, '[1]', {'id': 'f', 'text': 'Dive'}, {'id': 'f', 'text': 'Dive'})
    done = cli('predict', '--input', path)
    assert done.code == 1
    assert [(entry['id'], 'error' in entry) for entry in done.answers] == [
        ('a', False), (None, True), ('c', True), (None, True), (None, True), ('f', False),
        (None, True)]
    errors = [entry['error'] for entry in done.answers if 'error' in entry]
    assert [list(entry) for entry in done.answers if 'error' in entry] == [['id', 'error']] * 5
    assert errors[0].startswith(f'{path}, line 2: is not JSON')
    assert errors[1] == "the text has no word: '???'"
    assert f'{path}, line 4: has no "text"' in errors[2]
    complaints = [line for line in done.err.splitlines() if line.startswith('skill-predictor')]
    assert complaints == [
        f'skill-predictor predict: {"task " + repr("c") + ": " if number == 1 else ""}{error}'
        for number, error in enumerate(errors)]


def test_bytes_that_are_not_utf8_cost_only_their_line(cli, tmp_path):
    path = tmp_path / 'tasks.jsonl'
    path.write_bytes(b'\xef\xbb\xbf{"text": "Sweep"}\r\n{"text": "caf\xe9"}\r\n{"text": "Dive"}')
    done = cli('predict', '--input', path)
    assert [entry['id'] for entry in done.answers] == ['line-1', None, 'line-3']
    assert 'not UTF-8' in done.answers[1]['error']


def test_thresholds(cli, constant):
    def skills(*options):
        return cli('predict', *constant, '--json', *options, 'x').answers[0]['skills']
    assert skills('--threshold', '0.85') == ['wheels']
    assert skills('--threshold', 'fly=0.1') == ['fly', 'wheels', 'under_water', 'hands']
    assert skills('--threshold', 'hands=0.81', '--threshold', '0.2') == [
        'wheels', 'legs', 'under_water']
    assert skills('--threshold', 'under_water=0.5625') == ['wheels', 'under_water', 'hands']


def test_the_table(cli, constant, monkeypatch):
    monkeypatch.setenv('COLUMNS', '100')
    done = cli('predict', *constant, 'Sweep the [red]deck[/red]', '', '\x1b[31mx')
    assert done.code == 1, 'one text is empty'
    assert '\x1b' not in done.out
    for part in ('[red]deck[/red]', 'the text is empty', '[31mx', 'onnxruntime', 'tiny+'):
        assert part in done.out
    first = done.out[done.out.index('Sweep'):].splitlines()
    assert re.search(r'Sweep .* fly +\S+ +0\.12 +wheels +\d+\.\d *$', first[0])
    assert re.search(r'  wheels +█{9} +0\.90 +under_water$', first[1].rstrip())
    assert re.search(r'  hands +█{8} +0\.80$', first[5].rstrip())


def test_the_table_says_when_nothing_is_needed(cli, constant):
    done = cli('predict', *constant, '--threshold', '1', 'Write a poem')
    assert 'nothing' in done.out


def test_mended_typing_errors_are_shown(cli, tmp_path, monkeypatch):
    monkeypatch.setenv('COLUMNS', '100')
    model = write_tiny_model(tmp_path / 'reads')
    options = ['--model', model.folder, '--encoders', model.encoders, '--precision', 'fp32']
    mistyped, right = 'please brign  the red box', 'please bring the red box'
    before = cli('predict', *options, '--json', mistyped, right).answers
    assert before[0]['probabilities'] != before[1]['probabilities']
    model.add_words(bring=90, the=200)
    after = cli('predict', *options, '--json', mistyped, right).answers
    assert after[0] == {**after[1], 'id': '1', 'read_as': right} and 'read_as' not in after[1]
    assert after[1] == before[1]
    assert cli('predict', *options, '--json', '--as-written', mistyped, right).answers == before
    table = cli('predict', *options, mistyped, right).out
    assert table.count('read as:') == 1 and table.index(mistyped[:5]) < table.index('read as:')


def test_json_of_arguments_has_errors_too(cli):
    done = cli('predict', '--json', 'Sweep', '')
    assert done.answers[1] == {'id': '2', 'error': 'the text is empty'}
    assert done.code == 1


def test_bytes_in_an_argument(cli):
    done = cli('predict', '--json', 'caf\udce9')
    assert 'not valid UTF-8' in done.answers[0]['error'] and done.code == 1
    assert 'not valid' in cli('predict', 'caf\udce9').out


def test_no_task_on_a_terminal_is_wrong_usage(cli, monkeypatch):
    monkeypatch.setattr(sys.stdin, 'isatty', lambda: True, raising=False)
    done = cli('predict')
    assert done.code == 2
    assert 'no task given; for example: skill-predictor predict "' in done.err


def test_an_empty_file(cli, write_lines):
    done = cli('predict', '--input', write_lines())
    assert (done.code, done.out) == (0, '')
    assert 'there was no task to answer' in done.err


def test_an_output_file_has_the_same_lines(cli, write_lines, tmp_path):
    path = write_lines({'id': 'a', 'text': 'Sweep'}, {'id': 'b', 'text': ''})
    printed = cli('predict', '--input', path)
    done = cli('predict', '--input', path, '--output', tmp_path / 'out.jsonl')
    assert (done.code, done.out) == (1, '')
    assert (tmp_path / 'out.jsonl').read_text() == printed.out
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / 'out.jsonl').stat().st_mode) == 0o666 & ~umask


def test_arguments_can_go_to_a_file_or_to_standard_output(cli, tmp_path):
    done = cli('predict', '--output', tmp_path / 'out.jsonl', 'Sweep')
    assert done.out == ''
    assert json.loads((tmp_path / 'out.jsonl').read_text())['id'] == '1'
    assert cli('predict', '--output', '-', 'Sweep').answers[0]['id'] == '1'


def test_input_and_output_may_be_the_same_file(cli, write_lines):
    path = write_lines({'id': 'a', 'text': 'Sweep'}, {'id': 'b', 'text': 'Dive'})
    cli('predict', '--input', path, '--output', path)
    assert [json.loads(line)['id'] for line in path.read_text().splitlines()] == ['a', 'b']


@pytest.mark.parametrize('error', [RuntimeError('engine'), KeyboardInterrupt()])
def test_an_output_file_appears_whole_or_not_at_all(cli, write_lines, tmp_path, monkeypatch,
                                                    error):
    from skill_predictor.commands import predict
    monkeypatch.setattr(predict, 'CHUNK', 2)
    answer, asked = predict.answer, []

    def break_off(record, prediction):
        asked.append(record.id)
        if len(asked) == 4:
            raise error
        return answer(record, prediction)
    monkeypatch.setattr(predict, 'answer', break_off)
    folder = tmp_path / 'out'
    folder.mkdir()
    (folder / 'out.jsonl').write_text('old')
    path = write_lines(*({'id': str(number), 'text': 'Sweep'} for number in range(6)))
    done = cli('predict', '--input', path, '--output', folder / 'out.jsonl')
    assert done.code == (1 if isinstance(error, RuntimeError) else 130)
    assert len(asked) == 4
    assert [entry.name for entry in folder.iterdir()] == ['out.jsonl']
    assert (folder / 'out.jsonl').read_text() == 'old'


def test_a_link_and_its_rights_stay(cli, tmp_path):
    target = tmp_path / 'target.jsonl'
    target.write_text('old')
    target.chmod(0o640)
    (tmp_path / 'link.jsonl').symlink_to(target)
    cli('predict', '--output', tmp_path / 'link.jsonl', 'Sweep')
    assert (tmp_path / 'link.jsonl').is_symlink()
    assert json.loads(target.read_text())['id'] == '1'
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_a_named_pipe_is_written_to_and_not_replaced(cli, tmp_path):
    pipe = tmp_path / 'pipe'
    os.mkfifo(pipe)
    # Open from the start, so that nobody waits for anybody; what is written fits into its buffer.
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        done = cli('predict', '--output', pipe, 'Sweep')
        assert done.code == 0, done.err
        assert stat.S_ISFIFO(os.stat(pipe).st_mode)
        assert json.loads(os.read(reader, 1 << 16))['id'] == '1'
    finally:
        os.close(reader)
    assert not list(tmp_path.glob('.partial-*'))


def test_probabilities_that_are_no_numbers_are_never_written(cli, monkeypatch):
    import numpy as np
    from skill_predictor.inference.predictor import Prediction, SkillPredictor
    monkeypatch.setattr(SkillPredictor, 'predict', lambda self, texts, done=None: [
        Prediction(np.full(6, np.nan, np.float32), (0.5,) * 6)] * len(texts))
    done = cli('predict', '--json', 'Sweep')
    assert done.code == 1 and 'NaN' not in done.out
