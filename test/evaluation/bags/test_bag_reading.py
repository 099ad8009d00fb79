"""Bags of every kind, and bad ones: what can be read is read, what is wrong is said."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys

import pytest

pytest.importorskip('rosbags')

from rosbags.rosbag2 import StoragePlugin, Writer  # noqa: E402
from ruamel.yaml import YAML  # noqa: E402

from skill_predictor.dataset.records import TaskRecord  # noqa: E402
from skill_predictor.evaluation.bags import writing  # noqa: E402
from skill_predictor.evaluation.bags.events import RecordedTask  # noqa: E402
from skill_predictor.evaluation.bags.messages import own_types, TEXT  # noqa: E402
from skill_predictor.evaluation.bags.ordering import in_order  # noqa: E402
from skill_predictor.evaluation.bags.reading import Bag, BagError  # noqa: E402
from skill_predictor.evaluation.bags.writing import (  # noqa: E402
    COMPRESSIONS, START_NS, STORAGES, write_bag)

TASKS = [TaskRecord(f't-{number}', f'Sweep deck {number} 🚢', ('wheels',) if number % 2 else ())
         for number in range(300)]


def read(path, **options):
    with Bag(path, **options) as bag:
        events = list(bag.events())
        return events, bag.troubles


def tasks_of(events):
    return [event for event in events if isinstance(event, RecordedTask)]


@pytest.fixture(scope='module')
def bags(tmp_path_factory):
    """A bag of each storage."""
    folder = tmp_path_factory.mktemp('bags')
    for storage in STORAGES:
        write_bag(folder / storage, TASKS, storage=storage)
    return folder


@pytest.fixture(params=STORAGES)
def bag(request, bags, tmp_path):
    """A copy to spoil, of each storage in turn."""
    shutil.copytree(bags / request.param, tmp_path / 'bag')
    return tmp_path / 'bag'


@pytest.mark.parametrize('storage', STORAGES)
@pytest.mark.parametrize('compression', COMPRESSIONS)
def test_what_was_written_is_read(tmp_path, storage, compression):
    assert write_bag(tmp_path / 'bag', TASKS, storage=storage, compression=compression,
                     period_s=0.5) == 300
    events, troubles = read(tmp_path / 'bag')
    assert troubles == [] and len(events) == 600
    for number, (task, label) in enumerate(zip(events[::2], events[1::2])):
        record = TASKS[number]
        assert (task.task_id, task.text, task.topic) == (record.id, record.text, '/tasks')
        assert task.time_ns == label.time_ns == START_NS + number * 500_000_000
        assert label.required == (False, bool(number % 2), False, False, False, False)
        assert (label.text, label.model_version) == (record.text, 'label')


def test_an_existing_folder_is_not_written_into(tmp_path):
    with pytest.raises(FileExistsError):
        write_bag(tmp_path, TASKS)


def test_a_bag_appears_whole_or_not_at_all(tmp_path):
    def tasks():
        yield TASKS[0]
        raise KeyError
    with pytest.raises(KeyError):
        write_bag(tmp_path / 'new' / 'bag', tasks())
    assert list((tmp_path / 'new').iterdir()) == []


def test_one_file_alone(bag):
    path = next(path for path in bag.iterdir() if path.suffix in ('.mcap', '.db3'))
    assert len(read(path)[0]) == 600


def test_split_recordings(tmp_path):
    """Two files of one recording; and the same without the list that holds them together."""
    path = tmp_path / 'bag'
    for number in range(2):
        write_bag(tmp_path / f'part{number}', TASKS[number * 150:number * 150 + 150],
                  storage='sqlite3')
    path.mkdir()
    for number in range(2):
        shutil.copy(tmp_path / f'part{number}' / f'part{number}.db3', path / f'bag_{number}.db3')
    yaml = YAML(typ='safe')
    about = yaml.load((tmp_path / 'part0' / 'metadata.yaml').read_text())
    info = about['rosbag2_bagfile_information']
    info['relative_file_paths'] = ['bag_0.db3', 'bag_1.db3']
    with open(path / 'metadata.yaml', 'w') as stream:
        yaml.dump(about, stream)
    events, troubles = read(path)
    assert {task.task_id for task in tasks_of(events)} == {task.id for task in TASKS}
    assert troubles == []
    (path / 'metadata.yaml').unlink()
    events, troubles = read(path)
    assert len(tasks_of(events)) == 300
    assert troubles == ['there is no metadata.yaml; the files of the folder are read one by one']


@pytest.mark.parametrize('content', [None, b'', b'no: [yaml', b'rosbag2_bagfile_information: 3'])
def test_without_sound_metadata_the_files_are_read(bag, content):
    if content is None:
        (bag / 'metadata.yaml').unlink()
    else:
        (bag / 'metadata.yaml').write_bytes(content)
    events, troubles = read(bag)
    trouble, = troubles
    assert len(events) == 600 and trouble.endswith('; the files of the folder are read one by one')
    assert ('no metadata.yaml' if content is None else 'metadata.yaml is damaged (') in trouble


def test_a_truncated_mcap_gives_what_comes_before(tmp_path):
    """As a recorder leaves it that was switched off: no index, half a chunk."""
    tasks = [TaskRecord(f't-{number}', f'Sweep {number} ' + 'x' * 2000, ()) for number in range(2000)]
    write_bag(tmp_path / 'bag', tasks)
    path = next((tmp_path / 'bag').glob('*.mcap'))
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
    for where in (path, tmp_path / 'bag'):
        events, troubles = read(where)
        found = tasks_of(events)
        assert 300 < len(found) < 1700
        assert [task.task_id for task in found] == [task.id for task in tasks[:len(found)]]
        assert any('what comes before the damage is read' in trouble for trouble in troubles)
        assert any('breaks off after' in trouble for trouble in troubles)


def test_messages_with_their_own_compression_need_no_metadata(tmp_path):
    write_bag(tmp_path / 'bag', TASKS, storage='sqlite3', compression='message')
    (tmp_path / 'bag' / 'metadata.yaml').unlink()
    assert len(read(tmp_path / 'bag')[0]) == 600


def test_a_database_that_was_cut_off(bags, tmp_path):
    whole = next((bags / 'sqlite3').glob('*.db3')).read_bytes()
    path = tmp_path / 'bag.db3'
    path.write_bytes(whole[:len(whole) // 2])
    with pytest.raises(BagError, match='malformed.*may repair it'):
        read(path)
    path.write_bytes(whole[:len(whole) * 99 // 100])
    events, troubles = read(path)
    assert 0 < len(events) < 600 and 'breaks off after' in troubles[0]


@pytest.mark.parametrize('spoil, said', [
    (lambda bag: shutil.rmtree(bag), 'there is no bag at'),
    (lambda bag: [path.unlink() for path in bag.iterdir()], 'no .mcap or .db3 file in it'),
    (lambda bag: [path.write_bytes(b'nonsense') for path in bag.iterdir()], 'no readable bag')])
def test_what_is_no_bag(bag, spoil, said):
    spoil(bag)
    with pytest.raises(BagError, match=said):
        read(bag)


def test_a_name_that_is_too_long():
    with pytest.raises(BagError, match='cannot be read: File name too long'):
        read('x' * 300)


def metadata(bag, change):
    """Alter what rosbag2 notes of a bag."""
    yaml = YAML(typ='safe')
    yaml.default_flow_style = False
    about = yaml.load((bag / 'metadata.yaml').read_text())
    change(about['rosbag2_bagfile_information'])
    with open(bag / 'metadata.yaml', 'w') as stream:
        yaml.dump(about, stream)


def test_fewer_messages_than_promised_are_said(bag):
    def more(info):
        info['topics_with_message_count'][0]['message_count'] = 10_000
    metadata(bag, more)
    events, troubles = read(bag)
    assert len(events) == 600
    assert troubles == ['300 of the 10,000 messages of /tasks were found']


def test_quality_of_service_that_was_edited_does_no_harm(bag):
    def other(info):
        for topic in info['topics_with_message_count']:
            topic['topic_metadata']['offered_qos_profiles'] = [{'history': 3, 'depth': 7}]
            topic['topic_metadata']['type_description_hash'] = 'RIHS01_' + '0' * 64
    metadata(bag, other)
    assert len(read(bag)[0]) == 600 and read(bag)[1] == []


def test_files_that_are_not_listed_or_not_there_are_said(bag, tmp_path):
    write_bag(tmp_path / 'more', [TaskRecord('late', 'Sweep')], storage='sqlite3')
    shutil.copy(tmp_path / 'more' / 'more.db3', bag / 'more.db3')
    metadata(bag, lambda info: info['relative_file_paths'].append('gone.db3'))
    events, troubles = read(bag)
    assert len(events) == 601
    assert troubles == ['gone.db3 is listed in metadata.yaml and is not there',
                        'more.db3 is not listed in metadata.yaml; it is read as well']


@pytest.mark.parametrize('keep_metadata', [True, False])
def test_one_bad_file_of_several(tmp_path, keep_metadata):
    for number in range(2):
        write_bag(tmp_path / f'part{number}', TASKS[number * 150:number * 150 + 150],
                  storage='sqlite3', compression='file')
    bag = tmp_path / 'part0'
    if not keep_metadata:
        (bag / 'metadata.yaml').unlink()
    good = next((tmp_path / 'part1').glob('*.zstd'))
    shutil.copy(good, bag / good.name)
    (bag / 'bad.db3.zstd').write_bytes(good.read_bytes()[:200])
    events, troubles = read(bag)
    assert len(tasks_of(events)) == 300
    assert any('bad.db3.zstd cannot be read' in trouble for trouble in troubles)


def test_a_log_that_was_not_merged_is_said(bags, tmp_path):
    """As rosbag2's resilient preset leaves it when the power is lost."""
    shutil.copytree(bags / 'sqlite3', tmp_path / 'bag')
    path = next((tmp_path / 'bag').glob('*.db3'))
    path.with_name(path.name + '-wal').write_bytes(b'x' * 100)
    events, troubles = read(tmp_path / 'bag')
    assert len(events) == 600 and 'wal_checkpoint' in troubles[0]


