"""Simple systems that a model has to beat: all of scikit-learn, fitted in seconds.

Each is fitted to labelled tasks and then predicts others; none sees a task that it is judged by.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from ..dataset import probe
from ..taxonomy import DEFAULT_THRESHOLD
from .significance import exact_match

Value = TypeVar('Value')
Embed = Callable[[Sequence[str]], np.ndarray]
Fitted = Callable[[Sequence[str]], np.ndarray]
"""Maps texts to decisions, bool, shape (len(texts), 6)."""

NEIGHBOURS = (1, 3, 5, 9, 15)
REGULARISATIONS = (1.0, 10.0, 100.0)
"""What :func:`best_on` is to try."""


def majority(texts: Sequence[str], targets: np.ndarray) -> Fitted:
    """Answers always the most frequent skill set.

    Parameters
    ----------
    texts
        Not looked at.
    targets
        bool, shape (n, 6), n at least 1.
    """
    most = np.array(Counter(map(tuple, targets.tolist())).most_common(1)[0][0], dtype=bool)
    return lambda others: np.tile(most, (len(others), 1))


def best_on(texts: Sequence[str], labels: np.ndarray, make: Callable[[Value], Fitted],
            values: Sequence[Value]) -> tuple[Value, Fitted]:
    """Fit a system with each of some values, and take the one with the best exact match.

    Parameters
    ----------
    texts, labels
        Of validation.
    make
        Fits with a value.
    values
        At least one; of equally good ones the first is taken.
    """
    fitted = {value: make(value) for value in values}
    right = {value: exact_match(labels, predict(texts)) for value, predict in fitted.items()}
    best = max(values, key=right.__getitem__)
    return best, fitted[best]


def tfidf_logistic(texts: Sequence[str], targets: np.ndarray, c: float = 10.0) -> Fitted:
    """Logistic regression per skill on TF-IDF of words and pairs of words.

    Parameters
    ----------
    texts
        Task descriptions.
    targets
        bool, shape (len(texts), 6); every skill must be required by some and not by others.
    c
        Inverse of the regularisation, above 0.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=1),
        OneVsRestClassifier(LogisticRegression(C=c, max_iter=1000)))
    model.fit(list(texts), targets.astype(int))
    return lambda others: model.predict_proba(list(others)) >= DEFAULT_THRESHOLD


def frozen_logistic(texts: Sequence[str], targets: np.ndarray, embed: Embed,
                    c: float = 10.0) -> Fitted:
    """Logistic regression per skill on embeddings of a published encoder.

    Parameters
    ----------
    texts, targets, c
        See :func:`tfidf_logistic`.
    embed
        Makes the embeddings, float32, shape (n, width).
    """
    models = probe.fit(embed(texts), targets, c)
    return lambda others: probe.predict(models, embed(others))


def nearest_neighbours(texts: Sequence[str], targets: np.ndarray, embed: Embed,
                       count: int = 5) -> Fitted:
    """Majority vote, skill by skill, of the most similar tasks by the cosine of embeddings.

    Parameters
    ----------
    texts, targets, embed
        See :func:`frozen_logistic`.
    count
        How many vote; odd, so that there is no tie.
    """
    from sklearn.neighbors import KNeighborsClassifier
    model = KNeighborsClassifier(count, metric='cosine').fit(embed(texts), targets.astype(int))
    return lambda others: np.asarray(model.predict(embed(others)), dtype=bool)
