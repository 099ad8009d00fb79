"""``skill-predictor bag tasks``: the tasks of bags as JSON Lines, to be labelled."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack

from . import add_text_topics, open_bags
from .. import output

_EXAMPLES = """\
A line of the output is a task, such as {"id": "task-1", "text": "Sweep the deck"}; a text that comes
again is written once. With a "label" added to each (data/LABELING.md says what it means) the file
serves `bag evaluate --labels`, `evaluate --input`, and training.

The exit code is 3 when a bag is damaged: what could be read is written.

examples:
  skill-predictor bag tasks recordings/monday --output monday.jsonl
  skill-predictor bag tasks recordings/* | skill-predictor predict --input -
"""


def add_parser(actions) -> None:
    """Add the action to the parser."""
    parser = actions.add_parser(
        'tasks', help='write the tasks of bags as JSON Lines', epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Write what was asked for while bags were recorded, every text once.')
    parser.add_argument('bags', nargs='+', metavar='BAG', help='folder, .mcap, .db3 or .bag')
    parser.add_argument('--output', default='-', metavar='FILE',
                        help='file to be written (default: standard output)')
    add_text_topics(parser)


def run(args: argparse.Namespace) -> int:
    """Write; 3 when a bag is damaged."""
    from ...evaluation.bags.events import RecordedTask
    from ...evaluation.bags.naming import Names
    from ...evaluation.bags.table import printable
    names, seen, troubles = Names(), set(), []
    with ExitStack() as stack:
        bags = open_bags(args.bags, args.text_topics, stack, troubles)
        stream = stack.enter_context(output(args.output))
        for number, bag in enumerate(bags):
            for event in bag.events():
                if not isinstance(event, RecordedTask) or event.text in seen:
                    continue
                seen.add(event.text)
                name, _ = names.name(event.task_id, event.text, (number, event.source))
                stream.write(_line(name, event.text) + '\n')
            troubles += [f'{bag.name}: {trouble}' for trouble in bag.troubles]
    for trouble in troubles:
        print(f'trouble: {printable(trouble)}', file=sys.stderr)
    print(f'{len(seen):,} tasks', file=sys.stderr)
    return 3 if troubles else 0


def _line(name: str, text: str) -> str:
    row = {'id': name, 'text': text}
    line = json.dumps(row, ensure_ascii=False)
    try:
        line.encode('utf-8')
    except UnicodeEncodeError:  # half a surrogate pair: JSON can say it, UTF-8 cannot
        return json.dumps(row)
    return line
