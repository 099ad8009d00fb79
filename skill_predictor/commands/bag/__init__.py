"""``skill-predictor bag``: evaluate recordings, and write small ones."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...evaluation.bags.reading import Bag

COMMANDS = ('evaluate', 'info', 'tasks', 'record-demo')
"""Each is a module of this folder."""

_EXAMPLES = """\
Recordings of ROS 2 (sqlite3 and MCAP, compressed, split) and of ROS 1 are read without ROS.

examples:
  skill-predictor bag info recordings/monday
  skill-predictor bag evaluate recordings/monday
  skill-predictor bag tasks recordings/monday --output monday.jsonl
  skill-predictor bag record-demo data/test.jsonl --output demo_bag
"""


def add_parser(subparsers) -> None:
    """Add the sub-command, and its own sub-commands, to the parser."""
    parser = subparsers.add_parser(
        'bag', help='evaluate recorded bags', epilog=_EXAMPLES,
        description='Evaluate a model on recorded bags, and write small bags.')
    actions = parser.add_subparsers(dest='action', metavar='ACTION', required=True)
    for name in COMMANDS:
        module = importlib.import_module(f'{__name__}.{name.replace("-", "_")}')
        module.add_parser(actions)
        actions.choices[name].set_defaults(run_action=module.run)


def add_text_topics(parser: argparse.ArgumentParser) -> None:
    """Add the option that names topics of plain texts."""
    parser.add_argument('--text-topics', nargs='+', metavar='TOPIC',
                        help='std_msgs/String topics that carry tasks (default: those called '
                             'task_text)')


def open_bags(paths: Sequence[str], text_topics: Sequence[str] | None, stack: ExitStack,
              troubles: list[str], **topics: str | None) -> list[Bag]:
    """The bags that can be opened; of the others ``troubles`` tells. ``topics``: see :class:`Bag`.

    Raises
    ------
    BagError
        When none can be opened, or none has one of the topics of plain texts.
    """
    from ...evaluation.bags.reading import Bag, BagError
    bags = []
    for path in paths:
        try:
            bags.append(stack.enter_context(Bag(path, text_topics, **topics)))
        except BagError as error:
            troubles.append(str(error))
    if not bags:
        raise BagError('; '.join(troubles))
    nowhere = [name for name in text_topics or () if all(name in bag.absent for bag in bags)]
    if nowhere:
        raise BagError(f'none of {", ".join(paths)} has a topic {", ".join(nowhere)}')
    return bags


def run(args: argparse.Namespace) -> int:
    """Run the chosen action."""
    return args.run_action(args)
