"""Training one encoder with its head: binary cross-entropy, AdamW, the best epoch by validation.

The loop is transformers' Trainer: it resumes from checkpoints, multiplies in bfloat16 where the processor or
GPU is faster at it, and spreads over several GPUs under ``accelerate launch``.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback, ProgressCallback, TrainerState

from ..inference.known_encoders import KnownEncoder
from ..inference.tokenizer import run_sorted, TaskTokenizer
from ..taxonomy import NUM_SKILLS
from .callbacks import exhausted, Lines, Log, Passes, SaveOften, StopWithoutGain
from .encoders import embed
from .examples import Collate, DISTRACTORS, Examples, LengthBatches, Tasks
from .heads import fold_standardisation, Head, positive_weights
from .network import SkillClassifier
from .recipe import Recipe
from .trainable import array_of, changes, prepare
from .trainer import arguments, metrics, SkillTrainer
from .weight_average import Average, WithAverage

SAVE_EVERY_S = 600.0
"""Seconds between checkpoints within an epoch."""

STANDARDISE_ON = 512
"""So many training tasks, of all parts of the file, say how large the published encoder's states are."""


class TrainedClassifier:
    """A trained encoder with its head.

    Attributes
    ----------
    network : SkillClassifier
        In evaluation mode.
    history : list of dict
        What was measured after each epoch; empty without validation.
    seconds : float
        Duration of the training, of all its parts where a folder keeps them.
    """

    def __init__(self, network: SkillClassifier, known: KnownEncoder, recipe: Recipe,
                 tokenizer: TaskTokenizer, published: dict[str, np.ndarray],
                 history: list[dict], seconds: float) -> None:
        self.network = network.eval()
        self.known = known
        self.history = history
        self.seconds = seconds
        self._recipe = recipe
        self._tokenizer = tokenizer
        self._published = published

    def predict(self, texts: Sequence[str], batch_size: int = 64) -> np.ndarray:
        """Skill probabilities, float32 in 0..1, shape (len(texts), 6).

        Raises
        ------
        TextError
            When the predictor would refuse a text.
        """
        return predict(self.network, self.known, self._tokenizer, texts, batch_size)

    def head(self) -> Head:
        """The head's weights; they take hidden states as they are."""
        weights = [array_of(layer.weight) for layer in self.network.layers]
        biases = [array_of(layer.bias) for layer in self.network.layers]
        weights[0], biases[0] = fold_standardisation(
            weights[0], biases[0], array_of(self.network.mean), float(self.network.scale))
        return Head(tuple(weights), tuple(biases))

    def query(self) -> np.ndarray | None:
        """Of attention pooling, float32, shape (6, hidden); ``None`` where the mean is taken."""
        return None if self.network.pool is None else array_of(self.network.pool.query)

    def changes(self) -> dict[str, np.ndarray]:
        """See :func:`skill_predictor.training.trainable.changes`."""
        return changes(self.network.encoder, self._recipe, self._published)


