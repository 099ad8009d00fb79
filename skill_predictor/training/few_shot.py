"""SetFit (Tunstall et al. 2022) on a published encoder, to compare with.

The encoder is fine-tuned on pairs of tasks, so that tasks which share a skill come near each other;
then a logistic regression per skill is fitted to its embeddings. All of it is the setfit library;
only the encoder and its tokens are ours, so that every system starts from the same weights.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Sequence

import numpy as np

from ..inference import known_encoders
from ..inference.tokenizer import TaskTokenizer
from .encoders import load_encoder, mean_pool
from .sentence_module import SentenceModule

TASKS = 2000
"""Most tasks of which pairs are made: the library lists all pairs of them in memory."""

BATCH_SIZE = 16
SEED = 7


def setfit(texts: Sequence[str], targets: np.ndarray, encoder: str, pairs: int, *,
           folder: str | os.PathLike | None = None, offline: bool = False
           ) -> Callable[[Sequence[str]], np.ndarray]:
    """Fine-tune an encoder by SetFit, with the library's settings.

    Parameters
    ----------
    texts
        Task descriptions. Pairs are made of :data:`TASKS` of them, by chance; the logistic
        regression is fitted to all.
    targets
        bool, shape (len(texts), 6); every skill must be required by some and not by others.
    encoder
        Name of a published encoder.
    pairs
        Pairs to fine-tune on, half of them alike; each is two texts, seen once.
    folder, offline
        See :func:`skill_predictor.inference.base_weights.resolve`.

    Returns
    -------
    callable
        Maps texts to decisions, bool, shape (n, 6).

    Raises
    ------
    ImportError
        When setfit is not installed.
    KeyError
        When there is no such encoder.
    ModelError
        When its weights cannot be had.
    """
    from datasets import disable_progress_bars
    from sentence_transformers import SentenceTransformer
    from setfit import SetFitModel, Trainer, TrainingArguments
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    disable_progress_bars()
    known = known_encoders.known_encoder(encoder)
    tokenizer = TaskTokenizer(known_encoders.find_vocabulary(folder, offline=offline),
                              known_encoders.MAX_TOKENS)
    module = load_encoder(known, folder, offline=offline).requires_grad_(True)
    body = SentenceTransformer(modules=[
        SentenceModule(module, tokenizer, known.token_ids, mean_pool)])
    model = SetFitModel(body, OneVsRestClassifier(LogisticRegression(max_iter=1000)),
                        multi_target_strategy='one-vs-rest')
    chosen = np.random.default_rng(SEED).permutation(len(texts))[:TASKS]
    # The library prints its figures among what belongs to the caller.
    with tempfile.TemporaryDirectory() as runs, contextlib.redirect_stdout(sys.stderr):
        trainer = Trainer(model, TrainingArguments(
            output_dir=runs, batch_size=BATCH_SIZE, max_steps=max(pairs // BATCH_SIZE, 1),
            seed=SEED, save_strategy='no', report_to='none', show_progress_bar=False))
        trainer.train_embeddings([texts[index] for index in chosen],
                                 targets[chosen].astype(int).tolist())
        trainer.train_classifier(list(texts), targets.astype(int).tolist())
    return lambda others: np.asarray(
        model.predict(list(others), use_labels=False, as_numpy=True), dtype=bool)
