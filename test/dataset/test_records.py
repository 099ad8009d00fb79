"""Reading and writing task files: every error, and what is let pass."""

from __future__ import annotations

import io
import os
import stat

import pytest

from skill_predictor.dataset.records import read_tasks, RecordError, TaskRecord, write_tasks
from skill_predictor.taxonomy import UnknownSkillError


def read(text, **options):
    """Records of a stream."""
    return list(read_tasks(io.StringIO(text), **options))


def test_reads_all_fields_and_orders_the_label():
    record, = read('{"id": "a", "text": "Go", "label": ["hands", "fly"], "domain": "d", '
                   '"writer": "w", "colour": [1]}')
    assert record == TaskRecord('a', 'Go', ('fly', 'hands'), 'd', 'w')
    assert record.label == ('fly', 'hands')


def test_missing_fields_get_their_defaults():
    assert read('{"text": "Go"}') == [TaskRecord('line-1', 'Go', None, '', '')]
    assert read('{"id": null, "text": "Go", "label": null, "domain": null, "writer": null}') == [
        TaskRecord('line-1', 'Go', None, '', '')]


def test_an_empty_label_is_a_label():
    record, = read('{"text": "Go", "label": []}', require_label=True)
    assert record.label == ()


def test_blank_lines_count_but_are_skipped():
    records = read('\n  \n{"text": "Go"}\r\n\n{"text": "Stop"}')
    assert [record.id for record in records] == ['line-3', 'line-5']


def test_whole_number_ids_become_text():
    assert [record.id for record in read('{"id": 7, "text": "Go"}\n{"id": -1, "text": "Go"}')] == [
        '7', '-1']


def test_byte_order_mark_is_tolerated(tmp_path):
    path = tmp_path / 'tasks.jsonl'
    path.write_bytes(b'\xef\xbb\xbf{"text": "Go"}\n')
    assert [record.text for record in read_tasks(path)] == ['Go']
    assert [record.text for record in read('\ufeff{"text": "Go"}')] == ['Go']


def test_unicode_line_separators_do_not_split_a_record(tmp_path):
    path = tmp_path / 'tasks.jsonl'
    path.write_text('{"text": "Go\u2028on\x85"}\n', encoding='utf-8')
    assert [record.text for record in read_tasks(path)] == ['Go\u2028on\x85']


def test_reads_bytes_and_text_streams_and_plain_iterables():
    assert [record.text for record in read_tasks(io.BytesIO(b'{"text": "Go"}\n'))] == ['Go']
    assert [record.text for record in read_tasks([b'{"text": "Go"}\n'])] == ['Go']


@pytest.mark.parametrize('line, reason', [
    ('{"text": "Go"', 'is not JSON'),
    ('Go to the dock', 'is not JSON'),
    pytest.param('[' * 100_000, 'is not JSON', id='deeply nested'),
    ('[{"text": "Go"}]', 'is a JSON list, not an object'),
    ('"Go"', 'is a JSON text, not an object'),
    ('3.5', 'is a JSON number, not an object'),
    ('null', 'is a JSON constant, not an object'),
    ('{}', 'has no "text"'),
    ('{"task": "Go"}', "keys found: 'task'"),
    ('{"text": null}', 'has no "text"'),
    ('{"text": 5}', "'text' is 5"),
    ('{"text": "half \\ud800 pair"}', 'surrogate'),
    ('{"text": "Go", "id": ""}', 'the id is empty'),
    ('{"text": "Go", "id": true}', "'id' is true"),
    ('{"text": "Go", "id": 1.5}', "'id' is 1.5"),
    ('{"text": "Go", "id": "\\udc00"}', 'surrogate'),
    ('{"text": "Go", "domain": 1}', "'domain' is 1"),
    ('{"text": "Go", "writer": ["w"]}', '\'writer\' is ["w"]'),
    ('{"text": "Go", "label": "fly"}', 'the label is "fly"'),
    ('{"text": "Go", "label": {"fly": true}}', 'write a list of skills'),
    ('{"text": "Go", "label": ["swim"]}', "unknown skill 'swim'"),
    ('{"text": "Go", "label": [["fly"]]}', 'unknown skill'),
    ('{"text": "Go", "label": [null]}', 'unknown skill'),
    ('{"text": "Go", "label": ["fly", "fly"]}', 'is twice'),
])
def test_bad_lines_are_named_with_file_and_number(tmp_path, line, reason):
    path = tmp_path / 'tasks.jsonl'
    path.write_text('{"text": "before"}\n' + line + '\n', encoding='utf-8')
    with pytest.raises(RecordError) as caught:
        list(read_tasks(path))
    assert str(caught.value).startswith(f'{path}, line 2: ')
    assert reason in str(caught.value)
    assert (caught.value.source, caught.value.line) == (str(path), 2)


