"""Bags of every release of rosbag2, and other libraries that read ours."""

from __future__ import annotations

import shutil
import sqlite3

import pytest

pytest.importorskip('rosbags')

from rosbags.highlevel import AnyReader  # noqa: E402
from rosbags.rosbag1 import Writer as Writer1  # noqa: E402
from rosbags.rosbag2 import Reader, ReaderError  # noqa: E402
from rosbags.typesys import get_typestore, Stores  # noqa: E402
from ruamel.yaml import YAML  # noqa: E402

from skill_predictor.dataset.records import TaskRecord  # noqa: E402
from skill_predictor.evaluation.bags.messages import own_types, TASK, TEXT, VECTOR  # noqa: E402
from skill_predictor.evaluation.bags.reading import Bag  # noqa: E402
from skill_predictor.evaluation.bags.writing import COMPRESSIONS, STORAGES, write_bag  # noqa: E402

TASKS = [TaskRecord(f't-{number}', f'Sweep deck {number} 🚢', ('wheels',) if number % 2 else ())
         for number in range(100)]

QOS = {'history': 1, 'depth': 10, 'reliability': 1, 'durability': 2,
       **{name: {'sec': 9223372036, 'nsec': 854775807} for name in ('deadline', 'lifespan')},
       'liveliness': 1, 'liveliness_lease_duration': {'sec': 9223372036, 'nsec': 854775807},
       'avoid_ros_namespace_conventions': False}
QOS_BY_NAME = QOS | {'history': 'keep_last', 'reliability': 'reliable', 'durability': 'volatile',
                     'liveliness': 'automatic'}  # from version 9 on
QOS_TEXT = '- ' + '\n  '.join(f'{key}: {value}'.replace("'", '') for key, value in QOS.items())

# The schema of the database in which recordings of each version of the metadata come.
SCHEMAS = {4: 2, 5: 3, 6: 3, 7: 4, 8: 4, 9: 4}


def events_of(path):
    with Bag(path) as bag:
        return list(map(str, bag.events())), bag.troubles


@pytest.fixture(scope='module')
def bags(tmp_path_factory):
    """A bag of each storage."""
    folder = tmp_path_factory.mktemp('bags')
    for storage in STORAGES:
        write_bag(folder / storage, TASKS, storage=storage)
    return folder


def older(path, schema):
    """Rewrite a database of schema 4 as recorders wrote it that knew less."""
    with sqlite3.connect(path) as database:
        database.execute('DROP TABLE message_definitions')
        database.execute('UPDATE topics SET offered_qos_profiles = ?', [QOS_TEXT])
        database.execute('ALTER TABLE topics DROP COLUMN type_description_hash')
        if schema < 3:
            database.execute('DROP TABLE schema')
            database.execute('DROP TABLE metadata')
        else:
            database.execute("UPDATE schema SET schema_version = 3, ros_distro = 'humble'")
        if schema < 2:
            database.execute('ALTER TABLE topics DROP COLUMN offered_qos_profiles')
    database.close()


