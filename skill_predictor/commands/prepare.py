"""``skill-predictor prepare``: everything that takes time, before the first task comes."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from . import add_model_options, progress_lines

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
        '--prune', type=_days, nargs='?', const=PRUNE_DAYS, metavar='DAYS',
        help='then delete from the cache what was built from any model, with any precision, and was '
        f'not loaded for so many days (default: {PRUNE_DAYS}); it would be built again when needed')


def run(args: argparse.Namespace) -> int:
    """Build what is missing, and load it once to see that it works."""
    from ..inference.backends import BACKENDS, BackendOptions
    from ..inference.locations import find_model
    from ..inference.predictor import SkillPredictor
    from ..inference.store import read_model
    engine = _engine(args.backend)
    started = time.monotonic()
    model = read_model(find_model(args.model))
    options = BackendOptions(args.precision, encoders_folder=args.encoders, offline=args.offline)
    steps = []
    with progress_lines(keep=True) as say:
        def step(line: str) -> None:
            steps.append(line)  # a step is told only when there is something to do
            say(line)
        paths = BACKENDS[engine].prepare(model, options, step, rebuild=args.rebuild)
        SkillPredictor.load(model.path, engine, options, say).close()
    verb = f'ready after {time.monotonic() - started:.1f} s' if steps else 'already there'
    print(f'{model.version}: {verb}', *(f'  {path}' for path in paths), sep='\n')
    if args.prune is not None:
        _prune(args.prune, {path.parent for path in paths})
    return 0


def _prune(days: float, keep: set[Path]) -> None:
    from ..inference.built_files import remove_unused
    from ..inference.locations import artefacts_dir
    gone = remove_unused(artefacts_dir(), days * 86400, keep)
    for folder, size in gone:
        print(f'deleted {folder} ({size / 1e6:.0f} MB)')
    print(f'{sum(size for _, size in gone) / 1e6:.0f} MB freed: not loaded for {days:g} days')


def _days(text: str) -> float:
    days = float(text)
    if not 0 <= days < float('inf'):
        raise argparse.ArgumentTypeError('days must be 0 or more')
    return days


def _engine(backend: str) -> str:
    """The engine to prepare for; complains before minutes of work when none could use the result."""
    from ..inference.backends import unavailable
    from ..inference.choices import ENGINES
    from ..inference.errors import BackendError
    reasons = {name: unavailable(name) for name in (ENGINES if backend == 'auto' else (backend,))}
    for name, reason in reasons.items():
        if reason is None:
            return name
    raise BackendError('no engine can run the model here: ' + '; '.join(
        f'{name}: {reason}' for name, reason in reasons.items()))
