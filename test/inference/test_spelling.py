"""Mistyped words are read as meant; everything else stays as it was written."""

from __future__ import annotations

import random
import string

import pytest

from skill_predictor.inference import spelling
from skill_predictor.inference.errors import ModelError
from skill_predictor.inference.spelling import count_words, read_words, SpellingCorrector, write_words

WORDS = {'inspect': 400, 'the': 9000, 'bridge': 700, 'of': 8000, 'hull': 250, 'hall': 600, 'rarely': 9, 'fog': 90,
         'cable': 200, 'sail': 300, 'plane': 400, 'shore': 500, 'on': 6000, 'to': 7000, 'tote': 20, 'dam': 120,
         'weather': 400, 'whether': 300, 'deck': 900, "wasn't": 30, 'want': 300, 'sunk': 40, 'skunk': 0, 'fence': 25,
         'salmon': 90, 'rope': 80, 'resume': 60}
CORRECTOR = SpellingCorrector(WORDS, {'whole', 'fridge'})


@pytest.mark.parametrize('written, meant', [
    ('inpsect', 'inspect'), ('inspct', 'inspect'), ('insspect', 'inspect'), ('inspevt', 'inspect'),
    ('inspectt', 'inspect'), ('nispect', 'inspect'),  # the first two swapped
    ('bridgee', 'bridge'), ('brideg', 'bridge'),
    ('shorw', 'shore'), ('shora', 'shore'), ('fense', 'fence'), ('deckk', 'deck'), ('decj', 'decj'),
    ('dekc', 'deck'), ('ddeck', 'deck'),  # short: swapped, doubled
    ('thebridge', 'the bridge'), ('tothe', 'to the'), ('hullof', 'hull of')])
def test_one_error_away(written, meant):
    assert CORRECTOR.correct(f'inspect {written} to') == f'inspect {meant} to'


def test_what_is_meant_must_be_clear():
    assert CORRECTOR.meant('wether') is None, 'the weather, or whether?'
    assert SpellingCorrector({**WORDS, 'whether': 79}).meant('wether') == 'weather'
    assert CORRECTOR.meant('hlll') is None


def test_some_errors_are_likelier_than_others():
    words = SpellingCorrector({'crossed': 100, 'closed': 150})
    assert words.meant('crosed') == 'crossed' and words.meant('clossed') == 'closed'
    assert SpellingCorrector({'crossed': 100, 'closed': 201}).meant('crosed') is None, '10 times as likely: not clear'


@pytest.mark.parametrize('written, meant', [
    ('bridgs', 'bridge'), ('bridging', None), ('hiking', None), ('fogging', None)])
def test_endings_of_known_words(written, meant):
    assert SpellingCorrector({**WORDS, 'hike': 1, 'hiding': 90, 'forging': 90}).meant(written) == meant


@pytest.mark.parametrize('word', [
    'inspect', 'whole', 'fridge', 'skunk',  # known
    'xnspect', 'bnigde',  # too far: another first letter, or two errors
    'fogging', 'fogs', 'cables', 'cabled', 'inspecting',  # known, with another ending
    'sailplane', 'ropebridge',  # may well be compounds
    'wasnt',  # known but for its apostrophe
    'rarley',  # what is rare may itself be mistyped
    'ropa', 'dck', 'dma',  # short ones have many neighbours
    'shorp', 'fenne', 'decke',  # a wrong letter far from the right one, a vowel too many
    'zzzzzz', 'inspect' * 6])
def test_what_stays(word):
    assert CORRECTOR.meant(word) is None and CORRECTOR.correct(f'inspect {word}.') == f'inspect {word}.'


