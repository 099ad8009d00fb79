"""What a model knows of words: those of its tasks but their errors, and right ones that look like errors."""

from __future__ import annotations

from skill_predictor.inference.spelling import SpellingCorrector
from skill_predictor.training.lexicon import dictionary, words_of

TASKS = 60 * ['Inspect the bridge'] + 60 * ['get paper to the shore'] + 60 * ['The tanks were sunk']


def test_rare_words_that_look_like_errors_are_known():
    words = words_of(TASKS)
    assert words['bridge'] == 60 and words['skunk'] == 0 and words['the'] == 180
    corrector = SpellingCorrector(words)
    assert corrector.correct('the skunk by the brigde') == 'the skunk by the bridge'
    assert 'elephant' not in words, 'nothing is like it'


def test_words_that_look_like_two_are_known():
    assert words_of([*TASKS, *60 * ['go on']])['onshore'] == 0


def test_errors_of_the_tasks_themselves_are_not_known():
    assert 'brigde' not in words_of([*TASKS, 'inspect the brigde'])
    assert SpellingCorrector(words_of([*TASKS, 'inspect thebrigde'])).correct('see the brigde') == 'see the bridge'


def test_what_is_no_clear_error_stays_known():
    assert words_of([*TASKS, 'inspect the brigde', 'a brigde'])['brigde'] == 2, 'not rare enough'
    assert words_of([*TASKS, 'bring it to Brigde'])['brigde'] == 1, 'it may be a name'
    assert words_of([*TASKS, 'inspect the skunk'])['skunk'] == 1, 'English'
    assert words_of([*TASKS, 'get the papier'])['papier'] == 1, 'another language'
    assert 'papoer' not in words_of([*TASKS, 'get the papoer'])
    assert words_of([*TASKS, 'inspect the bridgo'], {'bridgo'})['bridgo'] == 1, 'of the vocabulary'
    assert 'bridgo' not in words_of([*TASKS, 'inspect the bridgo'])


def test_dictionaries_hold_lower_case_words():
    english = dictionary('en')
    assert {'skunk', 'color', 'isnt'} <= english and len(english) > 100_000
    assert all(word.isascii() and word.isalpha() and word.islower() for word in english)
