"""``skill-predictor data generate``: have a language model write labelled tasks."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from .. import UsageError
from ..argument_types import positive, seed
from ...dataset.boundaries import BOUNDARIES
from .options import add_chat_options, add_guide_option, chat_model, read_guide

if TYPE_CHECKING:
    from ...dataset.generation.generate import Progress
    from ...dataset.generation.grid import Request

_EXAMPLES = """\
The tasks are spread evenly over domains, places, skill sets, registers, lengths and degrees of
explicitness (--grid). The same command again goes on where a stopped run was. Every written label is
a draft until `skill-predictor data audit` has checked it.

examples:
  skill-predictor data generate --model my-model --base-url http://localhost:8000/v1 \\
      --tasks 500 --output raw.jsonl
  skill-predictor data generate --model my-model --boundary-pairs 100 --kinds carry height \\
      --output pairs.jsonl
  skill-predictor data generate --model my-model --tasks 8 --output x.jsonl --dry-run
"""


def add_parser(subparsers) -> None:
    """Add the action to the parser."""
    parser = subparsers.add_parser(
        'generate', help='have a language model write labelled tasks', epilog=_EXAMPLES,
        description='Have a language model write labelled tasks.')
    parser.add_argument('--output', required=True, metavar='FILE',
                        help='JSON Lines file that the tasks are appended to; the same command again goes on '
                             'where a stopped run was')
    parser.add_argument('--tasks', type=positive, default=0, metavar='N',
                        help='tasks of the coverage grid')
    parser.add_argument('--boundary-pairs', type=positive, default=0, metavar='N',
                        help='contrast pairs about boundaries of the guide')
    parser.add_argument('--kinds', nargs='+', choices=BOUNDARIES, default=list(BOUNDARIES),
                        metavar='KIND', help='boundaries of the contrast pairs (default: all of '
                        f'{", ".join(BOUNDARIES)})')
    parser.add_argument('--writer', default='llm', metavar='NAME',
                        help="writer's name for the tasks, the unit of holding out; give each run "
                             'its own (default: llm)')
    parser.add_argument('--grid', metavar='FILE', help='coverage grid as YAML (default: the '
                        "package's own)")
    add_guide_option(parser)
    parser.add_argument('--per-request', type=positive, default=8, metavar='N',
                        help='tasks, or pairs, of one request (default: 8)')
    parser.add_argument('--seed', type=seed, default=0, metavar='N',
                        help='start of the random plan (default: 0)')
    parser.add_argument('--dry-run', action='store_true',
                        help='show the plan and its first prompt; ask nobody')
    add_chat_options(parser)


def run(args: argparse.Namespace) -> int:
    """Generate; 1 when some requests failed."""
    guide = read_guide(args.guide)
    plan = _plan(args)
    if args.dry_run:
        _show_plan(plan, guide)
        return 0
    progress = asyncio.run(_generate(args, plan, guide))
    for reason, count in progress.left_out.most_common(10):
        print(f'{count} tasks left out: {reason}', file=sys.stderr)
    print(f'{progress.kept} tasks in {args.output}; {progress.done} of {progress.requests} '
          f'requests done')
    return 0 if progress.done == progress.requests else 1


def _plan(args: argparse.Namespace) -> list[Request]:
    from ...dataset.generation.grid import CoverageGrid, DEFAULT_GRID, GridError
    if not args.tasks and not args.boundary_pairs:
        raise UsageError('nothing to write: give --tasks N, --boundary-pairs N, or both')
    try:
        grid = CoverageGrid.read(args.grid or DEFAULT_GRID)
    except GridError as error:
        raise UsageError(f'--grid: {error}') from error
    plan = grid.plan(args.tasks, args.per_request, args.seed)
    return plan + grid.plan_boundaries(args.boundary_pairs, args.per_request, args.seed, args.kinds)


def _show_plan(plan: list[Request], guide: str) -> None:
    from ...dataset.generation.prompts import messages
    print(f'{len(plan)} requests for {sum(request.tasks for request in plan)} tasks; the first:\n')
    for message in messages(plan[0], guide):
        print(f'[{message["role"]}]\n{message["content"]}\n')


async def _generate(args: argparse.Namespace, plan: list[Request], guide: str) -> Progress:
    from ...dataset.generation.generate import Generator
    async with chat_model(args) as model:
        generator = Generator(model, guide, args.output, args.writer)

        def say(progress: Progress) -> None:
            usage = model.usage
            cost = f', cost {usage.cost:.2f}' if any(args.price) else ''
            print(f'{progress.done} of {progress.requests} requests, {progress.kept} tasks, '
                  f'{usage.tokens_in + usage.tokens_out:,} tokens{cost}'
                  + (f', {progress.failed} failed' if progress.failed else ''),
                  file=sys.stderr, flush=True)
        progress = await generator.run(plan, args.parallel, say)
        if model.usage.spent and progress.done < progress.requests:
            print(f'the limit --max-cost {args.max_cost:g} is reached; with a higher one the same '
                  'command goes on', file=sys.stderr)
        return progress
