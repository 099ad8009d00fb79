"""``skill-predictor prepare``: everything that takes time, before the first task comes."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from . import add_model_options, progress_lines
from .argument_types import days

if TYPE_CHECKING:
    from ..inference.backends import BackendOptions
    from ..inference.store import ReleasedModel

PRUNE_DAYS = 30
"""Long enough for going back to the model of the last update."""

_EXAMPLES = """\
Finds the published encoders' weights (about 0.5 GB; fetches them if need be), verifies them and
builds what the engine loads. Commands and nodes do the same when it is missing, only later.

examples:
  skill-predictor prepare
  skill-predictor prepare --encoders /media/stick/encoders --offline
  skill-predictor prepare --precision fp32 --rebuild
  skill-predictor prepare --prune        # and delete what earlier models and versions left
"""


def add_parser(subparsers) -> None:
    """Add the sub-command to the parser."""
    parser = subparsers.add_parser(
        'prepare', help='fetch weights and build what the engine loads', epilog=_EXAMPLES,
        description='Fetch weights and build what the engine loads, so that the first prediction '
        'does not wait for it.')
    add_model_options(parser)
    parser.add_argument('--rebuild', action='store_true', help='build even what is there')
    parser.add_argument(
        '--prune', type=days, nargs='?', const=PRUNE_DAYS, metavar='DAYS',
        help='then delete from the cache what was built from any model, with any precision, and was '
        f'not loaded for so many days (default: {PRUNE_DAYS}); it would be built again when needed')


def run(args: argparse.Namespace) -> int:
    """Build what is missing, and load it once to see that it works."""
    from ..inference.backends import BackendOptions
    from ..inference.errors import BackendError
    from ..inference.locations import find_model
    from ..inference.store import read_model
    engines = _engines(args.backend)
    started = time.monotonic()
    model = read_model(find_model(args.model))
    options = BackendOptions(args.precision, encoders_folder=args.encoders, offline=args.offline)
    steps = []
    with progress_lines(keep=True) as say:
        def step(line: str) -> None:
            steps.append(line)  # a step is told only when there is something to do
            say(line)
        for engine in engines:
            try:
                paths, trouble = _ready(engine, model, options, step, say, args.rebuild)
                break
            except Exception as error:  # the next one, as a node goes on with ``auto``
                if engine == engines[-1]:
                    raise
                say(f'not with {engine}: {error}')
    verb = f'ready after {time.monotonic() - started:.1f} s' if steps else 'already there'
    print(f'{model.version}: {verb}', *(f'  {path}' for path in paths), sep='\n')
    if trouble:
        raise BackendError(trouble)
    if args.prune is not None:
        _prune(args.prune, {path.parent for path in (*paths, *_second(engine, model, options))})
    return 0


def _ready(engine: str, model: ReleasedModel, options: BackendOptions, step: Callable[[str], None],
           say: Callable[[str], None], rebuild: bool) -> tuple[list[Path], str]:
    """Files of an engine that loads, and what is not as it should be."""
    from ..inference.backends import BACKENDS
    from ..inference.predictor import SkillPredictor
    paths = BACKENDS[engine].prepare(model, options, step, rebuild=rebuild)
    with closing(SkillPredictor.load(model.path, engine, options, say)) as predictor:
        return paths, predictor.backend.trouble


def _second(engine: str, model: ReleasedModel, options: BackendOptions) -> list[Path]:
    """Files with which the CPU takes over from a GPU; they are there."""
    from ..inference.backends import on_cpu, OnnxRuntimeBackend
    if engine == OnnxRuntimeBackend.name:
        return []
    return OnnxRuntimeBackend.prepare(model, on_cpu(options), lambda line: None)


def _prune(unused_days: float, keep: set[Path]) -> None:
    from ..inference.built_files import remove_unused
    from ..inference.locations import artefacts_dir
    gone = remove_unused(artefacts_dir(), unused_days * 86400, keep)
    for folder, size in gone:
        print(f'deleted {folder} ({size / 1e6:.0f} MB)')
    print(f'{sum(size for _, size in gone) / 1e6:.0f} MB freed: not loaded for {unused_days:g} days')


def _engines(backend: str) -> list[str]:
    """Engines to prepare for, best first; complains before minutes of work when there are none."""
    from ..inference.backends import unavailable
    from ..inference.choices import ENGINES
    from ..inference.errors import BackendError
    reasons = {name: unavailable(name) for name in (ENGINES if backend == 'auto' else (backend,))}
    if found := [name for name, reason in reasons.items() if reason is None]:
        return found
    raise BackendError('no engine can run the model here: ' + '; '.join(
        f'{name}: {reason}' for name, reason in reasons.items()))
