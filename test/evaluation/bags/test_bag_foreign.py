"""Files that rosbags refuses although their messages are sound: definitions, indices and profiles of others."""

from __future__ import annotations

import shutil
import sqlite3
import sys

import pytest

pytest.importorskip('rosbags')

from skill_predictor.dataset.records import TaskRecord  # noqa: E402
from skill_predictor.evaluation.bags.messages import own_types, TEXT  # noqa: E402
from skill_predictor.evaluation.bags.reading import Bag, BagError  # noqa: E402
from skill_predictor.evaluation.bags.writing import write_bag  # noqa: E402

TASKS = [TaskRecord(f't-{number}', f'Sweep deck {number} 🚢', ('wheels',) if number % 2 else ())
         for number in range(300)]

DEFINITIONS = [('unknown', b''), ('', b''), ('jsonschema', b''), ('ros2msg', b'float32 t # \xb0C\n')]
"""Of a type that was not installed, and one with a letter that is not UTF-8."""


def read(path):
    with Bag(path) as bag:
        return list(bag.events()), bag.troubles


def text(value):
    return own_types().types[TEXT](value)


@pytest.mark.parametrize('language, definition', DEFINITIONS)
def test_a_topic_whose_definition_cannot_be_read_does_no_harm_in_a_database(tmp_path, language, definition):
    write_bag(tmp_path / 'bag', TASKS, storage='sqlite3')
    whole, _ = read(tmp_path / 'bag')
    path = tmp_path / 'bag.db3'
    shutil.copy(tmp_path / 'bag' / 'bag.db3', path)
    with sqlite3.connect(path) as database:
        database.execute("INSERT INTO topics (id, name, type, serialization_format, offered_qos_profiles, "
                         "type_description_hash) VALUES (99, '/camera', 'strange/msg/Thing', 'cdr', '', '')")
        database.execute('INSERT INTO message_definitions (topic_type, encoding, encoded_message_definition, '
                         "type_description_hash) VALUES ('strange/msg/Thing', ?, CAST(? AS TEXT), '')",
                         [language, definition])
        database.execute("INSERT INTO messages (topic_id, timestamp, data) VALUES (99, 5, X'0001')")
    database.close()
    events, troubles = read(path)
    assert list(map(str, events)) == list(map(str, whole)) and len(whole) == 600 and not troubles


@pytest.mark.parametrize('language, definition', DEFINITIONS)
def test_a_topic_whose_definition_cannot_be_read_does_no_harm_in_an_mcap(tmp_path, language, definition):
    writer_of = pytest.importorskip('mcap.writer').Writer
    store = own_types()
    with open(tmp_path / 'bag.mcap', 'wb') as stream:
        writer = writer_of(stream)
        writer.start(profile='ros2')
        strange = writer.register_channel('/camera', 'cdr', writer.register_schema(
            'strange/msg/Thing', language, definition))
        nameless = writer.register_channel('/blob', 'cdr', 0)
        ours = writer.register_channel('/task_text', 'cdr', writer.register_schema(
            TEXT, 'ros2msg', b'string data\n'))
        for number in range(4):
            for channel in (strange, nameless):
                writer.add_message(channel, number, b'\0\1', number)
            writer.add_message(
                ours, number, bytes(store.serialize_cdr(text(f'Sweep {number}'), TEXT)), number)
        writer.finish()
    events, troubles = read(tmp_path / 'bag.mcap')
    assert [event.text for event in events] == [f'Sweep {number}' for number in range(4)]
    assert not troubles


def spoken(path, profile='ros2', **options):
    """An MCAP file of four spoken tasks, by another library."""
    writer_of = pytest.importorskip('mcap.writer').Writer
    store = own_types()
    with open(path, 'wb') as stream:
        writer = writer_of(stream, **options)
        writer.start(profile=profile)
        channel = writer.register_channel('/task_text', 'cdr', writer.register_schema(
            TEXT, 'ros2msg', b'string data\n'))
        for number in range(4):
            writer.add_message(
                channel, number, bytes(store.serialize_cdr(text(f'Sweep {number}'), TEXT)), number)
        writer.finish()
    return path


@pytest.mark.parametrize('statistics', [True, False])
def test_chunks_without_an_index_of_their_messages(tmp_path, statistics):
    """As rosbag2 writes them by its option noMessageIndex."""
    index = pytest.importorskip('mcap.writer').IndexType
    path = spoken(tmp_path / 'bag.mcap', index_types=index.CHUNK, use_statistics=statistics)
    with Bag(path) as bag:
        assert bag.tasks == 4
    events, troubles = read(path)
    assert len(events) == 4 and troubles == []


def test_a_profile_that_is_not_given(tmp_path):
    path = spoken(tmp_path / 'bag.mcap', profile='')
    events, troubles = read(path)
    assert len(events) == 4 and troubles == []
    path.write_bytes(path.read_bytes()[:-20])
    events, (trouble, *_) = read(path)
    assert len(events) == 4 and 'bag.mcap cannot be read whole' in trouble


def test_a_bag_without_messages_is_sound(tmp_path):
    for storage in ('mcap', 'sqlite3'):
        write_bag(tmp_path / storage, [], storage=storage)
        assert read(tmp_path / storage) == ([], [])


def test_what_is_missing_for_a_file_that_broke_off(tmp_path, monkeypatch):
    write_bag(tmp_path / 'bag', TASKS)
    path = tmp_path / 'bag' / 'bag.mcap'
    path.write_bytes(path.read_bytes()[:-20])
    assert len(read(path)[0]) == 600
    monkeypatch.setitem(sys.modules, 'mcap', None)
    with pytest.raises(BagError, match='`pip install mcap`'):
        read(path)
