"""``skill-predictor bag info``: which tasks, vectors and allocations a bag holds."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from contextlib import ExitStack

from . import add_text_topics, open_bags

_EXAMPLES = """\
The exit code is 3 when the bag is damaged: the counts are of what could be read.

examples:
  skill-predictor bag info recordings/monday
  skill-predictor bag info recordings/monday --text-topics /operator/speech
"""


def add_parser(actions) -> None:
    """Add the action to the parser."""
    parser = actions.add_parser(
        'info', help='what a bag holds', epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Read a bag to its end, and say what it holds.')
    parser.add_argument('bag', metavar='BAG', help='folder, .mcap, .db3 or .bag')
    add_text_topics(parser)


def run(args: argparse.Namespace) -> int:
    """Count; 3 when the bag is damaged."""
    from ...evaluation.bags.table import printable
    counts: Counter[str] = Counter()
    first = last = None
    with ExitStack() as stack:
        bag, = open_bags([args.bag], args.text_topics, stack, [])
        topics = bag.topics
        for event in bag.events():
            counts[event.topic] += 1
            first, last = (event.time_ns if first is None else first), event.time_ns
        for topic, kind in sorted(topics.items()):
            print(f'{counts[topic]:8,}  {topic}  {kind}')
        if first is not None:
            print(f'{(last - first) / 1e9:,.1f} s')
        for trouble in bag.troubles:
            print(f'trouble: {printable(trouble)}', file=sys.stderr)
        return 3 if bag.troubles else 0
