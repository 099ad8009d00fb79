"""The sub-commands of ``skill-predictor``, one module each, and what they share.

A module has ``add_parser(subparsers)`` and ``run(args) -> int``, the exit code. Everything heavy is
imported inside of ``run``, so that help and usage errors come at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO, TYPE_CHECKING

from .argument_types import threads
from ..inference.choices import ENGINES, PRECISIONS
from ..outputs import output as output
from ..taxonomy import skill_index, SKILLS, UnknownSkillError

if TYPE_CHECKING:
    from ..inference.predictor import SkillPredictor

LONG_RUN = 100
"""With more tasks than this a progress bar appears."""


class UsageError(Exception):
    """Arguments that do not fit together."""


def add_model_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--model``."""
    parser.add_argument(
        '--model', metavar='NAME', help='folder or name of a released model '
        '(default: $SKILL_PREDICTOR_MODEL, else the one of this version)')


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which model to load and how."""
    add_model_option(parser)
    parser.add_argument('--backend', choices=('auto', *ENGINES), default='auto',
                        help='engine; auto takes the best that works here (default)')
    parser.add_argument('--precision', choices=PRECISIONS, default='auto',
                        help='what the engine computes in; auto: int8 on the CPU, fp16 on a GPU '
                             '(default)')
    add_weights_options(parser)


def add_weights_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where the published encoders come from."""
    parser.add_argument('--encoders', metavar='DIR', help='where the weights of the published '
                        'encoders lie (default: $SKILL_PREDICTOR_ENCODERS, else the usual places)')
    parser.add_argument('--offline', action='store_true', help='never download anything')


def add_prediction_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a command that predicts: threads and thresholds."""
    parser.add_argument('--threads', type=threads, default=0, metavar='N',
                        help='CPU threads (default: one per core)')
    parser.add_argument(
        '--threshold', type=_threshold, action='append', default=[], metavar='[SKILL=]P',
        help='probability from which a skill is required: 0.5 for all skills, hands=0.4 for one; '
        'may be repeated (default: what the model states)')
    parser.add_argument('--as-written', action='store_true',
                        help='read mistyped words as they are, not as they were meant')


def _threshold(text: str) -> tuple[str, float]:
    name, named, number = text.rpartition('=')
    try:
        if named:
            skill_index(name)
        value = float(number)
    except UnknownSkillError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    except ValueError:
        value = -1.0
    if not 0.0 < value <= 1.0:
        raise argparse.ArgumentTypeError(
            f'{number!r} is no threshold; give a number above 0 and at most 1')
    return name, value


def standard_input() -> TextIO:
    """Standard input.

    Raises
    ------
    UsageError
        When it is closed.
    """
    if sys.stdin is None:
        raise UsageError('standard input is closed; give a file with --input')
    return sys.stdin


def apply_thresholds(own: tuple[float, ...],
                     wanted: list[tuple[str, float]]) -> tuple[float, ...]:
    """Six thresholds: the model's own, replaced by a value for all, replaced by named ones.

    Parameters
    ----------
    own
        The model's thresholds in vector order.
    wanted
        Skill (empty: all) and value, as the user gave them; of two for the same skill the last
        counts.
    """
    named = dict(wanted)
    general = named.get('')
    return tuple(named.get(skill, threshold if general is None else general)
                 for skill, threshold in zip(SKILLS, own))


def load_predictor(args: argparse.Namespace) -> SkillPredictor:
    """Load the predictor that the model and prediction options ask for.

    Raises
    ------
    ModelError, BackendError
        See :meth:`SkillPredictor.load`.
    """
    from ..inference.backends import BackendOptions
    from ..inference.predictor import SkillPredictor
    options = BackendOptions(args.precision, args.threads, args.encoders, args.offline)
    with progress_lines() as say:
        predictor = SkillPredictor.load(args.model, args.backend, options, say)
    predictor.thresholds = apply_thresholds(predictor.thresholds, args.threshold)
    predictor.correct_spelling = not args.as_written
    return predictor


@contextmanager
def progress_lines(keep: bool = False) -> Iterator[Callable[[str], None]]:
    """A function that shows on stderr what is being done.

    On a terminal: beside a spinner that vanishes at the end. Elsewhere: a line each.

    Parameters
    ----------
    keep
        Also leave a line each on a terminal.
    """
    console = _terminal()
    if console is None:
        yield lambda line: print(line, file=sys.stderr, flush=True)
        return
    from rich.text import Text
    with console.status('loading') as status:
        def say(line: str) -> None:
            if keep:
                console.print(Text(line))
            status.update(Text(line))
        yield say


@contextmanager
def progress_bar(total: int, writes_stdout: bool = False) -> Iterator[Callable[[int], None]]:
    """A function to be called with the number of tasks done since the last call.

    It moves a bar on stderr when there are many tasks, and answers do not run over the same
    terminal.

    Parameters
    ----------
    total
        How many tasks there are.
    writes_stdout
        Whether answers go to standard output.
    """
    in_the_way = writes_stdout and sys.stdout.isatty()
    console = None if total <= LONG_RUN or in_the_way else _terminal()
    if console is None:
        yield lambda count: None
        return
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn
    # Rich would otherwise send standard output to stderr while the bar lives.
    with Progress(*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn(),
                  console=console, transient=True, redirect_stdout=False) as bar:
        task = bar.add_task('predicting', total=total)
        yield lambda count: bar.advance(task, count)


def _terminal():
    """Rich's console on stderr; ``None`` when stderr is no terminal or rich is not installed."""
    if not sys.stderr.isatty():
        return None
    try:
        from rich.console import Console
    except ModuleNotFoundError:
        return None
    return Console(stderr=True)
