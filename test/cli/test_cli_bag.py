"""``bag``: recordings evaluated offline, compared, and gated."""

from __future__ import annotations

import json
import re

import pytest

for module in ('rosbags', 'sklearn', 'scipy', 'matplotlib', 'jinja2'):
    pytest.importorskip(module)

from rosbags.rosbag2 import StoragePlugin, Writer  # noqa: E402

from skill_predictor.dataset.records import TaskRecord, write_tasks  # noqa: E402
from skill_predictor.evaluation.bags.events import RecordedAllocation, RecordedTask  # noqa: E402
from skill_predictor.evaluation.bags.messages import own_types  # noqa: E402
from skill_predictor.evaluation.bags.reading import Bag  # noqa: E402
from skill_predictor.evaluation.bags.writing import write_bag  # noqa: E402
from tiny_model import write_tiny_model  # noqa: E402


def test_nothing_is_written_over(cli, bag, tmp_path):
    done = cli('bag', 'record-demo', tmp_path / 'tasks.jsonl', '--output', bag)
    assert done.code == 2 and 'there is something at' in done.err


def test_info(cli, bag):
    done = cli('bag', 'info', bag)
    assert done.code == 0 and re.search(r'20 +/tasks +skill_predictor/msg/TaskDesc', done.out)


def test_tasks_are_written_once_each_and_come_back_as_labels(cli, evaluate_bag, bag, tmp_path):
    done = cli('bag', 'tasks', bag, bag, '--output', tmp_path / 'asked.jsonl')
    assert done.code == 0 and '20 tasks' in done.err
    rows = [json.loads(line) for line in (tmp_path / 'asked.jsonl').read_text().splitlines()]
    assert rows[3] == {'id': 't-3', 'text': 'bring the red box 3'}
    assert len({row['id'] for row in rows}) == len(rows) == 20
    (tmp_path / 'labels.jsonl').write_text('\n'.join(
        json.dumps({**row, 'label': ['wheels', 'hands']}) for row in rows))
    assert 'exact match now: 1.0000' in evaluate_bag('--labels', tmp_path / 'labels.jsonl').out


def test_tasks_of_odd_text_can_be_written(cli, tmp_path):
    write_bag(tmp_path / 'odd', [TaskRecord('a', 'größer \U0001f916'), TaskRecord('b', 'x')])
    done = cli('bag', 'tasks', tmp_path / 'odd')
    assert done.code == 0 and 'größer \U0001f916' in done.out
    assert cli('bag', 'tasks', tmp_path / 'nowhere').code == 1


def test_figures_are_those_of_evaluate(cli, evaluate_bag, constant, tmp_path):
    assert evaluate_bag('--json', tmp_path / 'bag.json').code == 0
    done = cli('evaluate', '--input', tmp_path / 'tasks.jsonl', '--model', constant.folder,
               '--encoders', constant.encoders, '--precision', 'fp32', '--json', '-')
    expected = json.loads(done.out)
    found = json.loads((tmp_path / 'bag.json').read_text())['figures']['accuracy']
    for name in ('exact_match', 'macro_f1', 'hamming_loss', 'skills'):
        assert found[name] == expected[name]
    assert found['exact_match'] == 0.75


def test_labels_from_a_file_and_the_recording(evaluate_bag, tmp_path):
    done = evaluate_bag('--labels', tmp_path / 'tasks.jsonl', '--label-topic', '')
    assert done.code == 0
    for said in ('exact match now: 0.7500', 'recorded: 5 of 20 decisions differ',
                 'exact match recorded: 1.0000', 'McNemar p', 'right: fly'):
        assert said in done.out


def test_the_page(evaluate_bag, tmp_path):
    assert evaluate_bag('--label-topic', '', '--report', tmp_path / 'page.html').code == 0
    html = (tmp_path / 'page.html').read_text()
    assert html.count('<svg') == 3 and 'bring the red box 4' in html
    assert str(tmp_path) not in html and not re.search(r'(src|href)="http', html)


def test_against_another_model_and_the_gate(evaluate_bag, tmp_path):
    # In the same folder of encoders, so that both find their weights.
    better = write_tiny_model(tmp_path / 'other', constant=(0.9, 0.1, 0.1, 0.1, 0.1, 0.1))
    baseline = tmp_path / 'baseline.json'
    assert evaluate_bag('--json', baseline).code == 0
    done = evaluate_bag('--against', better.folder)
    assert done.code == 0 and '20 of 20 decisions differ' in done.out and 'McNemar' in done.out
    assert evaluate_bag('--baseline', baseline).code == 0
    done = evaluate_bag('--baseline', baseline, '--threshold', 'wheels=0.95')
    assert done.code == 1
    assert 'gate FAILED: exact match is lower by 0.7500 over 20 tasks' in done.out
    assert 'worse: t-1, t-2, t-3, t-5' in done.out
    assert evaluate_bag('--baseline', baseline, '--threshold', 'wheels=0.95', '--max-drop',
                    '0.8').code == 0


