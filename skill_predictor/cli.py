"""The command ``skill-predictor``: its sub-commands, its errors and its exit codes.

Exit codes: 0 done, 1 failed (or some task could not be answered), 2 wrong usage, 3 evaluated, but
not all of a recording can be trusted, 130 interrupted, 141 the reader of standard output went away,
143 ended by SIGTERM.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType

from . import __version__

PROGRAM = 'skill-predictor'

COMMANDS = ('prepare', 'build-engines', 'info', 'predict', 'evaluate', 'benchmark', 'bag', 'compare',
            'report', 'data', 'train', 'verify', 'ablate')
"""Sub-commands in the order a user meets them; each is a module of ``commands``."""

TOLD = {'commands': ('UsageError',), 'inference.errors': ('ModelError', 'BackendError'),
        'dataset.lines': ('RecordError',), 'dataset.chat': ('ChatError', 'AnswerError'),
        'evaluation.bags.opening': ('BagError',)}
"""Errors, by their modules, that say by themselves what is wrong and what to do."""

_EXAMPLES = """\
exit codes:
  0  done
  1  failed, a check did not pass, or something could not be answered or was left out
  2  wrong usage
  3  evaluated, but not all of a recording can be trusted (bag)
  130, 143  stopped by Ctrl-C, by SIGTERM;  141  who read the output went away

examples:
  skill-predictor prepare
  skill-predictor predict "Bring me the fire extinguisher from the hallway"
  skill-predictor predict --input tasks.jsonl --output answers.jsonl
  skill-predictor evaluate --input labelled.jsonl
  skill-predictor predict --help
"""


class _Parser(argparse.ArgumentParser):
    """Errors in two lines, without the whole usage before them."""

    def __init__(self, *args, **options) -> None:
        options.setdefault('allow_abbrev', False)  # a new option must not break a script
        options.setdefault('formatter_class', argparse.RawDescriptionHelpFormatter)
        super().__init__(*args, **options)

    def error(self, message: str):
        self.exit(2, f'{self.prog}: {message}\nTry: {self.prog} --help\n')


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv
        Arguments without the program's name; ``None``: those of the process.

    Returns
    -------
    int
        The exit code; see the module's docstring.
    """
    args = argparse.Namespace(program=PROGRAM, debug=False)
    try:
        _ready_streams()
        with _ended_by_sigterm():
            args = _arguments(argv, args)
            code = args.run(args)
            if sys.stdout is not None:
                sys.stdout.flush()  # here, so that a reader who went away is met inside of the try
        return code
    except SystemExit as stop:  # of argparse: --help, --version, a wrong argument; of SIGTERM
        return int(stop.code or 0)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _discard_stdout()
        return 141
    except Exception as error:
        if args.debug:
            raise
        return _fail(args.program, error)


def _ready_streams() -> None:
    if hasattr(sys.stdout, 'reconfigure'):
        sys.stdout.reconfigure(errors='replace')  # a letter that the terminal lacks is no failure
    if sys.stderr is None:
        sys.stderr = open(os.devnull, 'w')  # closed: print() would take standard output instead


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM (timeout, systemd, docker stop) tidy up like Ctrl-C does: no half file stays."""
    if (threading.current_thread() is not threading.main_thread()
            or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL):
        yield
        return

    def stop(number, frame) -> None:
        raise SystemExit(128 + number)
    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _arguments(argv: Sequence[str] | None, args: argparse.Namespace) -> argparse.Namespace:
    parser = _parser()
    args, unknown = parser.parse_known_args(argv, args)
    if unknown:  # said by the command itself, whose help knows what there is
        args.parser.error(f'unrecognized arguments: {" ".join(unknown)}')
    return args


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog=PROGRAM, epilog=_EXAMPLES, description=(
        'Predict which physical skills a task in plain language needs.'))
    parser.add_argument('--version', action='version', version=f'{PROGRAM} {__version__}')
    debug = {'action': 'store_true', 'help': 'show the traceback of an error'}
    parser.add_argument('--debug', **debug)
    commands = parser.add_subparsers(dest='command', metavar='COMMAND', required=True)
    for name in COMMANDS:
        module = _module(name)
        if module is not None:
            module.add_parser(commands)
            commands.choices[name].set_defaults(run=module.run)
    for part in _parts(commands):
        # Before or after any sub-command; absent here must not undo what stands before.
        part.add_argument('--debug', default=argparse.SUPPRESS, **debug)
        part.set_defaults(parser=part, program=part.prog)
    return parser


def _parts(commands: argparse._SubParsersAction) -> Iterator[argparse.ArgumentParser]:
    """Parsers of all sub-commands, and of their own sub-commands."""
    for parser in commands.choices.values():
        yield parser
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                yield from _parts(action)


def _module(command: str) -> ModuleType | None:
    """Module of a sub-command; ``None`` where this installation lacks it."""
    name = f'{__package__}.commands.{command.replace("-", "_")}'
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return None


def _fail(program: str, error: Exception) -> int:
    print(f'{program}: {_explain(error)}', file=sys.stderr)
    if isinstance(error, _known('commands', 'UsageError')):
        print(f'Try: {program} --help', file=sys.stderr)
        return 2
    return 1


def _known(module: str, *names: str) -> tuple[type[Exception], ...]:
    """Classes of a module of ours; what was not imported, because a package is missing, was not raised."""
    loaded = sys.modules.get(f'{__package__}.{module}')
    return tuple(getattr(loaded, name) for name in names if hasattr(loaded, name))


def _explain(error: Exception) -> str:
    if isinstance(error, _known('inference.errors', 'TextError')):
        return f'a text cannot be read: {error}'
    if any(isinstance(error, _known(module, *names)) for module, names in TOLD.items()):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f'{error.filename}: {error.strerror}' if error.filename else error.strerror
    if isinstance(error, ImportError):
        from .extras import advice
        return advice(error)
    return f'unexpected {type(error).__name__}: {error}; --debug shows where it comes from'


def _discard_stdout() -> None:
    """Let the flush at the interpreter's end go nowhere instead of to the closed pipe."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
