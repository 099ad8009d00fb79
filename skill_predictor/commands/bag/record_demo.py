"""``skill-predictor bag record-demo``: a small bag of tasks from a file."""

from __future__ import annotations

import argparse
from pathlib import Path

from .. import UsageError
from ..argument_types import count, seconds
from ...dataset.records import read_tasks

_EXAMPLES = """\
Tasks go to /tasks, their labels, as skill vectors, to /task_labels.

examples:
  skill-predictor bag record-demo data/test.jsonl --output demo_bag
  skill-predictor bag record-demo tasks.jsonl --output demo_bag --storage sqlite3 --first 50
"""


def add_parser(actions) -> None:
    """Add the action to the parser."""
    parser = actions.add_parser(
        'record-demo', help='write a bag of tasks', epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Write tasks of a JSON Lines file as a bag, for tests and tutorials.')
    parser.add_argument('tasks', metavar='FILE', help='tasks, with or without label')
    parser.add_argument('--output', required=True, type=Path, metavar='DIR',
                        help='the bag\'s folder, which is made')
    parser.add_argument('--storage', choices=('mcap', 'sqlite3'), default='mcap',
                        help='of the bag (default: mcap)')
    parser.add_argument('--compression', choices=('none', 'file', 'message'), default='none',
                        help='zstd for whole files or single messages (default: none)')
    parser.add_argument('--period', type=seconds, default=1.0, metavar='S',
                        help='seconds between two tasks (default: 1)')
    parser.add_argument('--first', type=count, metavar='N', help='only the first N tasks')


def run(args: argparse.Namespace) -> int:
    """Write the bag."""
    from ...evaluation.bags.writing import LABEL_TOPIC, LONGEST_S, TASK_TOPIC, write_bag
    if args.output.exists():
        raise UsageError(f'there is something at {args.output} already; choose another folder')
    tasks = list(read_tasks(args.tasks))[:args.first]
    if len(tasks) * args.period > LONGEST_S:
        raise UsageError(f'--period {args.period:g}: {len(tasks):,} tasks would go on beyond 2038, which no time '
                         'stamp can say')
    written = write_bag(args.output, tasks, storage=args.storage, compression=args.compression,
                        period_s=args.period)
    labelled = sum(task.label is not None for task in tasks)
    print(f'wrote {written} tasks to {TASK_TOPIC} and {labelled} labels to {LABEL_TOPIC} of '
          f'{args.output}')
    return 0
