"""Changed texts: what changes, and what must not."""

from __future__ import annotations

import random

from skill_predictor.dataset.variants import (joined, with_distractor, with_typos,
                                                   without_punctuation)

TEXT = 'Carry the 12.5 kg battery up to deck B-04, please.'


def test_typos_change_letters_of_plain_words_only():
    seen = set()
    for seed in range(50):
        changed = with_typos(TEXT, random.Random(seed), share=1.0).split(' ')
        for before, after in zip(TEXT.split(' '), changed, strict=True):
            if before.isalpha() and len(before) > 3:
                assert before != after or before == 'deck' or len(set(before)) < len(before)
                assert abs(len(before) - len(after)) <= 1
                assert before[0] == after[0]
                seen.add(after)
            else:
                assert before == after
    assert len(seen) > 20
    assert with_typos(TEXT, random.Random(0), share=0.0) == TEXT


def test_recognisers_write_no_marks_but_keep_numbers():
    assert without_punctuation('Stop! Go to B-04, 12.5 m (left) at 10:30; why?') == (
        'stop go to b-04 12.5 m left at 10:30 why')
    assert without_punctuation('?!') == '?!'


def test_distractors_stand_before_or_after():
    found = {with_distractor('Sweep the deck', 'The ferry was late.', random.Random(seed))
             for seed in range(20)}
    assert found == {'The ferry was late. Sweep the deck', 'Sweep the deck. The ferry was late.'}


def test_two_tasks_become_stages_of_one():
    found = {joined('Sweep the deck.', 'Fly over the GPS mast.', random.Random(seed))
             for seed in range(60)}
    assert 'Sweep the deck, then fly over the GPS mast.' in found
    assert 'First sweep the deck; then fly over the GPS mast.' in found
    assert len(found) == 6
    assert joined('Go', 'GPS mast first', random.Random(0)).endswith('GPS mast first')