def test_what_the_fleet_would_have_done(evaluate_bag, tmp_path):
    for name, skills in (('old', 'fly'), ('new', 'wheels, hands')):
        (tmp_path / f'{name}.yaml').write_text(
            f'/**:\n  ros__parameters:\n    fleet:\n      {name}_1: {{skills: [{skills}]}}\n')
    done = evaluate_bag('--label-topic', '', '--fleet', tmp_path / 'new.yaml', '--recorded-fleet',
                    tmp_path / 'old.yaml', '--report', tmp_path / 'page.html')
    assert done.code == 0, done.err
    # As recorded, 5 tasks fly and 15 ask for wheels and hands; this model gives all to the second.
    assert 'fleet, as recorded: 5 served' in done.out and 'fleet now: 20 served' in done.out
    assert '20 tasks go to others' in done.out and 'before: old_1; now: new_1' in done.out
    assert 'new_1' in (tmp_path / 'page.html').read_text()
    assert evaluate_bag('--recorded-fleet', tmp_path / 'old.yaml').code == 2
    assert evaluate_bag('--fleet', tmp_path / 'none.yaml').code in (1, 2)


def test_several_bags(cli, evaluate_bag, tmp_path):
    write_tasks([TaskRecord('more-1', 'dive', ('under_water',))], tmp_path / 'more.jsonl')
    cli('bag', 'record-demo', tmp_path / 'more.jsonl', '--output', tmp_path / 'bag2', '--storage',
        'sqlite3')
    done = evaluate_bag('--json', '-', more=[tmp_path / 'bag2'])
    assert json.loads(done.out)['figures']['tasks'] == 21


def test_one_bad_bag_of_several(cli, evaluate_bag, tmp_path):
    (tmp_path / 'empty').mkdir()
    done = evaluate_bag(more=[tmp_path / 'empty', tmp_path / 'none'])
    assert done.code == 3 and '20 tasks of bag' in done.out
    assert 'there is no bag at' in done.err and 'no .mcap or .db3 file' in done.err