def test_an_mcap_without_index_in_which_the_clock_was_set_back(tmp_path):
    from mcap.writer import IndexType, Writer as McapWriter
    store = own_types()
    with open(tmp_path / 'bag.mcap', 'wb') as stream:
        writer = McapWriter(stream, use_chunking=False, index_types=IndexType.NONE,
                            use_summary_offsets=False, repeat_channels=False, repeat_schemas=False)
        writer.start()
        schema = writer.register_schema(TEXT, 'ros2msg', b'string data')
        channel = writer.register_channel('/task_text', 'cdr', schema)
        for second in (1, 2, 4, 3, 5, 6):
            writer.add_message(channel, second, store.serialize_cdr(text(f'Sweep {second}'), TEXT),
                               second)
        writer.finish()
    events, _ = read(tmp_path / 'bag.mcap')
    assert sorted(event.text for event in events) == [f'Sweep {n}' for n in range(1, 7)]


def test_a_bag_behind_a_link(bag, tmp_path):
    (tmp_path / 'a#b').symlink_to(bag)
    events, troubles = read(tmp_path / 'a#b')
    assert len(events) == 600 and troubles == []
    with Bag(tmp_path / 'a#b') as linked:
        assert linked.name == 'a#b'


def test_a_log_that_was_not_merged_is_said_behind_a_link(bags, tmp_path):
    shutil.copytree(bags / 'sqlite3', tmp_path / 'bag')
    path = next((tmp_path / 'bag').glob('*.db3'))
    path.with_name(path.name + '-wal').write_bytes(b'x' * 100)
    (tmp_path / 'link.db3').symlink_to(path)
    events, troubles = read(tmp_path / 'link.db3')
    assert len(events) == 600 and 'wal_checkpoint' in troubles[0]


