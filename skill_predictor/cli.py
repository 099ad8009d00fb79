"""The command ``skill-predictor``: its sub-commands, its errors and its exit codes.

Exit codes: 0 done, 1 failed (or some task could not be answered), 2 wrong usage, 3 evaluated, but
not all of a recording can be trusted, 130 interrupted, 141 the reader of standard output went away.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from . import __version__
from .commands import UsageError

PROGRAM = 'skill-predictor'

COMMANDS = ('prepare', 'build-engines', 'info', 'predict', 'evaluate', 'benchmark', 'bag', 'compare',
            'report', 'data', 'train', 'verify', 'ablate')
"""Sub-commands in the order a user meets them; each is a module of ``commands``."""

_EXAMPLES = """\
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
    if hasattr(sys.stdout, 'reconfigure'):
        sys.stdout.reconfigure(errors='replace')  # a letter that the terminal lacks is no failure
    args = argparse.Namespace(command=None, debug=False)
    try:
        args = _parser().parse_args(argv, args)
        code = args.run(args)
        sys.stdout.flush()  # here, so that a reader who went away is met inside of the try
        return code
    except SystemExit as stop:  # of argparse: --help, --version, a wrong argument
        return int(stop.code or 0)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _discard_stdout()
        return 141
    except Exception as error:
        if args.debug:
            raise
        return _fail(f'{PROGRAM} {args.command}' if args.command else PROGRAM, error)


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
            # Before or after the sub-command; absent here must not undo what stands before.
            commands.choices[name].add_argument('--debug', default=argparse.SUPPRESS, **debug)
    return parser


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
    if isinstance(error, UsageError):
        print(f'Try: {program} --help', file=sys.stderr)
        return 2
    return 1


def _explain(error: Exception) -> str:
    # Late: a usage error must not wait for these.
    from .dataset.chat import AnswerError, ChatError
    from .dataset.records import RecordError
    from .evaluation.bags.reading import BagError
    from .inference.errors import BackendError, ModelError, TextError
    if isinstance(error, TextError):
        return f'a text cannot be read: {error}'
    if isinstance(error, (UsageError, ModelError, BackendError, RecordError, ChatError,
                          AnswerError, BagError)):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f'{error.filename}: {error.strerror}' if error.filename else error.strerror
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f'{error} (pip install {error.name.partition(".")[0]})'
    if isinstance(error, ImportError):
        return str(error)
    return f'unexpected {type(error).__name__}: {error}; --debug shows where it comes from'


def _discard_stdout() -> None:
    """Let the flush at the interpreter's end go nowhere instead of to the closed pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
