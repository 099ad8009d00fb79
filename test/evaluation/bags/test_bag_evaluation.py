"""Tasks, answers and labels find each other; figures by hand; the gate opens and shuts."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('sklearn')
pytest.importorskip('scipy')

from skill_predictor.dataset.records import TaskRecord, write_tasks  # noqa: E402
from skill_predictor.evaluation.bags.evaluation import replay, Said  # noqa: E402
from skill_predictor.evaluation.bags.figures import figures, over_time, rows  # noqa: E402
from skill_predictor.evaluation.bags.gate import judge  # noqa: E402
from skill_predictor.evaluation.bags.labels import Labels, read_labels  # noqa: E402
from skill_predictor.evaluation.bags.reading import RecordedTask, RecordedVector  # noqa: E402

SECOND = 10**9
WORDS = {'fly': 0, 'sweep': 1, 'climb': 2, 'bring': 5}


def flags(*skills):
    return tuple(index in skills for index in range(6))


def predict(task):
    text = task.text
    if not text:
        return Said(flags(), 0.0, 'the text is empty')
    return Said(flags(*(place for word, place in WORDS.items() if word in text)), 4.0)


def task(seconds, name, text):
    return RecordedTask(seconds * SECOND, '/tasks', name, text)


def labels(*rows):
    return Labels(TaskRecord(name, text, skills) for name, text, *skills in rows)


def vector(seconds, name, text, required, topic='/skill_vectors', latency=10.0):
    return RecordedVector(seconds * SECOND, topic, name, text, required, (0.5,) * 6, 'old+1', latency)


def test_answers_find_their_tasks_by_id():
    found = replay([task(0, 'a', 'fly'), task(1, 'b', 'sweep'),
                    vector(2, 'b', 'sweep', flags(1)), vector(3, 'a', 'fly', flags(1)),
                    vector(4, 'c', 'dive', flags(4))], predict)
    assert found.ids == ['a', 'b'] and found.now == found.flags(found.now).dot(
        2 ** np.arange(6)).tolist() == [1, 2]
    assert found.recorded == [2, 2] and found.unasked == 1
    change, = found.changes
    assert (change.task_id, change.before, change.now) == ('a', ('wheels',), ('fly',))


def test_nameless_tasks_are_found_by_their_text_in_order():
    found = replay([task(0, '', 'fly'), task(1, '', 'sweep'), task(2, '', 'fly'),
                    vector(3, 'x1', 'fly', flags(0), latency=1.0),
                    vector(4, 'x2', 'fly', flags(1), latency=2.0)], predict)
    assert len(set(found.ids)) == 3 and found.ids[2] == f'{found.ids[0]}#2'
    assert found.recorded == [1, -1, 2]
    assert found.recorded_milliseconds[0] == 1.0 and found.recorded_milliseconds[2] == 2.0


def test_a_repeated_id_counts_once_and_so_does_a_repeated_answer():
    found = replay([task(0, 'a', 'fly'), task(1, 'a', 'fly'), vector(2, 'a', 'fly', flags(0)),
                    vector(3, 'a', 'fly', flags(1))], predict)
    assert len(found.ids) == 1 and found.duplicates == 1 and found.recorded == [1]


def test_an_id_that_is_used_again_is_another_task():
    """As a planner does that begins to count anew."""
    found = replay([
        task(0, 'a', 'fly'), vector(1, 'a', 'fly', flags(0)),
        vector(2, 'a', 'fly', flags(0), topic='/right'),
        task(3, 'a', 'sweep'), vector(4, 'a', 'sweep', flags(1)),
        vector(5, 'a', 'sweep', flags(5), topic='/right'), task(6, 'a', 'fly')],
        predict, label_topics={'/right'})
    assert found.ids == ['a', 'a#2'] and found.duplicates == 1
    assert found.recorded == [1, 2] and found.labels == [1, 32] and found.unasked == 0


def test_ids_of_two_recordings_are_kept_apart():
    found = replay([replace(event, source=source) for source, skill in ((0, 0), (1, 1)) for event in (
        task(0, 'a', 'fly'), vector(1, 'a', 'fly', flags(skill)))], predict)
    assert found.ids == ['a', 'a#2'] and found.recorded == [1, 2] and found.duplicates == 0


def test_a_vector_without_text_is_found_by_its_id():
    found = replay([task(0, 'a', 'fly'), vector(1, 'a', '', flags(1))], predict)
    assert found.recorded == [2]


def test_the_same_answer_twice_does_not_go_to_the_next_task():
    found = replay([task(0, '', 'fly'), task(1, '', 'fly'), vector(2, 'x1', 'fly', flags(0)),
                    vector(3, 'x1', 'fly', flags(5)), vector(4, 'x2', 'fly', flags(1))], predict)
    assert found.recorded == [1, 2] and found.unasked == 0


def test_a_file_of_labels_goes_before_the_topic_and_changes_know_what_is_right():
    events = [task(0, 'a', 'fly'), task(1, 'b', 'fly on'),
              vector(2, 'a', 'fly', flags(1)), vector(2, 'b', 'fly on', flags(1)),
              vector(3, 'a', 'fly', flags(5), topic='/right'),
              vector(4, 'b', 'fly on', flags(5), topic='/right')]
    found = replay(events, predict, labels=labels(('a', 'fly', 'legs')), label_topics={'/right'},
                   other=lambda task: Said(flags(2), 1.0))
    assert found.labels == [4, 32]
    assert [change.label for change in found.changes] == [('legs',), ('hands',)]
    assert [change.label for change in found.other_changes] == [('legs',), ('hands',)]


def test_labels_from_a_file_and_from_a_topic():
    found = replay([task(0, 'a', 'fly'), task(1, 'b', ' sweep'), task(2, 'c', 'climb'),
                    vector(3, 'c', 'climb', flags(2, 5), topic='/right')], predict,
                   labels=labels(('a', 'fly', 'fly'), ('x', 'sweep')), label_topics={'/right'})
    assert found.labels == [1, 0, 36] and found.recorded == [-1, -1, -1]


def test_a_label_is_for_its_text_whatever_else_has_its_id():
    again = replace(task(2, 'task-1', 'climb'), source=1)
    found = replay([task(0, 'task-1', 'fly'), task(1, 'task-1', 'sweep'), again], predict,
                   labels=labels(('task-1', 'sweep', 'wheels')))
    assert found.labels == [-1, 2, -1]


def test_a_text_labelled_twice_is_told_by_its_id():
    known = labels(('a', 'go', 'fly'), ('b', 'go', 'legs'), ('c', 'stay'), ('d', 'stay'))
    assert known.of('a', 'go') == ('fly',) and known.of('b', 'go') == ('legs',)
    assert known.of('e', 'go') is None  # the file says both
    assert known.of('e', 'stay') == () and known.of('a', 'elsewhere') is None


def test_labels_are_read_from_json_lines(tmp_path):
    write_tasks([TaskRecord('a', 'go', ('fly',))], tmp_path / 'labels.jsonl')
    assert read_labels(tmp_path / 'labels.jsonl').of('', 'go') == ('fly',)


def test_figures_by_hand():
    found = replay([
        task(0, 'a', 'fly'), vector(0, 'a', 'fly', flags(0)),
        task(1, 'b', 'sweep'), vector(1, 'b', 'sweep', flags(0)),
        task(2, 'c', 'climb'), vector(2, 'c', 'climb', flags(5)),
        task(3, 'd', ''), task(4, 'e', 'bring')], predict,
        labels=labels(('a', 'fly', 'fly'), ('b', 'sweep', 'wheels'), ('c', 'climb', 'hands'),
                      ('d', '', 'fly')))
    result = figures(found)
    assert result['tasks'] == 5 and result['unreadable'] == 1
    assert result['accuracy']['tasks'] == 4
    assert result['accuracy']['exact_match'] == 0.5  # a and b; d counts as wrong
    recorded = result['recorded']
    assert (recorded['tasks'], recorded['changed']) == (3, 2)
    assert recorded['agreement'] == pytest.approx(1 / 3)
    assert recorded['accuracy']['exact_match'] == pytest.approx(2 / 3)
    assert (recorded['mcnemar']['only_first'], recorded['mcnemar']['only_second']) == (1, 1)
    assert result['latency_ms']['now']['calls'] == 4
    assert result['latency_ms']['recorded']['p50'] == pytest.approx(10.0)
    json.dumps(result)


def test_without_labels_and_recording_nothing_is_claimed():
    result = figures(replay([task(0, 'a', 'fly')], predict))
    assert result['accuracy'] is None and result['recorded'] is None and result['other'] is None


@pytest.mark.parametrize('said', [0.0, -1.0, float('nan')])
def test_a_vector_that_tells_no_latency_was_not_answered_at_once(said):
    result = figures(replay([task(0, 'a', 'fly'), vector(1, 'a', 'fly', flags(0), latency=said)],
                            predict))
    assert result['recorded']['agreement'] == 1.0 and result['latency_ms']['recorded'] is None


def test_two_models():
    found = replay([task(0, 'a', 'fly'), task(1, 'b', 'sweep')], predict,
                   other=lambda task: Said(flags(1), 1.0),
                   labels=labels(('a', 'fly', 'fly'), ('b', 'sweep', 'wheels')))
    result = figures(found)['other']
    assert (result['changed'], result['accuracy']['exact_match']) == (1, 0.5)
    assert found.other_changes[0].label == ('fly',)


def test_over_time():
    found = replay([event for second in range(100) for event in (
        task(second, f't{second}', 'fly'),
        vector(second, f't{second}', 'fly', flags(0 if second < 50 else 1)))], predict)
    parts = over_time(found, bins=4)
    assert [part['tasks'] for part in parts] == [25, 25, 25, 25]
    assert [part['agreement'] for part in parts] == [1.0, 1.0, 0.0, 0.0]
    assert parts[0]['exact_match'] is None
    assert over_time(replay([], predict)) == []


def row(name, required, right=None):
    return {'id': name, 'required': required, 'right': right}


def test_the_gate_with_labels():
    before = [row(f't{n}', ['fly'], True) for n in range(10)]
    now = [row(f't{n}', ['fly'], n != 3) for n in range(10)]
    verdict = judge(before, now, 0.05)
    assert not verdict.passed and verdict.drop == pytest.approx(0.1) and verdict.worse == ('t3',)
    assert judge(before, now, 0.1).passed
    assert judge(now, before, 0.0).passed and judge(now, before, 0.0).drop == pytest.approx(-0.1)


def test_the_gate_without_labels_counts_changed_decisions():
    before = [row('a', ['fly']), row('b', ['legs']), row('gone', [])]
    now = [row('a', ['fly']), row('b', []), row('new', [])]
    verdict = judge(before, now, 0.4)
    assert not verdict.labelled and verdict.compared == 2
    assert verdict.drop == 0.5 and verdict.worse == ('b',) and not verdict.passed


def test_the_gate_needs_the_same_recordings():
    verdict = judge([row('a', [])], [row('b', [])], 1.0)
    assert not verdict.passed and (verdict.compared, verdict.missing) == (0, 1)
    before = [row(f't{n}', ['fly'], True) for n in range(300)]
    assert judge(before, before[:298], 0.0).passed
    verdict = judge(before, before[:200], 0.0)
    assert not verdict.passed and verdict.drop == 0.0 and verdict.missing == 100


def test_the_gate_wants_the_labels_again():
    before = [row(f't{n}', ['fly'], True if n else None) for n in range(10)]
    verdict = judge(before, [row(f't{n}', ['legs']) for n in range(10)], 1.0)
    assert not verdict.passed and verdict.labelled
    assert (verdict.compared, verdict.missing, verdict.changed) == (0, 9, 10)


def test_a_task_that_was_not_asked_is_left_out():
    found = replay([task(0, '', 'fly'), task(1, 'b', 'sweep'), task(2, '', 'fly'),
                    vector(3, 'b', 'sweep', flags(1))],
                   lambda task: predict(task) if task.text == 'fly' else None)
    assert len(found.ids) == 2 and 'b' not in found.ids and found.unasked == 1


def stamped(seconds, made, name):
    return RecordedVector(int(seconds * SECOND), '/skill_vectors', name, 'fly', flags(0), (0.5,) * 6,
                          'old+1', 10.0, int(made * SECOND))


def test_answers_before_their_tasks_still_count():
    """As they stand in a recording in which the clock was set back."""
    found = replay([vector(0, 'a', 'fly', flags(1)), vector(0, 'other', 'fly', flags(0)),
                    vector(1, 'a', 'fly', flags(0), topic='/right'), task(100, 'a', 'fly')], predict,
                   label_topics={'/right'})
    assert found.recorded == [2] and found.labels == [1] and found.unasked == 1
    assert found.clock_jumps == [(0, -100.0)]
    assert 'set 1 times while recording, first by -100.0 s' in found.troubles()[0]


def test_an_old_answer_to_another_text_is_no_answer():
    found = replay([vector(0, 'a', 'sweep', flags(1)), task(1, 'a', 'fly')], predict)
    assert found.recorded == [-1] and found.unasked == 1 and found.clock_jumps == []


def test_a_clock_that_jumps_is_noticed_by_the_stamps():
    names = [f't{number}' for number in range(4)]
    tasks = [task(number, name, 'fly') for number, name in enumerate(names)]
    # From the third on the node's clock is a minute behind the recorder's.
    made = (0.5, 1.5, -57.5, -56.5)
    steady = replay([*tasks, *(stamped(n + 0.6, n + 0.5, name) for n, name in enumerate(names))],
                    predict)
    assert steady.clock_jumps == [] and steady.troubles() == []
    jumped = replay([*tasks, *(stamped(n + 100, made[n] + 100, name)
                               for n, name in enumerate(names))], predict)
    (when, by), = jumped.clock_jumps
    assert when == 102 * SECOND and by == pytest.approx(60.0)
    simulated = replay([*tasks, *(stamped(n + 10**6, 50 * n + 1, name)
                                  for n, name in enumerate(names))], predict)
    assert simulated.clock_jumps == []


def test_answers_from_before_the_recording_are_none():
    """A recorder gets what was kept for late subscribers, and the same may be asked again."""
    kept = [replace(stamped(0, -1000, 'a'), required=flags(5)), stamped(0.1, -900, 'b')]
    found = replay([*kept, task(1, 'a', 'fly'), stamped(1.1, 1.1, 'a'), task(60, 'b', 'fly'),
                    stamped(60.1, 60.1, 'b')], predict)
    assert found.recorded == [1, 1] and found.unasked == 2 and found.clock_jumps == []


def test_clocks_of_two_recordings_and_of_two_nodes_have_nothing_to_do_with_each_other():
    ahead = [task(0, 'a', 'fly'), stamped(1, 1, 'a'), task(3, 'b', 'fly'), stamped(4, 4, 'b')]
    behind = [replace(event, source=1) for event in (
        task(1.5, 'a', 'fly'), stamped(2, -18, 'a'), task(5, 'b', 'fly'), stamped(6, -14, 'b'))]
    by_time = sorted(ahead + behind, key=lambda event: event.time_ns)
    assert replay(by_time, predict).clock_jumps == []
    other_node = [event for number, name in ((1.5, 'x'), (5, 'y')) for event in (
        task(number, name, 'fly'),
        replace(stamped(number + 1, number - 19, name), topic='/other/skill_vectors'))]
    found = replay(sorted(ahead + other_node, key=lambda event: event.time_ns), predict)
    assert found.recorded == [1] * 4 and found.clock_jumps == []


def test_rows_tell_what_the_second_model_says():
    found = replay([task(0, 'a', 'fly')], predict, other=lambda task: Said(flags(2, 5), 1.0))
    assert rows(found)[0]['other'] == ['legs', 'hands']
    assert 'other' not in rows(replay([task(0, 'a', 'fly')], predict))[0]