def test_repeated_id_names_the_first_line():
    with pytest.raises(RecordError, match="line 2: the id 'line-1' is already that of line 1"):
        read('{"text": "Go"}\n{"text": "Stop", "id": "line-1"}')


def test_a_label_can_be_required():
    with pytest.raises(RecordError, match='has no "label"'):
        read('{"text": "Go"}', require_label=True)


def test_undecodable_bytes_cost_their_own_line_only(tmp_path):
    path = tmp_path / 'tasks.jsonl'
    path.write_bytes(b'{"text": "one"}\n{"text": "caf\xe9"}\n{"text": "three"}\n')
    with pytest.raises(RecordError, match='line 2: is not UTF-8 .* save the file as UTF-8'):
        list(read_tasks(path))
    errors = []
    assert [record.text for record in read_tasks(path, on_error=errors.append)] == ['one', 'three']
    assert [error.line for error in errors] == [2]


def test_undecodable_bytes_in_a_text_stream():
    stream = io.TextIOWrapper(io.BytesIO(b'{"text": "caf\xe9"}\n'), encoding='utf-8')
    with pytest.raises(RecordError, match='is not UTF-8'):
        list(read_tasks(stream))
    lenient = io.TextIOWrapper(io.BytesIO(b'{"text": "caf\xe9"}\n'), encoding='utf-8',
                               errors='surrogateescape')
    with pytest.raises(RecordError, match='line 1: is not UTF-8'):
        list(read_tasks(lenient))


def test_on_error_leaves_bad_lines_out_and_frees_their_id():
    errors = []
    lines = ('{"id": "a", "label": ["swim"], "text": "x"}', 'nonsense', '{"id": "a", "text": "y"}')
    records = read('\n'.join(lines), on_error=errors.append)
    assert [(record.id, record.text) for record in records] == [('a', 'y')]
    assert [error.line for error in errors] == [1, 2]


def test_unreadable_file_is_an_error_even_with_on_error(tmp_path):
    for path, reason in ((tmp_path / 'absent.jsonl', 'No such file'), (tmp_path, 'directory')):
        with pytest.raises(RecordError, match=reason) as caught:
            list(read_tasks(path, on_error=lambda error: None))
        assert caught.value.line == 0


def test_streams_are_named():
    stream = io.StringIO('nonsense')
    with pytest.raises(RecordError, match='^input, line 1'):
        list(read_tasks(stream))
    stream.name = 'tasks from afar'
    stream.seek(0)
    with pytest.raises(RecordError, match='^tasks from afar, line 1'):
        list(read_tasks(stream))


def test_records_come_as_lines_do():
    def lines():
        yield '{"text": "Go"}'
        raise AssertionError('read ahead')
    assert next(iter(read_tasks(lines()))).text == 'Go'


def test_record_orders_and_checks_its_label():
    assert TaskRecord('a', 'Go', ('hands', 'wheels')).label == ('wheels', 'hands')
    with pytest.raises(UnknownSkillError):
        TaskRecord('a', 'Go', ('swim',))


def test_round_trip(tmp_path):
    records = [TaskRecord('a', 'Go \u2028 "there"', ('wheels',), 'd', 'w'),
               TaskRecord('b', 'Über die Brücke', ()), TaskRecord('c', 'Stop')]
    path = tmp_path / 'tasks.jsonl'
    assert write_tasks(iter(records), path) == 3
    assert list(read_tasks(path)) == records
    assert 'Über' in path.read_text(encoding='utf-8')


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / 'tasks.jsonl'
    write_tasks([TaskRecord('a', 'Go')], path)
    with pytest.raises(UnicodeEncodeError):
        write_tasks([TaskRecord('b', 'Stop'), TaskRecord('c', '\ud800')], path)
    assert [record.id for record in read_tasks(path)] == ['a']
    assert os.listdir(tmp_path) == ['tasks.jsonl']


def test_written_files_are_as_readable_as_any_other(tmp_path):
    plain = tmp_path / 'plain'
    plain.touch()
    write_tasks([], tmp_path / 'tasks.jsonl')
    assert stat.S_IMODE((tmp_path / 'tasks.jsonl').stat().st_mode) == stat.S_IMODE(
        plain.stat().st_mode)
