"""Tasks, answers and labels find each other, whatever clocks and recorders did to their order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skill_predictor.evaluation.bags import clock
from skill_predictor.evaluation.bags.evaluation import replay
from skill_predictor.evaluation.bags.events import RecordedAllocation
from recorded_events import flags, predict, SECOND, stamped, task, vector


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


def test_a_task_that_was_not_asked_is_left_out():
    found = replay([task(0, '', 'fly'), task(1, 'b', 'sweep'), task(2, '', 'fly'),
                    vector(3, 'b', 'sweep', flags(1))],
                   lambda task: predict(task) if task.text == 'fly' else None)
    assert len(found.ids) == 2 and 'b' not in found.ids and found.unasked == 0


def test_what_was_not_played_is_not_counted():
    """After Ctrl-C: four of five tasks, what was answered to them, and a repetition."""
    found = replay([*(event for number in range(5) for event in (
        task(number, f't{number}', 'fly'), vector(number, f't{number}', 'fly', flags(0)))),
        vector(8, 't6', 'fly', flags(0)), task(9, 't4', 'fly'), task(9, 't6', 'fly')],
        lambda task: predict(task) if task.task_id == 't0' else None)
    assert found.ids == ['t0'] and found.recorded == [1]
    assert (found.unasked, found.duplicates) == (0, 0)


def test_answers_before_their_tasks_still_count():
    """As they stand in a recording in which the clock was set back."""
    found = replay([vector(0, 'a', 'fly', flags(1)), vector(0, 'other', 'fly', flags(0)),
                    vector(1, 'a', 'fly', flags(0), topic='/right'), task(100, 'a', 'fly')], predict,
                   label_topics={'/right'})
    assert found.recorded == [2] and found.labels == [1] and found.unasked == 1
    assert found.clock_jumps == [(0, -100.0)]
    assert 'set 1 times while recording, first by -100.0 s' in found.troubles()[0]


def test_answers_before_tasks_without_an_id():
    found = replay([vector(0, 'x1', 'fly', flags(0)), task(1, '', 'fly'), task(100, '', 'fly'),
                    vector(101, 'x2', 'fly', flags(1))], predict)
    assert found.recorded == [1, 2] and found.unasked == 0
    found = replay([vector(0, 'x0', 'fly', flags(1), topic='/right'), vector(0, 'x1', 'fly', flags(0)),
                    vector(0, 'x1', 'fly', flags(2), topic='/right'), task(1, '', 'fly')], predict,
                   label_topics={'/right'})
    assert found.recorded == [1] and found.labels == [4], 'the label of that answer'


def test_an_answer_of_simulated_time_needs_more_than_its_text():
    """It may be from before the recording."""
    kept = replace(vector(10**9, 'x0', 'fly', flags(5)), stamp_ns=5 * SECOND)
    found = replay([kept, task(10**9 + 1, '', 'fly'), vector(10**9 + 2, 'x1', 'fly', flags(0))], predict)
    assert found.recorded == [1] and found.unasked == 1


def test_a_label_before_its_answer_takes_no_other_task():
    found = replay([task(0, '', 'fly'), task(1, '', 'fly'), vector(2, 'x1', 'fly', flags(0)),
                    vector(3, 'x2', 'fly', flags(0), topic='/right'), vector(4, 'x2', 'fly', flags(1))],
                   predict, label_topics={'/right'})
    assert (found.recorded, found.labels, found.unasked) == ([1, 2], [-1, 1], 0)


def test_labels_with_ids_of_their_own_go_to_the_tasks_in_turn():
    found = replay([task(0, '', 'fly'), task(1, '', 'fly'),
                    *(vector(2, f'x{number}', 'fly', flags(number)) for number in range(2)),
                    *(vector(3, f'l{number}', 'fly', flags(number), topic='/right') for number in range(2)),
                    vector(4, 'x2', 'fly', flags(3))],
                   predict, label_topics={'/right'})
    assert (found.recorded, found.labels, found.unasked) == ([1, 2], [1, 2], 1)


def allocated(seconds, name, text, *robots):
    return RecordedAllocation(seconds * SECOND, '/task_allocations', name, 1, robots, text)


def test_allocations_find_their_tasks_as_vectors_do():
    """By id and text, and what was spoken by the id of its answer, in whatever order they were recorded."""
    found = replay([
        task(0, 'a', 'fly'), allocated(0, 'a', 'fly'), allocated(1, 'a', 'fly', 'r2', 'r1'),
        allocated(2, 'a', 'fly', 'r9'), task(3, 'a', 'sweep'), allocated(4, 'a', 'sweep', 'cart'),
        task(5, '', 'fly'), allocated(6, 'x1', 'fly', 'drone'), vector(7, 'x1', 'fly', flags(0)),
        task(8, 'b', 'fly'), allocated(9, 'b', 'fly'), allocated(9, 'other', 'fly', 'drone'),
        replace(allocated(9, 'b', 'fly', 'r1'), source=1)], predict)
    assert found.allocated == {0: ('r1', 'r2'), 1: ('cart',), 2: ('drone',), 3: ()}


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


def test_kept_answers_that_come_after_the_first_tasks_are_none():
    """The recorder subscribes to one topic after the other."""
    kept = replace(stamped(0.2, -3600, 'old1'), required=flags(5))
    found = replay([task(0, '', 'fly'), kept, stamped(0.5, 0.5, 'new1'), task(100, '', 'fly'),
                    stamped(100.1, 100.1, 'new2')], predict)
    assert (found.recorded, found.unasked, found.clock_jumps) == ([1, 1], 1, [])
    kept = replace(stamped(0.2, -3600, 'a'), required=flags(5))
    found = replay([task(0, 'a', 'fly'), kept, stamped(0.5, 0.5, 'a')], predict)
    assert (found.recorded, found.unasked, found.clock_jumps) == ([1], 1, [])


def test_nothing_but_kept_answers():
    """The predictor was away."""
    found = replay([stamped(0, -1000, 'a'), stamped(0.1, -900, 'b'), task(1, 'a', 'fly')], predict)
    assert (found.recorded, found.unasked, found.clock_jumps) == ([-1], 2, [])


@pytest.mark.parametrize('seconds', [4, 400])
def test_a_node_of_another_clock_keeps_nothing(seconds):
    """Its vectors look old, all of them, and go on coming."""
    found = replay([event for number in range(5) for event in (
        task(number * seconds / 5, f't{number}', 'fly'),
        stamped(number * seconds / 5 + 0.1, number * seconds / 5 - 3600, f't{number}'))], predict)
    assert (found.recorded, found.unasked, found.clock_jumps) == ([1] * 5, 0, [])


def test_a_node_of_another_clock_with_kept_answers():
    kept = [replace(stamped(0.1, -10_000 * number - 9000, f't{number}'), required=flags(5))
            for number in range(20)]
    found = replay([*kept, *(event for number in range(20) for event in (
        task(number + 1, f't{number}', 'fly'), stamped(number + 1.1, number - 3600, f't{number}')))], predict)
    assert (found.recorded, found.unasked, found.clock_jumps) == ([1] * 20, 20, [])


def test_simulated_time_of_a_pace_of_its_own():
    found = replay([event for number in range(6) for event in (
        task(10**6 + 3 * number, f't{number}', 'fly'),
        stamped(10**6 + 3 * number + 0.5, 150 * number + 1, f't{number}'))], predict)
    assert (found.recorded, found.unasked, found.clock_jumps) == ([1] * 6, 0, [])


def test_so_many_old_answers_are_not_kept_ones(monkeypatch):
    """As with simulated time that runs at a pace of its own."""
    monkeypatch.setattr(clock, 'MOST_HELD', 3)
    found = replay([event for number in range(6) for event in (
        task(10**6 + number, f't{number}', 'fly'),
        stamped(10**6 + number + 0.5, 50 * number + 1, f't{number}'))] + [
        task(10**6 + 9, 'new', 'fly'), stamped(10**6 + 9, 10**6 + 9, 'new')], predict)
    assert found.recorded == [1] * 7 and found.clock_jumps == []


def test_two_nodes_of_different_clocks_on_one_topic():
    """A clock that was set does not come back."""
    found = replay([*(task(0, name, 'fly') for name in 'abc'), stamped(1, 1, 'a'), stamped(2, -18, 'b'),
                    stamped(3, 3, 'c')], predict)
    assert found.clock_jumps == []
    found = replay([event for number in range(10) for event in (
        task(3 * number, f'a{number}', 'fly'), stamped(3 * number + 1, 3 * number, f'a{number}'),
        task(3 * number, f'b{number}', 'fly'), stamped(3 * number + 1, 3 * number - 20, f'b{number}'))],
        predict)
    assert (found.recorded, found.unasked, found.clock_jumps) == ([1] * 20, 0, [])


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
