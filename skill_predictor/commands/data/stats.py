"""``skill-predictor data stats``: counts of a dataset along every axis, and pictures of them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .check import AUDIT
from .options import read_all
from .. import output
from ...dataset.records import RecordError
from ...outputs import require_writable

if TYPE_CHECKING:
    from ...dataset.audit.agreement import Agreement
    from ...dataset.records import TaskRecord
    from ...dataset.statistics import Statistics

_EXAMPLES = """\
examples:
  skill-predictor data stats data
  skill-predictor data stats data --pictures data/figures --json -
  skill-predictor data stats data --markdown >> card.md
  skill-predictor data stats drafts.jsonl
"""


def add_parser(subparsers) -> None:
    """Add the action to the parser."""
    parser = subparsers.add_parser(
        'stats', help='count a dataset along every axis', epilog=_EXAMPLES,
        description='Count a dataset along every axis, and draw it.')
    parser.add_argument('dataset', metavar='DIR|FILE', type=Path,
                        help="a dataset's folder, or labelled tasks as JSON lines")
    parser.add_argument('--pictures', metavar='DIR', help='write PNG pictures into DIR')
    parser.add_argument('--markdown', action='store_true',
                        help='print the tables of a dataset card instead')
    parser.add_argument('--json', metavar='FILE',
                        help='write the counts to FILE; -: to standard output, and no table')


def run(args: argparse.Namespace) -> int:
    """Count."""
    from ...dataset.statistics import statistics
    if args.json:
        require_writable(args.json)
    splits = _splits(args.dataset)
    agreement = _agreement(args.dataset / AUDIT) if args.dataset.is_dir() else {}
    counted = statistics(splits)
    if args.pictures:
        from ...dataset.pictures import draw
        drawn = draw(args.pictures, splits, counted, agreement)
    if args.json:
        report = {**counted.to_dict(),
                  'agreement': {why: found.to_dict() for why, found in agreement.items()}}
        with output(args.json) as stream:
            stream.write(json.dumps(report, indent=2) + '\n')
    if args.json == '-':
        return 0
    if args.markdown:
        from ...dataset.card_tables import card_tables
        print(card_tables(splits, counted, agreement))
    else:
        _show(counted, agreement)
        for path in drawn if args.pictures else ():
            print(f'wrote {path}')
    return 0


def _splits(path: Path) -> dict[str, list[TaskRecord]]:
    from ...dataset.manifest import read_splits
    if not path.is_dir():
        return {path.stem: read_all([str(path)])}
    splits = read_splits(path)
    if not any(splits.values()):
        raise RecordError('holds no task to count', str(path))
    return splits


def _agreement(path: Path) -> dict[str, Agreement]:
    from ...dataset.audit.agreement import agreement_by_reason
    from ...dataset.audit.records import read_audit
    return agreement_by_reason(read_audit(path)) if path.exists() else {}


def _show(counted: Statistics, agreement: Mapping[str, Agreement]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text
    console = Console()
    quantiles = ', '.join(f'{name} {value:.0f}' for name, value in counted.words.items())
    console.print(f'{counted.tasks:,} tasks, {len(counted.domains)} domains, '
                  f'{len(counted.writers)} writers, {counted.distinct_words:,} different words\n'
                  f'words per task: {quantiles}\n'
                  f'{counted.grouped_tasks:,} tasks in {counted.groups:,} groups', highlight=False)
    for title, counts in (('split', counted.splits), ('skill', counted.skills),
                          ('skill set', counted.skill_sets), ('boundary', counted.boundaries)):
        table = Table(box=box.SIMPLE)
        table.add_column(title)
        table.add_column('tasks', justify='right')
        for name, count in counts.items():
            table.add_row(Text(name), f'{count:,}')
        if counts:
            console.print(table)
    if agreement:
        console.print(_agreement_table(agreement))


def _agreement_table(agreement: Mapping[str, Agreement]):
    from rich import box
    from rich.table import Table
    from ...taxonomy import SKILLS
    table = Table(box=box.SIMPLE, title='agreement of two blind labellings', title_justify='left')
    for column in ('labelled again because', 'tasks', 'exact match', *(f'κ {s}' for s in SKILLS)):
        table.add_column(column, justify='right' if column != 'labelled again because' else 'left')
    for why, found in agreement.items():
        table.add_row(why, f'{found.tasks:,}', f'{found.exact_match:.3f}',
                      *(f'{value:.3f}' for value in found.kappa.values()))
    return table
