"""The cache of embeddings: each text once, and never a wrong answer from a bad file."""

from __future__ import annotations

import numpy as np
import pytest

from skill_predictor.inference.embedding_cache import CachedEmbeddings


@pytest.fixture
def asked():
    return []


@pytest.fixture
def cache(tmp_path, asked):
    def compute(texts, done):
        asked.append(list(texts))
        done(len(texts))
        return np.array([[len(text), ord(text[0])] for text in texts], dtype=np.float32)
    return lambda width=2: CachedEmbeddings(tmp_path / 'deep' / 'e.npz', width, compute)


def test_each_text_is_embedded_once(cache, asked):
    done = []
    first = cache().embed(['a', 'bb', 'a'], done.append)
    np.testing.assert_array_equal(first, [[1, 97], [2, 98], [1, 97]])
    second = cache().embed(['ccc', 'bb'], done.append)
    np.testing.assert_array_equal(second, [[3, 99], [2, 98]])
    assert asked == [['a', 'bb'], ['ccc']] and sum(done) == 5
    assert cache().embed([]).shape == (0, 2) and len(asked) == 2


@pytest.mark.parametrize('content', [b'', b'PK\x03\x04 torn', b'no zip at all'])
def test_damaged_file_counts_as_empty(cache, asked, tmp_path, content):
    expected = cache().embed(['a'])
    (tmp_path / 'deep' / 'e.npz').write_bytes(content)
    np.testing.assert_array_equal(cache().embed(['a']), expected)
    assert len(asked) == 2
    cache().embed(['a'])
    assert len(asked) == 2, 'it was written anew'


def test_file_of_another_width_counts_as_empty(cache, asked):
    cache().embed(['a'])
    with pytest.raises(ValueError):
        cache(3).embed(['a'])  # what was computed has two columns
    assert len(asked) == 2


def test_place_that_cannot_be_written_costs_nothing_else(tmp_path, asked):
    (tmp_path / 'file').write_text('')
    cached = CachedEmbeddings(tmp_path / 'file' / 'e.npz', 1,
                              lambda texts, done: np.ones((len(texts), 1), np.float32))
    assert cached.embed(['a', 'b']).tolist() == [[1], [1]]


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*args, **arrays):
        raise OSError(28, 'No space left on device')
    monkeypatch.setattr(np, 'savez', full)
    cached = CachedEmbeddings(tmp_path / 'e.npz', 1,
                              lambda texts, done: np.ones((len(texts), 1), np.float32))
    assert cached.embed(['a', 'b']).tolist() == [[1], [1]]
    assert not list(tmp_path.iterdir())
