"""From finished runs to a released model: calibration, figures, the folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..evaluation.comparison import compare, SystemScores
from ..inference import known_encoders
from ..inference.averaging import weighted_mean
from ..inference.store import ReleasedModel
from ..inference.tokenizer import TaskTokenizer
from ..taxonomy import DEFAULT_THRESHOLD
from .averaging_trial import try_ways, WayScore
from .calibration import Calibration, cooled, fit_calibration, scaled
from .examples import Examples
from .lexicon import words_of
from .model_card import model_card
from .ranges import activation_ranges
from .reference import answered_examples
from .release import TrainedEncoder, write_release
from .runs import Run


LEAST_TO_TRY = 100
"""Of fewer validation tasks, a tenth would tell nothing of a way to average."""

ENSEMBLE = 'ensemble'
"""Name of the mean of all encoders' probabilities, beside the encoders' own names."""


@dataclass(frozen=True)
class Ensemble:
    """Runs whose probabilities are averaged.

    Attributes
    ----------
    runs : sequence of Run
    calibration : Calibration
        Chosen on validation.
    """

    runs: Sequence[Run]
    calibration: Calibration

    def predictions(self, split: str) -> dict[str, np.ndarray]:
        """Calibrated probabilities of a split's tasks by encoder, float32, shape (tasks, 6)."""
        return {run.recipe.encoder: scaled(run.predictions[split], temperature)
                for run, temperature in zip(self.runs, self.calibration.temperatures)}

    def encoders(self) -> list[TrainedEncoder]:
        """What is released: the temperatures are in the heads."""
        return [replace(run.encoder, head=cooled(run.encoder.head, temperature), weight=weight)
                for run, temperature, weight in zip(
                    self.runs, self.calibration.temperatures, self.calibration.weights)]


def calibrate(runs: Sequence[Run], validation: Examples) -> Ensemble:
    """Put runs together as suits the validation tasks best, if all their recipes allow that."""
    if _may_calibrate(runs):
        return Ensemble(runs, fit_calibration(
            [run.predictions['validation'] for run in runs], validation.targets))
    return Ensemble(runs, Calibration.none(len(runs)))


def _may_calibrate(runs: Sequence[Run]) -> bool:
    return all(run.recipe.calibrate for run in runs)


def _corrects_spelling(runs: Sequence[Run]) -> bool:
    return all(run.recipe.correct_spelling for run in runs)


def _ways(runs: Sequence[Run], validation: Examples) -> list[WayScore]:
    """What else might be done with the encoders' probabilities; nothing where there is no choice."""
    if len(runs) < 2 or len(validation) < LEAST_TO_TRY or not _may_calibrate(runs):
        return []
    return try_ways([run.predictions['validation'] for run in runs], validation.targets,
                    validation.groups)


def measure(ensemble: Ensemble, examples: Mapping[str, Examples]) -> dict[str, list[SystemScores]]:
    """Scores by split: of the ensemble, and of each encoder, tested against it.

    Parameters
    ----------
    ensemble
        Whose runs have predicted the splits.
    examples
        Splits by name; those that were not predicted are left out.

    Raises
    ------
    ImportError
        When scikit-learn is not installed.
    """
    figures = {}
    for split, part in examples.items():
        if split in ensemble.runs[0].predictions:
            by_encoder = ensemble.predictions(split)
            mean = weighted_mean(list(by_encoder.values()), ensemble.calibration.weights)
            # One encoder is its own mean.
            systems = {ENSEMBLE: mean, **by_encoder} if len(by_encoder) > 1 else by_encoder
            figures[split] = compare(
                {name: values >= DEFAULT_THRESHOLD
                 for name, values in systems.items()},
                part.targets > 0.5, next(iter(systems)), part.groups)
    return figures


def release_runs(runs: Sequence[Run], folder: str | os.PathLike, name: str,
                 examples: Mapping[str, Examples], *, command: str,
                 encoders_folder: str | os.PathLike | None = None, offline: bool = False,
                 overwrite: bool = False) -> tuple[ReleasedModel, dict[str, list[SystemScores]]]:
    """Write a model folder from runs.

    Parameters
    ----------
    runs
        One per encoder, in the order of the model.
    folder, name, overwrite
        See :func:`skill_predictor.training.release.write_release`.
    examples
        ``train``, and the splits that the runs have predicted; ``validation`` among them.
    command
        What makes the model again, for its card.
    encoders_folder, offline
        See :func:`skill_predictor.inference.base_weights.resolve`.

    Returns
    -------
    model : ReleasedModel
    figures : dict of list of SystemScores
        By split, see :func:`measure`.

    Raises
    ------
    ModelError
        See :func:`skill_predictor.training.release.write_release`.
    """
    ensemble = calibrate(runs, examples['validation'])
    figures = measure(ensemble, examples)
    card = model_card(name, runs, ensemble.calibration, {
        split: len(part) for split, part in examples.items()}, figures, command,
        _ways(runs, examples['validation']))
    vocabulary = known_encoders.find_vocabulary(folder=encoders_folder, offline=offline)
    tokenizer = TaskTokenizer(vocabulary, known_encoders.MAX_TOKENS)
    encoders = [replace(encoder, ranges=activation_ranges(
        encoder, examples['train'].texts, tokenizer, encoders_folder=encoders_folder,
        offline=offline)) for encoder in ensemble.encoders()]
    words = words_of(examples['train'].texts, tokenizer.words) if _corrects_spelling(runs) else None
    model = write_release(
        folder, name, encoders, vocabulary, card,
        max_tokens=known_encoders.MAX_TOKENS, data_sha256=runs[0].data_sha256, words=words, overwrite=overwrite,
        examples=lambda model: answered_examples(model, encoders_folder, offline=offline))
    return model, figures
