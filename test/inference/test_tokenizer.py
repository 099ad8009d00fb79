"""Tokens against vocabularies that are small enough to do by hand."""

from __future__ import annotations

import numpy as np
import pytest

from skill_predictor.inference.errors import ModelError, TextError
from skill_predictor.inference.store import TokenIds
from skill_predictor.inference.tokenizer import batch_ids, TaskTokenizer

BERT = TokenIds(offset=0, begin=101, end=102, pad=0)
MPNET = TokenIds(offset=4, begin=0, end=2, pad=1)

# The token's id is its place in this list: '[PAD]' 0, '[UNK]' 1, 'fly' 2.
VOCABULARY = ['[PAD]', '[UNK]', 'fly', '##ing', 'over', 'cafe', '.', '[', 'unk', ']']


@pytest.fixture
def vocabulary(tmp_path):
    path = tmp_path / 'vocab.txt'
    path.write_text('\n'.join(VOCABULARY) + '\n', encoding='utf-8')
    return path


@pytest.mark.parametrize('text, ids', [
    ('fly', [2]),
    ('FLY over', [2, 4]),
    ('Flying.', [2, 3, 6]),
    ('over caf\u00e9', [4, 5]),
    ('fly over xyz', [2, 4, 1]),
    ('fly \U0001f681 over', [2, 1, 4]),
    ('fly [UNK] over', [2, 7, 8, 9, 4]),
])
def test_word_pieces(vocabulary, text, ids):
    assert TaskTokenizer(vocabulary, 16).tokenize(text) == ids


def test_the_limit_counts_the_two_special_tokens(vocabulary):
    tokenizer = TaskTokenizer(vocabulary, 6)
    assert tokenizer.tokenize('fly over fly over') == [2, 4, 2, 4]
    with pytest.raises(TextError, match='7 tokens, the model reads at most 6'):
        tokenizer.tokenize('fly over fly over fly')


@pytest.mark.parametrize('text', [
    '\u043f\u043e\u0434\u043c\u0435\u0442\u0438 \u043f\u0430\u043b\u0443\u0431\u0443',
    '\u7528\u65e0\u4eba\u673a\u68c0\u67e5', 'xyz fly xyz', 'xyz'])
def test_a_script_or_language_that_is_not_in_the_vocabulary(vocabulary, text):
    with pytest.raises(TextError, match='reads English only'):
        TaskTokenizer(vocabulary, 64).tokenize(text)


def test_half_unknown_is_still_read(vocabulary):
    assert TaskTokenizer(vocabulary, 16).tokenize('fly xyz') == [2, 1]


def test_a_text_without_tokens(vocabulary):
    # The normaliser drops control characters, so that nothing is left of this one.
    with pytest.raises(TextError, match='no word that the model reads'):
        TaskTokenizer(vocabulary, 16).tokenize('\x01')


def test_a_vocabulary_that_is_none(tmp_path):
    with pytest.raises(ModelError, match='cannot read the vocabulary'):
        TaskTokenizer(tmp_path / 'missing.txt', 16)
    (tmp_path / 'bytes.txt').write_bytes(b'\xff\xfe')
    with pytest.raises(ModelError, match='cannot read the vocabulary'):
        TaskTokenizer(tmp_path / 'bytes.txt', 16)
    (tmp_path / 'words.txt').write_text('fly\nover\n')
    with pytest.raises(ModelError, match=r'lacks \[UNK\]'):
        TaskTokenizer(tmp_path / 'words.txt', 16)


@pytest.mark.parametrize('numbering, expected', [
    (BERT, [[101, 2, 3, 102], [101, 4, 102, 0]]),
    (MPNET, [[0, 6, 7, 2], [0, 8, 2, 1]]),
])
def test_each_encoder_numbers_tokens_its_own_way(numbering, expected):
    rows = [[2, 3], [4]]
    input_ids, attention_mask = batch_ids(rows, numbering)
    np.testing.assert_array_equal(input_ids, expected)
    np.testing.assert_array_equal(attention_mask, [[1, 1, 1, 1], [1, 1, 1, 0]])
    assert input_ids.dtype == attention_mask.dtype == np.int64
    assert rows == [[2, 3], [4]], 'one tokenisation serves all encoders'


def test_a_single_row_has_no_padding():
    input_ids, attention_mask = batch_ids([[5, 6, 7]], BERT)
    assert input_ids.tolist() == [[101, 5, 6, 7, 102]]
    assert attention_mask.all()


@pytest.mark.parametrize('text, refused', [
    ('подмети палубу', True), ('σκούπισε το κατάστρωμα', True), ('데크를 청소해', True),
    ('नाव लाओ', True), ('fly 無人機 over', False), ('Ｆｌｙ', False), ('42', False)])
def test_other_alphabets_are_refused_even_when_their_letters_are_known(tmp_path, text, refused):
    """BERT's vocabulary has the letters of most alphabets, so none of these is unknown."""
    letters = sorted({char for char in text.lower() if not char.isspace()})
    path = tmp_path / 'vocab.txt'
    path.write_text('\n'.join(['[PAD]', '[UNK]', *letters, *(f'##{char}' for char in letters)]) + '\n',
                    encoding='utf-8')
    tokenizer = TaskTokenizer(path, 64)
    if refused:
        with pytest.raises(TextError, match='most letters of the text are not Latin'):
            tokenizer.tokenize(text)
    else:
        assert tokenizer.tokenize(text)
