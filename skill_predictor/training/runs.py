"""A run: one encoder trained by a recipe, kept in a folder, gone on with after a stop.

::

    runs/my-model/mpnet/
        run.json              recipe, seed, hashes of the data, versions, what was measured
        log.csv               losses, rates and validation figures
        checkpoints/          of the trainer, while it runs
        trained.safetensors   the head, and what changed in the encoder, float32
        predictions.npz       probabilities of every split's tasks, float32
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from .. import __version__
from ..inference import known_encoders
from ..inference.tokenizer import TaskTokenizer
from .encoders import load_encoder
from .examples import Examples
from .fit import fit
from .heads import Head
from .recipe import Recipe
from .release import TrainedEncoder


class RunError(ValueError):
    """A run's folder that holds something else."""


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes
    ----------
    folder : Path
    recipe : Recipe
    seed : int
    seconds : float
        Duration of the training, of all parts when it was stopped on the way.
    threads : int
        Processor threads that PyTorch used.
    on_gpu : bool
    history : sequence of mapping
        What validation said after each epoch.
    predictions : mapping of str to numpy.ndarray, float32, shape (tasks, 6)
        Probabilities by split.
    encoder : TrainedEncoder
    """

    folder: Path
    recipe: Recipe
    seed: int
    seconds: float
    threads: int
    on_gpu: bool
    history: Sequence[Mapping[str, float]]
    predictions: Mapping[str, np.ndarray]
    encoder: TrainedEncoder


def train_run(folder: str | os.PathLike, recipe: Recipe, splits: Mapping[str, Examples],
              tokenizer: TaskTokenizer, *, data_sha256: Mapping[str, str], seed: int = 0,
              distractors: Sequence[str] = (), encoders_folder: str | os.PathLike | None = None,
              offline: bool = False, say: Callable[[str], None] | None = None) -> Run:
    """Train an encoder, or read the finished run that the folder holds already.

    Parameters
    ----------
    folder
        Of the run; made when it is not there.
    recipe
        How to train.
    splits
        ``train``, ``validation`` (the best epoch is chosen by it), and others that are predicted.
    tokenizer
        Makes the tokens.
    data_sha256
        Hash of each split's file: a run with other data is another run.
    seed
        Start of all random numbers.
    distractors
        See :func:`fit`.
    encoders_folder, offline
        See :func:`skill_predictor.inference.base_weights.resolve`.
    say
        Called with lines of progress; ``None``: a progress bar.

    Raises
    ------
    RunError
        When the folder holds a run with another recipe, seed or data.
    ModelError
        When the published weights cannot be had.
    """
    folder = Path(folder)
    about = {'recipe': {**asdict(recipe), 'head_layers': list(recipe.head_layers)}, 'seed': seed,
             'data_sha256': dict(data_sha256)}
    _claim(folder, about)
    if (folder / 'trained.safetensors').exists():
        return read_run(folder)
    known = known_encoders.known_encoder(recipe.encoder)
    encoder = load_encoder(known, encoders_folder, offline=offline, progress=say)
    trained = fit(encoder, known, tokenizer, recipe, splits['train'], splits.get('validation'),
                  folder=folder, seed=seed, distractors=distractors, say=say)
    np.savez(folder / 'predictions.npz', **{
        name: trained.predict(part.texts) for name, part in splits.items() if name != 'train'})
    _write(folder / 'run.json', {
        **about, 'seconds': round(trained.seconds, 1), **_machine(),
        'history': trained.history, 'versions': _versions()})
    _save(folder / 'trained.safetensors', trained)
    shutil.rmtree(folder / 'checkpoints', ignore_errors=True)
    return read_run(folder)


def read_run(folder: str | os.PathLike) -> Run:
    """Read a finished run.

    Raises
    ------
    RunError
        When the folder holds none.
    """
    from safetensors.numpy import load_file
    from .recipe import make_recipe, RecipeError
    folder = Path(folder)
    try:
        about = json.loads((folder / 'run.json').read_text())
        recipe = make_recipe(about['recipe'])
        tensors = load_file(folder / 'trained.safetensors')
        with np.load(folder / 'predictions.npz') as file:
            predictions = {name: file[name] for name in file.files}
        layers = len(recipe.head_layers) + 1
        head = Head(tuple(tensors.pop(f'head.{index}.weight') for index in range(layers)),
                    tuple(tensors.pop(f'head.{index}.bias') for index in range(layers)))
        query = tensors.pop('pool.query', None)
        encoder = TrainedEncoder(known_encoders.known_encoder(recipe.encoder), head, tensors,
                                 _unfrozen(recipe), query)
        return Run(folder, recipe, about['seed'], about['seconds'], about['threads'],
                   about['on_gpu'], about['history'], predictions, encoder)
    except (OSError, ValueError, KeyError, RecipeError) as error:
        raise RunError(f'{folder} holds no finished run ({error}); train it first') from error


def _claim(folder: Path, about: Mapping) -> None:
    """Note in a new folder what is trained there; refuse a folder where it is something else."""
    note = folder / 'run.json'
    if not note.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write(note, about)
        return
    try:
        before = json.loads(note.read_text())
    except ValueError as error:
        raise RunError(f'{note} is damaged ({error}); remove the folder to start anew') from error
    other = [key for key in about if before.get(key) != json.loads(json.dumps(about[key]))]
    if other:
        raise RunError(f'{folder} holds a run with another {" and ".join(other)}; choose another '
                       'folder, or remove that one')


def _unfrozen(recipe: Recipe) -> tuple[str, ...]:
    if not recipe.trained_layers:
        return ()
    how = f'by adapters of rank {recipe.adapter_rank}' if recipe.adapter_rank else 'whole'
    return (f'top {recipe.trained_layers} layers, {how}',)


def _save(path: Path, trained) -> None:
    from safetensors.numpy import save
    head = trained.head()
    tensors = {**trained.changes(),
               **{f'head.{index}.weight': weight for index, weight in enumerate(head.weights)},
               **{f'head.{index}.bias': bias for index, bias in enumerate(head.biases)}}
    query = trained.query()
    if query is not None:
        tensors['pool.query'] = query
    scratch = path.with_suffix('.partial')
    scratch.write_bytes(save({name: np.ascontiguousarray(tensor)
                              for name, tensor in tensors.items()}))
    os.replace(scratch, path)


def _write(path: Path, about: Mapping) -> None:
    scratch = path.with_suffix('.partial')
    scratch.write_text(json.dumps(about, indent=2) + '\n')
    os.replace(scratch, path)


def _machine() -> dict[str, object]:
    import torch
    return {'threads': torch.get_num_threads(), 'on_gpu': torch.cuda.is_available()}


def _versions() -> dict[str, str]:
    import peft
    import torch
    import transformers
    return {'skill_predictor': __version__, 'python': platform.python_version(),
            'torch': torch.__version__, 'transformers': transformers.__version__,
            'peft': peft.__version__}
