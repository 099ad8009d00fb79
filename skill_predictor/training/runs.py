"""A run: one encoder trained by a recipe, kept in a folder, gone on with after a stop.

::

    runs/my-model/mpnet/
        run.json              recipe, seed, hashes of the data, versions, what was measured
        log.csv               losses, rates and validation figures
        checkpoints/          of the trainer, while it runs
        trained.safetensors   the head, and what changed in the encoder, float32
        predictions.npz       probabilities of the splits that were not fitted, float32, by the weights
                              rounded to half precision as they are released
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from .. import __version__
from ..inference import artefacts, base_weights, known_encoders
from ..inference.errors import TextError
from ..inference.known_encoders import KnownEncoder
from ..inference.store import multiplied, sha256_file
from ..inference.text import clean_text
from ..inference.tokenizer import TaskTokenizer
from .encoders import load_encoder
from .examples import Examples, texts_sha256
from .fit import fit, possible, predict, processes
from .heads import Head
from .lexicon import words_of
from .recipe import make_recipe, Recipe, RecipeError
from .reference import assemble
from .release import TrainedEncoder, tensors_of
from .trainer import multiplies_bfloat16


WEIGHTS = 'trained.safetensors'


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
    data_sha256 : mapping of str to str
        Of the files that it was fitted to or chosen by, by split.
    seconds : float
        Duration of the training, of all parts when it was stopped on the way.
    threads : int
        Processor threads that PyTorch used.
    on_gpu : bool
    bfloat16 : bool
        Whether matrix products were made in it.
    processes : int
        That trained together, each with so many threads.
    history : sequence of mapping
        What validation said after each epoch.
    predictions : mapping of str to numpy.ndarray, float32, shape (tasks, 6)
        Probabilities by split.
    encoder : TrainedEncoder
    """

    folder: Path
    recipe: Recipe
    seed: int
    data_sha256: Mapping[str, str]
    seconds: float
    threads: int
    on_gpu: bool
    bfloat16: bool
    processes: int
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
        Hash of each split's file: a run that is fitted to, or chosen by, other tasks is another run;
        other splits are predicted again when they change.
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
        When the folder holds a run with another recipe, seed or data, or a text cannot be read.
    ModelError
        When the published weights cannot be had.
    """
    folder = Path(folder)
    known = known_encoders.known_encoder(recipe.encoder)
    _check_texts(splits, tokenizer)
    recipe = possible(recipe, distractors)
    fitted = {name: data_sha256[name] for name in ('train', 'validation') if name in data_sha256}
    if recipe.distractor:
        fitted['distractors'] = texts_sha256(distractors)
    about = {'recipe': {**asdict(recipe), 'head_layers': list(recipe.head_layers)}, 'seed': seed,
             'data_sha256': fitted}
    _claim(folder, about)
    if not (folder / WEIGHTS).exists():
        encoder = load_encoder(known, encoders_folder, offline=offline, progress=say)
        trained = fit(encoder, known, tokenizer, recipe, splits['train'], splits.get('validation'),
                      folder=folder, seed=seed, distractors=distractors, say=say)
        if is_main_process():
            _write(folder / 'run.json', {
                **about, 'seconds': round(trained.seconds, 1), **_machine(recipe),
                'history': trained.history, 'versions': _versions()})
            _save(folder / WEIGHTS, trained)  # after that: it says that the training is done
            shutil.rmtree(folder / 'checkpoints', ignore_errors=True)
    if is_main_process():
        _predict(folder, known, splits, data_sha256, tokenizer, encoders_folder, offline,
                 correct_spelling=recipe.correct_spelling)
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
    while not (folder / 'predictions.npz').exists():
        time.sleep(1.0)  # the main process predicts
    return read_run(folder)


def is_main_process() -> bool:
    """Whether this is the process that writes, of all that train together."""
    return int(os.environ.get('RANK', '0')) == 0


def _check_texts(splits: Mapping[str, Examples], tokenizer: TaskTokenizer) -> None:
    """Find before the training what prediction would stumble over after it."""
    for name, part in splits.items():
        for number, text in enumerate(part.texts, 1):
            try:
                tokenizer.tokenize(clean_text(text))
            except TextError as error:
                raise RunError(f'{name}, task {number}: {error}') from error


def _predict(folder: Path, known: KnownEncoder, splits: Mapping[str, Examples],
             data_sha256: Mapping[str, str], tokenizer: TaskTokenizer,
             encoders_folder: str | os.PathLike | None, offline: bool, *, correct_spelling: bool) -> None:
    """What the weights, rounded as they are released, say to every split that was not fitted."""
    from safetensors.numpy import load_file
    path = folder / 'predictions.npz'
    wanted = {name: data_sha256.get(name, '') for name in splits if name != 'train'}
    made_of = {**wanted, 'weights': sha256_file(folder / WEIGHTS)}
    if correct_spelling:
        words = words_of(splits['train'].texts, tokenizer.words)
        tokenizer = tokenizer.correcting(words)
        made_of['words'] = texts_sha256([f'{word} {tasks}' for word, tasks in sorted(words.items())])
    if path.exists():
        with np.load(path) as file:
            if 'data_sha256' in file and json.loads(str(file['data_sha256'])) == made_of:
                return
    encoder = _read_encoder(folder)
    tuned = {name: tensor.astype(np.float32) for name, tensor in tensors_of(encoder).items()}
    published = load_file(str(base_weights.resolve(known.base, encoders_folder, offline=offline)))
    network = assemble(known.architecture, known.token_ids, artefacts.with_changes(
        published, multiplied(tuned, known.name), known.name))
    network.to('cuda' if torch.cuda.is_available() else 'cpu')
    scratch = path.with_suffix('.partial.npz')
    np.savez(scratch, data_sha256=json.dumps(made_of), **{
        name: predict(network, known, tokenizer, splits[name].texts) for name in wanted})
    os.replace(scratch, path)


def read_run(folder: str | os.PathLike) -> Run:
    """Read a finished run.

    Raises
    ------
    RunError
        When the folder holds none.
    """
    folder = Path(folder)
    try:
        about = json.loads((folder / 'run.json').read_text())
        recipe = make_recipe(about['recipe'])
        with np.load(folder / 'predictions.npz') as file:
            predictions = {name: file[name] for name in file.files if name != 'data_sha256'}
        return Run(folder, recipe, about['seed'], about['data_sha256'], about['seconds'], about['threads'],
                   about['on_gpu'], about.get('bfloat16', False), about.get('processes', 1), about['history'], predictions,
                   _read_encoder(folder))
    except (OSError, ValueError, KeyError, RecipeError) as error:
        raise RunError(f'{folder} holds no finished run ({error}); train it first') from error


def _read_encoder(folder: Path) -> TrainedEncoder:
    from safetensors.numpy import load_file
    recipe = make_recipe(json.loads((folder / 'run.json').read_text())['recipe'])
    tensors = load_file(folder / WEIGHTS)
    layers = len(recipe.head_layers) + 1
    head = Head(tuple(tensors.pop(f'head.{index}.weight') for index in range(layers)),
                tuple(tensors.pop(f'head.{index}.bias') for index in range(layers)))
    query = tensors.pop('pool.query', None)
    return TrainedEncoder(known_encoders.known_encoder(recipe.encoder), head, tensors,
                          _unfrozen(recipe), query)


def _claim(folder: Path, about: Mapping) -> None:
    """Note in a new folder what is trained there; refuse a folder where it is something else."""
    note = folder / 'run.json'
    if not note.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write(note, about)
        return
    try:
        before = json.loads(note.read_text())
        # A setting that did not exist then was as its default is now.
        before['recipe'] = {**asdict(make_recipe(before['recipe'])),
                            'head_layers': before['recipe']['head_layers']}
    except (ValueError, LookupError, TypeError) as error:
        raise RunError(f'{note} is damaged ({error}); remove the folder to start anew') from error
    now = json.loads(json.dumps(about))
    for recipe in (before['recipe'], now['recipe']):
        del recipe['correct_spelling']  # of serving: nothing is trained by it
    other = [key for key in now if before.get(key) != now[key]]
    if other:
        raise RunError(f'{folder} holds a run with another {" and ".join(other)}; choose another '
                       'folder, or remove that one')
    _write(note, {**json.loads(note.read_text()), 'recipe': about['recipe']})


def _unfrozen(recipe: Recipe) -> tuple[str, ...]:
    if not recipe.trained_layers:
        return ()
    how = f'by adapters of rank {recipe.adapter_rank}' if recipe.adapter_rank else 'whole'
    layers = known_encoders.known_encoder(recipe.encoder).architecture.layers
    return (f'top {min(recipe.trained_layers, layers)} layers, {how}',)


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
    scratch = path.with_suffix(f'.partial-{os.getpid()}')
    scratch.write_text(json.dumps(about, indent=2) + '\n')
    os.replace(scratch, path)


def _machine(recipe: Recipe) -> dict[str, object]:
    return {'threads': torch.get_num_threads(), 'on_gpu': torch.cuda.is_available(),
            'bfloat16': recipe.mixed_precision and multiplies_bfloat16(),
            'processes': processes()}


def _versions() -> dict[str, str]:
    import peft
    import transformers
    return {'skill_predictor': __version__, 'python': platform.python_version(),
            'torch': torch.__version__, 'transformers': transformers.__version__,
            'peft': peft.__version__}