_FEW_FILES = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
from skill_predictor.evaluation.bags.ordering import in_order
from skill_predictor.evaluation.bags.reading import Bag
bags = [Bag(path) for path in sys.argv[1:]]
events = list(in_order((bag.start_ns, bag.events()) for bag in bags))
assert [event.time_ns for event in events] == sorted(event.time_ns for event in events)
print(len({event.task_id for event in events}), [bag.troubles for bag in bags if bag.troubles])
"""


@pytest.mark.parametrize('storage', STORAGES)
@pytest.mark.parametrize('step_ns', [10**9, 0])
def test_few_files_are_open_at_a_time(tmp_path, storage, step_ns, monkeypatch):
    """A recording split over a hundred files, and as many recordings, where 64 files may be open.

    (Where all are of the same time this cannot be; but it is no fault of theirs.)
    """
    path = tmp_path / 'split'
    path.mkdir()
    parts = []
    for number in range(100):
        parts.append(tmp_path / f'part{number}')
        monkeypatch.setattr(writing, 'START_NS', START_NS + number * step_ns)
        write_bag(parts[-1], [TaskRecord(f't{number}', 'Sweep')], storage=storage)
        file = next(file for file in parts[-1].iterdir() if file.suffix in ('.mcap', '.db3'))
        shutil.copy(file, path / file.name)
    for bags in [path], parts:
        done = subprocess.run(
            [sys.executable, '-c', _FEW_FILES, *map(str, bags)], capture_output=True, text=True,
            env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)})
        if not step_ns:
            assert done.stdout == '' and 'too many files are open at a time' in done.stderr
            continue
        lone = "[['there is no metadata.yaml; the files of the folder are read one by one']]"
        assert done.stdout == f'100 {lone if bags == [path] else []}\n', done.stderr


def test_a_file_is_begun_when_its_first_event_is_due(tmp_path):
    begun = []

    def stream(name, *times):
        begun.append(name)
        yield from (RecordedTask(time, '/tasks', name, 'Sweep') for time in times)

    events = in_order([(5, stream('b', 5, 7)), (0, stream('a', 0, 5, 6)), (9, stream('c', 9)), (1, stream('none'))])
    seen = [(event.time_ns, event.task_id, len(begun)) for event in events]
    assert seen == [(0, 'a', 1), (5, 'b', 3), (5, 'a', 3), (6, 'a', 3), (7, 'b', 3), (9, 'c', 4)]


@pytest.mark.parametrize('name', ['a#b', 'a?b', 'a%20b', 'demo.bag'])
def test_odd_names(bag, name):
    odd = bag.parent / name
    bag.rename(odd)
    for path in odd.iterdir():
        if path.suffix == '.db3':
            metadata(odd, lambda info: info.update(relative_file_paths=[f'{name}.db3']))
            path.rename(odd / f'{name}.db3')
    events, troubles = read(odd)
    assert len(events) == 600 and troubles == []


def test_a_file_of_another_kind(tmp_path):
    path = tmp_path / 'notes.txt'
    path.write_text('hello')
    with pytest.raises(BagError, match='cannot be read'):
        read(path)


def write(path, topics):
    """A bag with messages by (topic, type)."""
    store = own_types()
    with Writer(path, version=8, storage_plugin=StoragePlugin.SQLITE3) as writer:
        for (topic, kind), messages in topics.items():
            connection = writer.add_connection(topic, kind, typestore=store)
            for number, message in enumerate(messages):
                data = message if isinstance(message, bytes) else store.serialize_cdr(message, kind)
                writer.write(connection, number * 10**9, data)


def text(value):
    return own_types().types[TEXT](value)


def test_plain_texts_by_the_nodes_name_or_by_wish(tmp_path):
    write(tmp_path / 'a', {('/robot/task_text', TEXT): [text('Sweep')], ('/chatter', TEXT): [
        text('hello'), text('there')]})
    assert [event.text for event in read(tmp_path / 'a')[0]] == ['Sweep']
    assert len(read(tmp_path / 'a', text_topics=['/chatter'])[0]) == 2
    with pytest.raises(BagError, match='has no topic /nowhere; it has: /chatter'):
        read(tmp_path / 'a', text_topics=['/nowhere'])
    write_bag(tmp_path / 'b', TASKS[:1])
    with pytest.raises(BagError, match='/tasks of .* holds no std_msgs'):
        read(tmp_path / 'b', text_topics=['/tasks'])


def test_a_bag_without_tasks_says_what_it_has(tmp_path):
    write(tmp_path / 'a', {('/chatter', TEXT): [text('hello')]})
    with pytest.raises(BagError, match='holds no tasks.*--text-topics /chatter'):
        read(tmp_path / 'a')


def test_messages_that_cannot_be_read_are_counted(tmp_path):
    write(tmp_path / 'a', {('/task_text', TEXT): [text('one'), b'\0\1', text('two')]})
    events, troubles = read(tmp_path / 'a')
    assert [event.text for event in events] == ['one', 'two']
    assert troubles == ['1 messages of /task_text cannot be read']
