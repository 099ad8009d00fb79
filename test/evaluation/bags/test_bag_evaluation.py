"""What is right and what is changed; figures by hand; the gate opens and shuts."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

pytest.importorskip('sklearn')
pytest.importorskip('scipy')

from skill_predictor.dataset.records import TaskRecord, write_tasks  # noqa: E402
from skill_predictor.evaluation.bags import evaluation  # noqa: E402
from skill_predictor.evaluation.bags.evaluation import replay, Said  # noqa: E402
from skill_predictor.evaluation.bags.figures import figures, over_time, rows  # noqa: E402
from skill_predictor.evaluation.bags.gate import judge  # noqa: E402
from skill_predictor.evaluation.bags.labels import Labels, read_labels  # noqa: E402
from skill_predictor.evaluation.bags.page import page  # noqa: E402
from skill_predictor.evaluation.bags.table import gate, table  # noqa: E402
from recorded_events import flags, predict, task, vector  # noqa: E402


def labels(*rows):
    return Labels(TaskRecord(name, text, skills) for name, text, *skills in rows)


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


def result(found, **more):
    return {'model': 'new+1', 'engine': 'CPU', 'against': None, 'bags': ['monday'], 'troubles': [],
            'figures': figures(found), 'fleet': None, **more}


def silent(task):
    return Said(flags(), float('nan'), 'no vector came')


def test_no_vector_is_not_the_decision_that_nothing_is_needed():
    found = replay([task(0, 'a', 'fly'), vector(1, 'a', 'fly', flags(0)), task(2, 'b', 'sweep'),
                    vector(3, 'b', 'sweep', flags())], silent)
    said = table(result(found), found, None, 20)
    assert 'recorded: fly; now: no vector' in said and 'recorded: none; now: no vector' in said
    found = replay([task(0, 'a', 'fly')], predict, other=silent)
    assert found.other_changes == [] and figures(found)['other'] is None


def test_changes_that_are_not_shown_are_counted(monkeypatch):
    monkeypatch.setattr(evaluation, 'MOST_CHANGES', 3)
    found = replay([event for number in range(5) for event in (
        task(number, f't{number}', 'fly'), vector(number, f't{number}', 'fly', flags(1)))], predict)
    assert len(found.changes) == 3
    assert '... and 3 more (--report: 3, --json: all)' in table(result(found), found, None, 2)
    assert 'more' not in table(result(found), found, None, 5)
    pytest.importorskip('matplotlib')
    pytest.importorskip('jinja2')
    assert 'The first 3 of 5.' in page(result(found), found)


def test_nothing_in_a_recording_moves_the_cursor():
    text = 'fly \x1b[2J\nfake: 0 of 0\rover \ud800'
    found = replay([task(0, 'a\n' + 'x' * 10**5, text), vector(1, 'a\n' + 'x' * 10**5, text, flags(1))],
                   predict)
    now = [row(found.ids[0], ['fly'], False)]
    verdict = judge([row(found.ids[0], ['fly'], True)], now, 0.0)
    said = table(result(found, model='new\x07'), found, verdict, 20)
    assert not any(char < ' ' for char in said.replace('\n', ''))
    assert 'fly  [2J fake: 0 of 0 over' in said and len(said) < 2000
    assert len(gate(verdict, 20)[-1]) < 100


def test_labels_of_another_recording_are_noticed():
    events = [task(0, 'a', 'fly'), vector(1, 'a', 'fly', flags(0), topic='/right')]
    found = replay(events, predict, labels=labels(('a', 'dive', 'fly')), label_topics={'/right'})
    trouble, = found.troubles('labels.jsonl')
    assert 'none of the tasks has a text of labels.jsonl' in trouble and found.troubles() == []
    assert replay(events, predict, labels=labels(('q', 'fly', 'fly'))).troubles('labels.jsonl') == []


def row(name, required, right=None, **more):
    return {'id': name, 'required': required, 'right': right, **more}


def test_the_gate_tells_tasks_by_their_texts():
    """Planners count anew every day: an id alone says nothing."""
    verdict = judge([row('a', ['fly'], True, text='1')], [row('a', ['fly'], True, text='2')], 1.0)
    assert not verdict.passed and verdict.missing == 1 and verdict.compared == 0
    assert judge([row('a', ['fly'], True)], [row('a', ['fly'], True, text='2')], 0.0).passed, 'older rows'
    first, again, other = (rows(replay([task(0, 'a', text)], predict)) for text in ('fly', 'fly', 'fly on'))
    assert judge(first, again, 0.0).passed and not judge(first, other, 1.0).passed


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


def test_rows_tell_what_the_second_model_says():
    found = replay([task(0, 'a', 'fly')], predict, other=lambda task: Said(flags(2, 5), 1.0))
    assert rows(found)[0]['other'] == ['legs', 'hands']
    assert 'other' not in rows(replay([task(0, 'a', 'fly')], predict))[0]
