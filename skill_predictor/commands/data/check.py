"""``skill-predictor data check``: whether a dataset is fit to train and judge by."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ...dataset.manifest import read_manifest, read_reported, read_splits
from .options import add_encoder_options, embedder

if TYPE_CHECKING:
    from ...dataset.check import Finding

AUDIT = 'audit.jsonl'

_SHOWN = 10

_EXAMPLES = """\
Checked are the records and the order of labels, coverage, repeated texts, groups, leakage of held-out
domains and writers, the stratification of the test set, the audit, and near-duplicates between the
splits, which takes minutes with mpnet and a minute with minilm. Other files called test_*.jsonl may
repeat nothing of the rest either.

examples:
  skill-predictor data check data
  skill-predictor data check data --encoder minilm
  skill-predictor data check data --fast
"""


def add_parser(subparsers) -> None:
    """Add the action to the parser."""
    parser = subparsers.add_parser(
        'check', help='check a dataset', epilog=_EXAMPLES,
        description='Check whether a dataset is fit to train and judge by.')
    parser.add_argument('folder', type=Path, metavar='DIR', help="the dataset's folder")
    parser.add_argument('--fast', action='store_true',
                        help='without the search for near-duplicates')
    add_encoder_options(parser)


def run(args: argparse.Namespace) -> int:
    """Check; 0 when every check passes, else 1."""
    failed = 0
    for finding in _findings(args):
        failed += not finding.passed
        print(f'{"ok  " if finding.passed else "FAIL"} {finding.check}'
              + (f' ({finding.note})' if finding.note else ''), flush=True)
        for problem in finding.problems[:_SHOWN]:
            print(f'       {problem}')
        if len(finding.problems) > _SHOWN:
            print(f'       and {len(finding.problems) - _SHOWN} more')
    print('the dataset passes' if not failed else f'{failed} checks failed')
    return 1 if failed else 0


def _findings(args: argparse.Namespace) -> Iterator[Finding]:
    from ...dataset import check
    from ...dataset.audit.records import read_audit
    manifest, splits = read_manifest(args.folder), read_splits(args.folder)
    reported = read_reported(args.folder)
    audit = args.folder / AUDIT
    entries = read_audit(audit) if audit.exists() else []
    yield check.check_records(splits, manifest)
    yield check.check_order(args.folder)
    yield check.check_repeats(splits)
    yield check.check_reported(splits, reported)
    yield check.check_groups(splits)
    yield check.check_coverage(splits, manifest)
    yield check.check_stratification(splits, manifest)
    yield check.check_leakage(splits, manifest)
    yield check.check_audit(splits, entries, manifest)
    if not args.fast:
        yield check.check_similarity({**splits, **reported}, manifest,
                                     embedder(args.encoder, args.encoders, args.offline))
