"""Figures by kind of task, and the worst errors."""

from __future__ import annotations

import numpy as np

from skill_predictor.dataset.records import TaskRecord
from skill_predictor.evaluation.breakdown import (by_boundary, by_domain, by_length, by_skill_set,
                                                  confusions, Part, worst)
from skill_predictor.taxonomy import to_flags

RECORDS = [
    TaskRecord('a', 'fly ' * 4, ('fly',), 'port', boundary='height'),
    TaskRecord('b', 'fly ' * 9, ('fly',), 'port', boundary='ground'),
    TaskRecord('c', 'go ' * 40, ('wheels', 'hands'), 'farm', boundary='height'),
    TaskRecord('d', 'think', (), '')]
LABELS = np.array([to_flags(record.label) for record in RECORDS], dtype=bool)
PROBABILITIES = np.array([[0.9, 0, 0, 0, 0, 0], [0.4, 0.9, 0, 0, 0, 0], [0, 0.6, 0, 0, 0, 0.1],
                          [0, 0, 0, 0, 0, 0.55]])
PREDICTED = PROBABILITIES >= 0.5
RIGHT = (PREDICTED == LABELS).all(axis=1)


def test_parts():
    assert by_skill_set(RECORDS, RIGHT) == [
        Part('fly', 2, 0.5), Part('none', 1, 0.0), Part('wheels+hands', 1, 0.0)]
    assert by_domain(RECORDS, RIGHT) == [
        Part('port', 2, 0.5), Part('farm', 1, 0.0), Part('not stated', 1, 0.0)]
    assert by_boundary(RECORDS, RIGHT) == [
        Part('ground', 1, 0.0), Part('height', 2, 0.5), Part('none in particular', 1, 0.0)]
    assert by_length(RECORDS, RIGHT) == [
        Part('up to 8 words', 2, 0.5), Part('9 to 13', 1, 0.0), Part('over 32', 1, 0.0)]


def test_a_datasets_own_boundaries_come_between():
    own = [*RECORDS, TaskRecord('e', 'dig', (), boundary='of our own')]
    assert [part.name for part in by_boundary(own, [True] * 5)] == [
        'ground', 'height', 'of our own', 'none in particular']


def test_confusions_name_both_sets():
    assert confusions(RECORDS, PREDICTED) == [
        ('fly', 'wheels', 1), ('wheels+hands', 'wheels', 1), ('none', 'hands', 1)]
    assert len(confusions(RECORDS, PREDICTED, most=2)) == 2


def test_worst_errors_come_first():
    found = worst(RECORDS, LABELS, PROBABILITIES, [0.5] * 6)
    assert [mistake.record.id for mistake in found] == ['b', 'c', 'd']
    assert found[0].predicted == ('wheels',) and found[0].margin == 0.4
    assert worst(RECORDS, LABELS, PROBABILITIES, [0.5] * 6, most=1) == found[:1]
    assert worst(RECORDS[:1], LABELS[:1], PROBABILITIES[:1], [0.5] * 6) == []
