"""Names of tasks: the same for everybody, and never twice."""

from __future__ import annotations

import time

from skill_predictor.evaluation.bags.naming import Names


def names(*tasks):
    given = Names()
    return [given.name(*task)[0] for task in tasks]


def test_ids_stay_and_repetitions_are_known():
    given = Names()
    assert given.name('a', 'fly') == ('a', True)
    assert given.name('a', 'fly') == ('a', False)
    assert given.name('a', 'dive') == ('a#2', True)
    assert given.name('a', 'dive') == ('a#2', False)
    assert given.name('a', 'fly', 1) == ('a#3', True)


def test_texts_are_named_by_what_they_say():
    first = names(('', 'fly'), ('', 'dive'), ('', 'fly'))
    assert first[2] == f'{first[0]}#2' and len(set(first)) == 3
    assert names(('', 'dive'), ('', 'fly')) == [first[1], first[0]], 'wherever they stand'


def test_an_id_that_looks_like_a_name_of_ours():
    text, = names(('', 'fly'))
    found = names((text, 'climb'), ('', 'fly'), ('', 'fly'), (f'{text}#2', 'x'), ('a#2', 'x'),
                  ('a', 'x'), ('a', 'y'))
    assert len(set(found)) == len(found)


def test_many_equal_texts_take_no_time_to_name():
    given, began = Names(), time.process_time()
    assert len({given.name('', 'stop')[0] for _ in range(50_000)}) == 50_000
    assert time.process_time() - began < 5.0, 'minutes, were each number tried from the first on'
