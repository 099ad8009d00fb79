"""Other manners of writing the same tasks."""

from __future__ import annotations

from skill_predictor.evaluation.robustness import (DISTRACTOR, NO_PUNCTUATION, OTHER_TYPOS, PLAIN,
                                                   TYPOS, UPPER_CASE, variants)

TEXTS = ['Sweep the whole deck, please.', 'Carry twelve heavy batteries upstairs!']


def test_every_manner_of_every_text():
    found = variants(TEXTS, ['The ferry was late.'])
    assert list(found) == [PLAIN, TYPOS, OTHER_TYPOS, UPPER_CASE, NO_PUNCTUATION, DISTRACTOR]
    assert found[PLAIN] == TEXTS
    assert found[UPPER_CASE][0] == 'SWEEP THE WHOLE DECK, PLEASE.'
    assert found[NO_PUNCTUATION] == ['sweep the whole deck please',
                                     'carry twelve heavy batteries upstairs']
    assert found[DISTRACTOR][1] == 'The ferry was late. Carry twelve heavy batteries upstairs!'
    assert DISTRACTOR not in variants(TEXTS)


def test_typos_repeat_with_the_seed_and_differ_between_texts():
    many = ['Carry twelve heavy batteries upstairs'] * 30
    found = variants(many)[TYPOS]
    assert found == variants(many)[TYPOS] != variants(many, seed=1)[TYPOS]
    assert 5 < len(set(found))


def test_other_typos_are_of_other_kinds():
    many = ['Carry twelve heavy batteries upstairs'] * 300
    found = [text for text in variants(many)[OTHER_TYPOS] if text != many[0]]
    assert 100 < len(found) < 200
    kinds = {'Carry twelveheavy batteries upstairs', 'aCrry twelve heavy batteries upstairs'}
    assert kinds <= set(found)
    assert any(len(text) == len(many[0]) + 1 for text in found), 'a strange letter'