def predict(network: SkillClassifier, known: KnownEncoder, tokenizer: TaskTokenizer,
            texts: Sequence[str], batch_size: int = 64) -> np.ndarray:
    """Skill probabilities by a network in evaluation mode, float32 in 0..1, shape (len(texts), 6).

    Raises
    ------
    TextError
        When the predictor would refuse a text.
    """
    device = next(network.parameters()).device

    def run(input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            logits = network(torch.from_numpy(input_ids).to(device),
                             torch.from_numpy(attention_mask).to(device))
        return torch.sigmoid(logits.float()).cpu().numpy()
    return run_sorted(texts, tokenizer, known.token_ids, NUM_SKILLS, run, batch_size=batch_size)


def fit(encoder: nn.Module, known: KnownEncoder, tokenizer: TaskTokenizer, recipe: Recipe,
        train: Examples, validation: Examples | None = None, *,
        folder: str | os.PathLike | None = None, seed: int = 0,
        distractors: Sequence[str] = (),
        say: Callable[[str], None] | None = None) -> TrainedClassifier:
    """Train an encoder and a new head.

    Parameters
    ----------
    encoder
        From :func:`skill_predictor.training.encoders.load_encoder`; it is changed.
    known
        Which encoder it is.
    tokenizer
        Makes the tokens.
    recipe
        How to train.
    train
        What to fit.
    validation
        What the best epoch is chosen by; ``None``: the last one is taken.
    folder
        Where checkpoints and ``log.csv`` are written, and from where an interrupted training goes
        on; ``None``: nothing is kept, and the last epoch is taken also with validation.
    seed
        Start of all random numbers.
    distractors
        Sentences that ask for nothing, for recipes with ``distractor``; without any there is a
        warning.
    say
        Called with a line now and then; ``None``: a progress bar.

    Raises
    ------
    TextError
        When the predictor would refuse a text.
    OSError
        When the folder cannot be written.
    """
    recipe = possible(recipe, distractors)
    torch.manual_seed(seed)
    published = prepare(encoder, recipe)
    network = SkillClassifier(encoder, recipe.pooling, recipe.head_layers, dropout=recipe.dropout,
                              head_dropout=recipe.head_dropout)
    chosen = np.unique(np.linspace(0, len(train) - 1, STANDARDISE_ON).astype(int))
    sample = [train.texts[index] for index in chosen]
    network.standardise(torch.from_numpy(embed(sample, encoder, tokenizer, known.token_ids)))
    tasks = Tasks(train.texts, train.targets, tokenizer, recipe, distractors, seed)
    groups = train.groups if recipe.pairs_together else None
    log = Log(Path(folder) / 'log.csv') if folder is not None else None
    callbacks: list[TrainerCallback] = [Lines(known.name, say)] if say else []
    if log is not None:
        callbacks.append(log)
        if processes() == 1:  # several would have to agree on the moment
            callbacks.append(SaveOften(SAVE_EVERY_S))
    if validation is not None and recipe.patience:
        callbacks.append(StopWithoutGain(recipe.patience))
    model = WithAverage(network, recipe.average_decay) if recipe.average_decay else network
    if isinstance(model, WithAverage):
        callbacks.append(Average(model))
    scratch = tempfile.TemporaryDirectory()  # the trainer wants a folder, whatever it is told
    trainer = SkillTrainer(
        model=model, args=arguments(
            recipe, scratch.name if folder is None else _checkpoints(folder),
            keeps=folder is not None, seed=seed, validates=validation is not None),
        data_collator=Collate(known.token_ids), train_dataset=tasks,
        eval_dataset=None if validation is None else Tasks(
            validation.texts, validation.targets, tokenizer),
        compute_metrics=metrics, callbacks=callbacks)
    trainer.remove_callback(PrinterCallback)
    if say:
        trainer.remove_callback(ProgressCallback)
    trainer.recipe = recipe
    trainer.batches = LengthBatches(len(tasks), tasks.lengths,
                                    max(1, recipe.batch_size // processes()), seed, groups)
    trainer.add_callback(Passes(tasks, trainer.batches))
    trainer.positive = torch.from_numpy(positive_weights(
        np.asarray(train.targets, dtype=np.float64), recipe.max_positive_weight))
    started = time.monotonic()
    last = last_checkpoint(_checkpoints(folder)) if folder is not None else None
    state = TrainerState.load_from_json(str(last / 'trainer_state.json')) if last else None
    with scratch:
        if state is not None and exhausted(state, recipe.patience):
            # It was stopped after its last evaluation: nothing is left but to take the best epoch.
            trainer._load_from_checkpoint(str(last.parent / Path(state.best_model_checkpoint).name))
            trainer.state = state
        else:
            trainer.train(resume_from_checkpoint=str(last) if last else None)
    history = [entry for entry in trainer.state.log_history if 'eval_exact_match' in entry]
    # What mixed precision and several GPUs put around the network serves training alone.
    network = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
    if isinstance(network, WithAverage):
        network = network.mean
    return TrainedClassifier(network.float(), known, recipe, tokenizer, published, history,
                             log.seconds if log is not None else time.monotonic() - started)


def possible(recipe: Recipe, distractors: Sequence[str]) -> Recipe:
    """The recipe as it can be followed: without distracting sentences, and a warning, if there are none."""
    if not recipe.distractor or distractors:
        return recipe
    warnings.warn('the recipe adds distracting sentences, but the dataset has no '
                  f'{DISTRACTORS}; training goes on without', stacklevel=3)
    return replace(recipe, distractor=0.0)


def processes() -> int:
    """How many processes train together (``accelerate launch``)."""
    return int(os.environ.get('WORLD_SIZE', '1'))


def last_checkpoint(folder: str | os.PathLike) -> Path | None:
    """The latest whole checkpoint; later ones, which a stop left unfinished, are removed."""
    found = sorted((path for path in Path(folder).glob('checkpoint-*')),
                   key=lambda path: int(path.name.rpartition('-')[2]))
    while found:
        if _is_whole(found[-1]):
            return found[-1]
        shutil.rmtree(found.pop(), ignore_errors=True)
    return None


def _is_whole(checkpoint: Path) -> bool:
    """The state is written last; but after a power cut a file may be there and have lost its content."""
    from safetensors import safe_open, SafetensorError
    try:
        TrainerState.load_from_json(str(checkpoint / 'trainer_state.json'))
        for path in checkpoint.glob('*.safetensors'):
            with safe_open(path, 'np'):  # looks at the header and at the length
                pass
        return all(path.stat().st_size for path in checkpoint.iterdir())
    except (OSError, ValueError, TypeError, SafetensorError):
        return False


def _checkpoints(folder: str | os.PathLike) -> str:
    path = Path(folder) / 'checkpoints'
    path.mkdir(parents=True, exist_ok=True)
    return str(path)
