"""The linear probe: a logistic regression per skill on frozen sentence embeddings.

It costs seconds, so it judges data rather than models: what a dataset buys, how a learning curve
runs, which labels look odd.
"""

from __future__ import annotations

import numpy as np

from ..extras import install
from ..taxonomy import DEFAULT_THRESHOLD, NUM_SKILLS

REGULARISATION = 10.0
"""scikit-learn's inverse strength C, for embeddings of unit variance per dimension."""


def need_scikit_learn(what: str) -> None:
    """Say how to install scikit-learn where it is missing.

    Parameters
    ----------
    what
        What needs it, for the error.

    Raises
    ------
    ImportError
        When it is not installed.
    """
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise ImportError(f'{what} needs scikit-learn: {install("dataset")}') from error


def fit(embeddings: np.ndarray, targets: np.ndarray, c: float = REGULARISATION):
    """A fitted probe.

    Parameters
    ----------
    embeddings
        float, shape (n, width).
    targets
        bool, shape (n, 6); a skill that is always or never required is predicted so.
    c
        Inverse strength of the L2 penalty, divided by the width.

    Raises
    ------
    ImportError
        When scikit-learn is not installed.
    """
    need_scikit_learn('a linear probe')
    from sklearn.dummy import DummyClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    models = []
    for column in np.asarray(targets, dtype=bool).T:
        # A skill with one value only has nothing to fit.
        model = DummyClassifier(strategy='prior') if len(np.unique(column)) == 1 else (
            LogisticRegression(C=c / embeddings.shape[1], max_iter=1000))
        models.append(make_pipeline(StandardScaler(), model).fit(embeddings, column))
    return models


def probabilities(models, embeddings: np.ndarray) -> np.ndarray:
    """Probabilities of a fitted probe, float64 in 0..1, shape (n, 6)."""
    found = np.zeros((len(embeddings), NUM_SKILLS))
    for index, model in enumerate(models):
        classes = list(model.classes_)
        if True in classes:
            found[:, index] = model.predict_proba(embeddings)[:, classes.index(True)]
    return found


def predict(models, embeddings: np.ndarray) -> np.ndarray:
    """Decisions of a fitted probe at the usual threshold, bool, shape (n, 6)."""
    return probabilities(models, embeddings) >= DEFAULT_THRESHOLD
