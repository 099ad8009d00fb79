"""``skill-predictor data``: make, audit, divide, count and check labelled tasks."""

from __future__ import annotations

import argparse
import importlib

COMMANDS = ('generate', 'audit', 'split', 'stats', 'probe', 'curve', 'check')
"""In the order in which a dataset goes through them; each is a module of this folder."""

_EXAMPLES = """\
A dataset is a folder with dataset.yaml and one JSON Lines file per split; see data/README.md.

examples:
  skill-predictor data check data
  skill-predictor data stats data
  skill-predictor data generate --model my-model --base-url http://localhost:8000/v1 \\
      --tasks 500 --output raw.jsonl
  skill-predictor data audit --help
"""


def add_parser(subparsers) -> None:
    """Add the sub-command, and its own sub-commands, to the parser."""
    parser = subparsers.add_parser(
        'data', help='make, audit, divide, count and check labelled tasks', epilog=_EXAMPLES,
        description='Make, audit, divide, count and check labelled tasks.')
    actions = parser.add_subparsers(dest='action', metavar='ACTION', required=True)
    for name in COMMANDS:
        module = importlib.import_module(f'{__name__}.{name}')
        module.add_parser(actions)
        actions.choices[name].set_defaults(run_action=module.run)


def run(args: argparse.Namespace) -> int:
    """Run the chosen action."""
    return args.run_action(args)