@pytest.mark.parametrize('text, read', [
    ('Inpsect the hull', 'inspect the hull'),
    ('The hull. Inpsect the hall', 'The hull. inspect the hall'),
    ('“Inpsect!” - (Inpsect)', '“inspect!” - (inspect)'),
    ('- Inpsect', '- inspect'), ('* inpsect', '* inspect'),
    ('Fense the deck', 'Fense the deck'),  # fence is not frequent enough for what may be a name
    ('Inpsect, go to the bridge', 'Inpsect, go to the bridge'),  # somebody is spoken to
    ('Inpsect: go', 'Inpsect: go'),
    ('Ask Brigde to inspect', 'Ask Brigde to inspect'),  # a name
    ('Dr. Salomn and Mr. Brigde', 'Dr. Salomn and Mr. Brigde'),
    ('BRIGDE to the hull', 'BRIGDE to the hull'), ('ask BRIGDE', 'ask BRIGDE'),  # abbreviations
    ('INPSECT THE BRIGDE', 'inspect THE bridge'),  # but not where all is in capitals
    ('the brigde. To the brigde', 'the bridge. To the bridge'),
    ('brigde-hull, brigde7, brigde_a, brigdé', 'bridge-hull, brigde7, brigde_a, brigdé'),
    ("the brigde’s hull, the hulls'", "the bridge’s hull, the hulls'"),
    ('fly. 1. Inpsect 2) Inpsect. Go. Brigde', 'fly. 1. inspect 2) inspect. Go. Brigde'), ('Hi Jo! Inpsect', 'Hi Jo! inspect'),
    ('Inpsect and Jo fall. Inpsect and go', 'Inpsect and Jo fall. inspect and go'), ("Inpsect's hull", "Inpsect's hull"),
    ('/to/brigde-hull, brigde-hull.yaml, http://my-brigde.org, brigde-hull_2.pcd, brigde:80, ${brigde}', ) * 2,
    ('INPSECT THE BRIGDE, 40 mm', 'inspect THE bridge, 40 mm'),
    ('to /brigde/scan, brigde.yaml, jo@brigde.org, http://brigde.org/brigde, #brigde, C:\\brigde, at=brigde, ~brigde',) * 2,
    ('re\u0301sumee re\u0301resumee', 're\u0301sumee re\u0301resumee'),  # accents of their own
    ('  inpsect \t the\n', '  inspect \t the\n'), ('', ''), ('\U0001f681 42!', '\U0001f681 42!')])
def test_texts(text, read):
    assert CORRECTOR.correct(text) == read


def test_the_example_of_the_documentation():
    import doctest
    assert doctest.testmod(spelling, raise_on_error=False).failed == 0


@pytest.mark.parametrize('seed', range(3))
def test_any_single_error_but_of_the_first_letter_is_undone(seed):
    """Where no other word is near."""
    rng = random.Random(seed)
    words = [''.join(rng.choices(string.ascii_lowercase, k=12)) for _ in range(60)]
    corrector = SpellingCorrector(dict.fromkeys(words, 50))
    for word in words:
        at = rng.randrange(1, len(word) - 1)
        for wrong in (word[:at] + word[at + 1:], word[:at] + rng.choice('xyz') + word[at:],
                      word[:at] + rng.choice('xyz') + word[at + 1:],
                      word[:at] + word[at + 1] + word[at] + word[at + 2:]):
            assert corrector.correct(wrong) in (word, wrong if corrector._has_other_ending(wrong) else word)


def test_it_never_fails_and_what_was_corrected_stays():
    rng = random.Random(5)
    corrected = 0
    for _ in range(500):
        words = [list(word) for word in rng.choices(list(WORDS), k=rng.randrange(1, 9))]
        for word in words:
            word.insert(rng.randrange(len(word)), rng.choice(string.printable + "éß\u0130漢\U0001f681’'"))
        text = rng.choice([' ', ', ', '. ', "'"]).join(map(''.join, words))
        once = CORRECTOR.correct(text)
        corrected += once != text
        assert CORRECTOR.correct(once) == once
    assert corrected > 50


def test_a_text_full_of_errors_is_not_looked_at_for_long(monkeypatch):
    looked_at = []
    corrector = SpellingCorrector(WORDS)
    monkeypatch.setattr(corrector, 'meant', looked_at.append)
    text = 'inpsect ' * spelling.MOST_WORDS
    assert corrector.correct(text) == text and len(looked_at) == spelling.MOST_WORDS
    assert corrector.correct(text + 'brigde') == text + 'brigde' and len(looked_at) == spelling.MOST_WORDS


def test_words_are_counted_once_a_task_and_written_in_order(tmp_path):
    counts = count_words(['Inspect the hull, the HULL', 'the hall7 of é-hall', "inspect; it wasn’t, it wasn't"])
    assert counts == {'inspect': 2, 'the': 2, 'hull': 1, 'of': 1, 'hall': 1, 'it': 1, "wasn't": 1}
    write_words(tmp_path / 'words.txt', {**counts, 'skunk': 0})
    assert (tmp_path / 'words.txt').read_text() == (
        "inspect 2\nthe 2\nhall 1\nhull 1\nit 1\nof 1\nwasn't 1\nskunk 0\n")
    assert read_words(tmp_path / 'words.txt') == {**counts, 'skunk': 0}


@pytest.mark.parametrize('content', [b'inspect\n', b'inspect two\n', b'inspect 2 3\n', b'\xff 2\n', None])
def test_a_file_that_holds_no_words(tmp_path, content):
    if content is not None:
        (tmp_path / 'words.txt').write_bytes(content)
    with pytest.raises(ModelError, match='cannot read the words .*words.txt'):
        read_words(tmp_path / 'words.txt')
