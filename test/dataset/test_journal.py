"""Files that a stopped run goes on from: what is cut, what is refused, what may be edited by hand."""

from __future__ import annotations

import json

import pytest

from skill_predictor.dataset import journal
from skill_predictor.dataset.audit.records import AuditEntry, read_audit, write_audit
from skill_predictor.dataset.records import read_sentences, read_tasks, RecordError

TASKS = '{"id": "m1", "text": "Go"}\n{"id": "m2", "text": "Stop"}'


def test_a_half_written_line_is_cut_and_named(tmp_path, capsys):
    path = tmp_path / 'mine.jsonl'
    for torn in ('{"id": "m3", "text": "Über', '{"i', '{'):
        path.write_text(TASKS + '\n' + torn, encoding='utf-8')
        assert journal.cut_torn_line(path) == torn
        assert path.read_text() == TASKS + '\n'
        assert f'{path}: ' in (said := capsys.readouterr().err) and torn in said
    path.write_bytes(TASKS.encode() + '\n{"id": "ü'.encode()[:-1])
    journal.cut_torn_line(path)
    assert path.read_text() == TASKS + '\n'


def test_a_whole_last_line_without_a_line_feed_stays_and_is_gone_on_after(tmp_path, capsys):
    path = tmp_path / 'mine.jsonl'
    path.write_text(TASKS)
    assert journal.cut_torn_line(path) == '' and path.read_text() == TASKS
    journal.append(path, [])
    assert path.read_text() == TASKS
    journal.append(path, [{'id': 'm3', 'text': 'Dive'}])
    journal.append(path, [{'id': 'm4', 'text': 'Dig'}])
    assert [task.id for task in read_tasks(path)] == ['m1', 'm2', 'm3', 'm4']
    assert not capsys.readouterr().err


@pytest.mark.parametrize('content, line', [
    ('{\n  "important": 1\n}', 1), ('Dear diary,\ntoday', 1), ('no end', 1), ('3', 1),
    (f'{TASKS}\n[1]', 3), (f'{TASKS}\n{{"id": "m3", "te\n{{"id": "m4", "te', 3)])
def test_a_file_of_another_kind_is_refused_and_untouched(tmp_path, content, line):
    path = tmp_path / 'config.json'
    path.write_text(content)
    with pytest.raises(RecordError, match=f'line {line}: .*name another file'):
        journal.cut_torn_line(path)
    assert path.read_text() == content


def test_blank_lines_and_a_byte_order_mark_are_let_pass(tmp_path):
    path = tmp_path / 'mine.jsonl'
    path.write_bytes(b'\xef\xbb\xbf' + TASKS.encode() + b'\r\n\n')
    assert journal.cut_torn_line(path) == ''
    assert list(journal.read(path, dict, 'task')) == ['m1', 'm2']


@pytest.mark.parametrize('line, said', [
    ('[' * 100_000, 'recursion'), ('{"id": "a", "reason": "\\ud800"}', 'surrogate'),
    ('{"id": "a", "final": [{"x": "\\udc00"}]}', 'surrogate'), ('{"id": null}', '"id" is None'),
    ('{"id": ""}', '"id" is'), ('{"id": true}', '"id" is True'), ('{"id": "a\xff"}', 'UTF-8')])
def test_what_is_no_line_of_a_journal_is_named(tmp_path, line, said):
    path = tmp_path / 'mine.jsonl'
    path.write_bytes(TASKS.encode() + b'\n' + line.encode('latin-1') + b'\n')
    with pytest.raises(RecordError, match=f'line 3: is no task: .*{said}'):
        journal.read(path, dict, 'task')


def test_sentences_end_at_line_feeds_only(tmp_path):
    path = tmp_path / 'sentences.txt'
    path.write_bytes('\ufeffThe sea is calm.\r\n\nOne\u2028 sentence.\n'.encode())
    assert read_sentences(path) == ['The sea is calm.', 'One\u2028 sentence.']
    path.write_bytes(b'Fine.\ncaf\xe9\n')
    with pytest.raises(RecordError, match='line 2: is not UTF-8'):
        read_sentences(path)


@pytest.mark.parametrize('provenance', ['{"model": "\\ud800"}', '{"\\ud800": "m"}'])
def test_half_characters_in_a_provenance_are_named(tmp_path, provenance):
    path = tmp_path / 'tasks.jsonl'
    path.write_text('{"text": "Go", "provenance": %s}' % provenance)
    with pytest.raises(RecordError, match="'provenance' holds half of a surrogate pair"):
        list(read_tasks(path))


@pytest.mark.parametrize('change, said', [
    ({'rule': None}, '"rule" is None'), ({'rule': True}, '"rule" is True'), ({'rule': 99}, 'rules 1 to'),
    ({'reason': 3}, '"reason" is 3'), ({'first': ''}, 'list of skills'), ({'final': {}}, 'list of skills')])
def test_audits_hold_only_what_can_be_read_again(tmp_path, change, said):
    path = tmp_path / 'audit.jsonl'
    path.write_text(json.dumps({'id': 'a', 'why': 'sample', 'first': [], 'second': [], **change}))
    with pytest.raises(RecordError, match=f'line 1: is no audit entry: .*{said}'):
        read_audit(path)


def test_a_link_to_an_audit_stays_and_its_rights_too(tmp_path):
    real, link = tmp_path / 'real.jsonl', tmp_path / 'audit.jsonl'
    real.write_text('')
    real.chmod(0o600)
    link.symlink_to(real)
    write_audit([AuditEntry('a', 'sample', (), ())], link)
    assert link.is_symlink() and len(read_audit(real)) == 1 and real.stat().st_mode & 0o777 == 0o600