def columns(path):
    with sqlite3.connect(path) as database:
        tables = {name for name, in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        return tables, {row[1] for row in database.execute('PRAGMA table_info(topics)')}


@pytest.mark.parametrize('schema', [1, 2, 3])
def test_databases_of_older_schemas(bags, tmp_path, schema):
    """1 is that of Dashing, 2 of Foxy and Galactic, 3 of Humble; none holds definitions of types."""
    path = tmp_path / 'bag.db3'
    shutil.copy(bags / 'sqlite3' / 'sqlite3.db3', path)
    older(path, schema)
    tables, of_topics = columns(path)
    assert ('schema' in tables, 'offered_qos_profiles' in of_topics) == (schema > 2, schema > 1)
    assert 'message_definitions' not in tables and 'type_description_hash' not in of_topics
    events, troubles = events_of(path)
    assert events == events_of(bags / 'sqlite3')[0] and len(events) == 200 and not troubles


def rewrite_metadata(folder, version):
    """As rosbag2 of Foxy (4) to Kilted (9) writes it."""
    yaml = YAML(typ='safe')
    about = yaml.load((folder / 'metadata.yaml').read_text())
    info = about['rosbag2_bagfile_information']
    info['version'] = version
    for topic in info['topics_with_message_count']:
        topic['topic_metadata']['offered_qos_profiles'] = [QOS_BY_NAME] if version == 9 else QOS_TEXT
        if version < 7:
            del topic['topic_metadata']['type_description_hash']
    for key, since in (('files', 5), ('custom_data', 6), ('ros_distro', 8)):
        if version < since:
            del info[key]
    with open(folder / 'metadata.yaml', 'w') as stream:
        yaml.dump(about, stream)


@pytest.mark.parametrize('version', SCHEMAS)
@pytest.mark.parametrize('storage', STORAGES)
def test_recordings_of_every_release(bags, tmp_path, storage, version):
    """They are what rosbags' reader of whole folders takes as well, which looks at all of this."""
    path = tmp_path / 'bag'
    shutil.copytree(bags / storage, path)
    rewrite_metadata(path, version)
    if storage == 'sqlite3':
        database = path / 'sqlite3.db3'
        if SCHEMAS[version] < 4:
            older(database, SCHEMAS[version])
        else:
            with sqlite3.connect(database) as change:
                change.execute('UPDATE topics SET offered_qos_profiles = ?', [QOS_TEXT])
            change.close()
    with Reader(path) as reader:
        assert reader.message_count == 200
        if storage == 'sqlite3':
            assert all(connection.ext.offered_qos_profiles[0].depth == 10
                       for connection in reader.connections)
    events, troubles = events_of(path)
    assert events == events_of(bags / storage)[0] and len(events) == 200 and not troubles


@pytest.mark.parametrize('storage', STORAGES)
def test_a_release_to_come_is_read_for_what_it_has_in_common(bags, tmp_path, storage):
    """The reader of whole folders gives up on a version that it does not know; the files are as they were."""
    path = tmp_path / 'bag'
    shutil.copytree(bags / storage, path)
    rewrite_metadata(path, 10)
    with pytest.raises(ReaderError, match='version 10'):
        Reader(path).open()
    events, troubles = events_of(path)
    assert len(events) == 200 and not troubles


@pytest.mark.parametrize('storage', STORAGES)
@pytest.mark.parametrize('compression', COMPRESSIONS)
def test_our_bags_are_read_by_rosbags_without_our_types(tmp_path, storage, compression):
    """From the definitions that the bag holds."""
    write_bag(tmp_path / 'bag', TASKS, storage=storage, compression=compression)
    with AnyReader([tmp_path / 'bag']) as reader:
        assert {connection.topic: connection.msgtype for connection in reader.connections} == {
            '/tasks': TASK, '/task_labels': VECTOR}
        found = [reader.deserialize(data, connection.msgtype)
                 for connection, _, data in reader.messages() if connection.topic == '/tasks']
    assert [(task.task_id, task.text) for task in found] == [(task.id, task.text) for task in TASKS]


def test_our_mcap_is_read_by_another_library(bags):
    reader = pytest.importorskip('mcap.reader')
    with open(next((bags / 'mcap').glob('*.mcap')), 'rb') as stream:
        found = list(reader.make_reader(stream).iter_messages(topics=['/tasks']))
    assert len(found) == 100
    schema, channel, message = found[7]
    assert schema.name == TASK and channel.message_encoding == 'cdr'
    decoded = own_types().deserialize_cdr(message.data, TASK)
    assert decoded.text == TASKS[7].text


def test_our_database_is_read_by_sqlite(bags):
    with sqlite3.connect(next((bags / 'sqlite3').glob('*.db3'))) as database:
        topics = dict(database.execute('SELECT name, type FROM topics'))
        count, = database.execute('SELECT COUNT(*) FROM messages').fetchone()
    assert topics['/tasks'] == TASK and count == 200


def test_a_bag_of_ros_1(tmp_path):
    store = get_typestore(Stores.ROS1_NOETIC)
    with Writer1(tmp_path / 'old.bag') as writer:
        connection = writer.add_connection('/task_text', TEXT, typestore=store)
        for number in range(3):
            message = store.types[TEXT](f'Sweep {number}')
            writer.write(connection, number, store.serialize_ros1(message, TEXT))
    with Bag(tmp_path / 'old.bag') as bag:
        assert [event.text for event in bag.events()] == ['Sweep 0', 'Sweep 1', 'Sweep 2']
        assert not bag.troubles