def test_a_bag_without_one_of_the_topics_is_read_all_the_same(cli, evaluate_bag, bag, tmp_path):
    """Nobody spoke on that day; but a topic that no bag has is a mistake."""
    store, kind = own_types(), 'std_msgs/msg/String'
    with Writer(tmp_path / 'spoken', version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        writer.write(writer.add_connection('/speech', kind, typestore=store), 0,
                     store.serialize_cdr(store.types[kind]('dive'), kind))
    done = evaluate_bag('--text-topics', '/speech', '--json', '-', more=[tmp_path / 'spoken'])
    assert done.code == 0 and json.loads(done.out)['figures']['tasks'] == 21, done.err
    for action in (['evaluate'], ['tasks']):
        done = cli('bag', *action, bag, tmp_path / 'spoken', '--text-topics', '/nowhere')
        assert done.code == 1 and '/nowhere' in done.err


def test_one_bad_bag_does_not_cost_the_tasks_of_others(cli, bag, tmp_path):
    done = cli('bag', 'tasks', tmp_path / 'none', bag, '--output', tmp_path / 'asked.jsonl')
    assert done.code == 3 and 'there is no bag at' in done.err
    assert len((tmp_path / 'asked.jsonl').read_text().splitlines()) == 20


def test_texts_are_as_long_as_the_fleet_reads_them(cli, evaluate_bag, tmp_path):
    write_bag(tmp_path / 'long', [TaskRecord('long', 'bring the red box' + ' ' * 1000 + 'now')])
    for more, unreadable in ((), 1), (('--max-text-length', 2000), 0):
        done = evaluate_bag('--json', '-', *more, more=[tmp_path / 'long'])
        assert json.loads(done.out)['figures']['unreadable'] == unreadable
    assert evaluate_bag('--max-text-length', 0).code == 2


def test_the_gate_without_a_table(evaluate_bag, tmp_path):
    assert evaluate_bag('--json', tmp_path / 'baseline.json').code == 0
    done = evaluate_bag('--baseline', tmp_path / 'baseline.json', '--threshold', 'wheels=0.95', '--json', '-')
    gate = json.loads(done.out)['gate']
    assert done.code == 1 and not gate['passed'] and len(gate['worse']) == 15
    assert 'gate FAILED' in done.err and 'worse: t-1, t-2' in done.err
    assert json.loads((tmp_path / 'baseline.json').read_text())['gate'] is None


def test_both_fleets_serve_the_same_tasks(cli, evaluate_bag, bag, tmp_path):
    """Of two recordings only one has vectors: without them nobody knows what would have been asked."""
    (tmp_path / 'fleet.yaml').write_text(
        '/**:\n  ros__parameters:\n    fleet:\n      cart: {skills: [wheels, hands]}\n')
    write_bag(tmp_path / 'silent', [TaskRecord(f's-{number}', f'fetch box {number}')
                                    for number in range(7)])
    done = evaluate_bag('--label-topic', '', '--fleet', tmp_path / 'fleet.yaml', '--json', '-',
                    more=[tmp_path / 'silent'])
    fleet = json.loads(done.out)['fleet']
    assert fleet['left_out'] == 7 and fleet['now']['served'] == 20
    assert fleet['before']['served'] == 15 and len(fleet['differences']) == 5
    done = evaluate_bag('--label-topic', '', '--fleet', tmp_path / 'fleet.yaml', more=[tmp_path / 'silent'])
    assert '7 tasks lack one of the two vectors' in done.out


@pytest.fixture
def allocate(monkeypatch):
    """Let the bags hold allocations: the robots by task id, for each name of a bag."""
    def put(**given):
        events_of = Bag.events

        def with_allocations(bag):
            for event in events_of(bag):
                yield event
                robots = given[bag.name].get(event.task_id or event.text)
                if isinstance(event, RecordedTask) and robots is not None:
                    yield RecordedAllocation(event.time_ns, '/task_allocations', event.task_id or 'spoken', 1,
                                             robots, event.text, event.source)
        monkeypatch.setattr(Bag, 'events', with_allocations)
    return put


@pytest.fixture
def cart(tmp_path):
    (tmp_path / 'fleet.yaml').write_text(
        '/**:\n  ros__parameters:\n    fleet:\n      cart: {skills: [wheels, hands]}\n')
    return tmp_path / 'fleet.yaml'


def test_who_was_really_given_the_tasks(evaluate_bag, cart, allocate):
    """Beside the first run, which gives the cart what it can do as soon as it is free."""
    allocate(bag={f't-{number}': ('cart',) if number in (1, 2, 3) else ('other',) if number % 4 else ()
                  for number in range(10)})
    done = evaluate_bag('--label-topic', '', '--fleet', cart, '--json', '-')
    # 0, 4 and 8 need flight, and nobody had them; 5, 6, 7 and 9 were another's.
    assert json.loads(done.out)['fleet']['really'] == {'tasks': 10, 'same_robots': 6}
    done = evaluate_bag('--label-topic', '', '--fleet', cart)
    assert 'where that was recorded: 6 of 10' in done.out


def test_who_was_given_the_tasks_of_two_recordings(cli, evaluate_bag, constant, cart, allocate, tmp_path):
    """With the same ids: nobody was given the first task, the cart the second."""
    for number in range(2):
        write_bag(tmp_path / f'day{number}',
                  [TaskRecord('task-1', f'bring box {number}', ('fly',) if number == 0 else ('wheels',))])
    allocate(day0={'task-1': ()}, day1={'task-1': ('cart',)})
    done = cli('bag', 'evaluate', tmp_path / 'day0', tmp_path / 'day1', '--model', constant.folder, '--encoders',
               constant.encoders, '--precision', 'fp32', '--label-topic', '', '--fleet', cart, '--json', '-')
    assert json.loads(done.out)['fleet']['really'] == {'tasks': 2, 'same_robots': 2}


def test_a_fleet_beside_another_fleet(evaluate_bag, tmp_path):
    """Without recorded vectors the vectors of now are served by both."""
    for name, skills in (('old', 'fly'), ('new', 'wheels, hands')):
        (tmp_path / f'{name}.yaml').write_text(
            f'/**:\n  ros__parameters:\n    fleet:\n      {name}_1: {{skills: [{skills}]}}\n')
    done = evaluate_bag('--fleet', tmp_path / 'new.yaml', '--recorded-fleet', tmp_path / 'old.yaml')
    assert done.code == 0 and 'fleet, recorded fleet: 0 served' in done.out
    assert 'fleet now: 20 served' in done.out


def test_a_damaged_bag_is_evaluated_and_said(evaluate_bag, bag):
    (bag / 'metadata.yaml').unlink()
    done = evaluate_bag()
    assert done.code == 3 and '20 tasks of bag' in done.out and 'trouble: bag:' in done.err


@pytest.mark.parametrize('options, code, said', [
    (['--baseline', 'missing.json'], 1, 'missing.json'),
    (['--baseline', 'tasks.jsonl'], 2, 'is no evaluation of bags'),
    (['--label-topic', '/nowhere'], 2, 'no bag has skill vectors on /nowhere'),
    (['--text-topics', '/nowhere'], 1, 'has a topic /nowhere')])
def test_what_cannot_be_done(evaluate_bag, tmp_path, monkeypatch, options, code, said):
    monkeypatch.chdir(tmp_path)
    done = evaluate_bag(*options)
    assert done.code == code and said in done.err
