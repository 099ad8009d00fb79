"""``skill-predictor bag evaluate``: what would this model have said to recorded tasks?"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TYPE_CHECKING

from . import add_text_topics, open_bags
from .. import (add_model_options, add_prediction_options, load_predictor, output, progress_bar,
                UsageError)
from ..argument_types import fraction, positive
from ...inference.text import DEFAULT_MAX_LENGTH
from ...outputs import same_file

if TYPE_CHECKING:
    from ...evaluation.bags.events import Event, RecordedTask
    from ...evaluation.bags.labels import Labels
    from ...evaluation.bags.reading import Bag
    from ...evaluation.bags.replayed import Replayed, Said
    from ...inference.predictor import SkillPredictor

_EXAMPLES = """\
Every task of the bags is predicted by the code that serves the node, and compared with the skill
vectors that were recorded, with labels, with a second model, or with an earlier evaluation.

exit codes:
  0  evaluated
  1  nothing could be evaluated, or the gate (--baseline) is closed
  2  wrong usage
  3  evaluated, but a bag is damaged, a clock was set while recording, or no task has a text of
     --labels: what could be read is in the figures

examples:
  skill-predictor bag evaluate recordings/monday
  skill-predictor bag evaluate recordings/* --labels labels.jsonl --json monday.json
  skill-predictor bag evaluate demo_bag --report demo.html
  skill-predictor bag evaluate recordings/* --against models/candidate
  skill-predictor bag evaluate recordings/* --baseline monday.json --max-drop 0.01
  skill-predictor bag evaluate recordings/monday --fleet new.yaml --recorded-fleet old.yaml
"""

SHOWN_CHANGES = 20


def add_parser(actions) -> None:
    """Add the action to the parser."""
    parser = actions.add_parser(
        'evaluate', help='predict recorded tasks', epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Predict the tasks of bags, offline and without ROS, and compare.')
    parser.add_argument('bags', nargs='+', metavar='BAG', help='folder, .mcap, .db3 or .bag')
    parser.add_argument('--labels', metavar='FILE',
                        help='what is right: labelled tasks as JSON Lines, found by their texts; '
                             'goes before labels of the bag')
    parser.add_argument('--label-topic', metavar='TOPIC',
                        help='skill vectors that say what is right, instead of what was answered '
                             "(default: those called task_labels; '': none)")
    parser.add_argument('--vector-topic', metavar='TOPIC',
                        help='skill vectors that were answered (default: those in the namespace of '
                             'their tasks)')
    add_text_topics(parser)
    parser.add_argument('--against', metavar='MODEL', help='a second model to compare with')
    parser.add_argument('--baseline', type=Path, metavar='FILE',
                        help='an earlier --json; exit code 1 when this model is worse')
    parser.add_argument('--max-drop', type=fraction, default=0.01, metavar='P',
                        help='how much worse it may be, 0 to 1: exact match with labels, else share of '
                             'changed decisions (default: 0.01)')
    parser.add_argument('--fleet', type=Path, metavar='FILE',
                        help='let this fleet serve the tasks, as the vectors of now and as the '
                             'recorded ones ask, and say what changes')
    parser.add_argument('--recorded-fleet', type=Path, metavar='FILE',
                        help='the fleet that serves as recorded (default: the same)')
    parser.add_argument('--max-text-length', type=positive, default=DEFAULT_MAX_LENGTH, metavar='N',
                        help="most characters of a task's text, as the node's max_text_length "
                             '(default: %(default)s); longer ones are unreadable')
    parser.add_argument('--json', metavar='FILE', help='write all figures and decisions to FILE; '
                        '-: to standard output, and no table')
    parser.add_argument('--report', metavar='FILE', help='write an HTML page with plots to FILE; -: '
                        'to standard output, and no table')
    add_model_options(parser)
    add_prediction_options(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate all bags together."""
    from ...evaluation.bags.figures import figures, rows
    from ...evaluation.bags.gate import judge
    from ...evaluation.bags.labels import read_labels
    from ...evaluation.bags.preconditions import require_packages
    _refuse_same_files(args)
    require_packages(pages=args.report is not None)
    baseline, fleets = _baseline(args), _fleets(args)
    labels = read_labels(args.labels) if args.labels is not None else None
    troubles: list[str] = []
    with ExitStack() as stack:
        # What cannot be written is better found out now than after the predictions.
        json_stream, page_stream = (stack.enter_context(output(path)) if path else None
                                    for path in (args.json, args.report))
        bags = _open(args, stack, troubles)
        model = stack.enter_context(closing(load_predictor(args)))
        other = _second(args, stack)
        for predictor in (model, other):
            if predictor is not None:
                predictor.max_length = args.max_text_length
        found = _replay(args, bags, model, other, labels, troubles)
        result = {'model': model.version, 'engine': model.backend.device,
                  'against': other.version if other else None,
                  'bags': [bag.name for bag in bags], 'troubles': troubles, 'figures': figures(found),
                  'rows': rows(found), 'fleet': _serve(found, fleets)}
        verdict = judge(baseline, result['rows'], args.max_drop) if baseline is not None else None
        result['gate'] = asdict(verdict) if verdict is not None else None
        _show(args, result, found, verdict)
        if json_stream:
            json_stream.write(json.dumps(result) + '\n')
        if page_stream:
            from ...evaluation.bags.page import page
            page_stream.write(page(result, found, verdict))
    if verdict is not None and not verdict.passed:
        return 1
    return 3 if troubles else 0


def _refuse_same_files(args: argparse.Namespace) -> None:
    same = same_file({'--json': args.json, '--report': args.report, '--baseline': args.baseline,
                      '--labels': args.labels})
    if same is not None:
        raise UsageError(f'{same[0]} and {same[1]} need a file each')


def _open(args: argparse.Namespace, stack: ExitStack, troubles: list[str]) -> list[Bag]:
    bags = open_bags(args.bags, args.text_topics, stack, troubles, label_topic=args.label_topic,
                     vector_topic=args.vector_topic)
    if args.label_topic and not any(bag.label_topics for bag in bags):
        raise UsageError(f'no bag has skill vectors on {args.label_topic}')
    if args.vector_topic is not None and not any(args.vector_topic in bag.vector_topics for bag in bags):
        raise UsageError(f'no bag has skill vectors on {args.vector_topic} (that are no labels)')
    return bags


def _show(args: argparse.Namespace, result: dict[str, Any], found: Replayed, verdict) -> None:
    from ...evaluation.bags.table import gate, printable, table
    if '-' not in (args.json, args.report):
        print(table(result, found, verdict, SHOWN_CHANGES))
    elif verdict is not None:
        print('\n'.join(map(printable, gate(verdict, SHOWN_CHANGES))), file=sys.stderr)
    for trouble in result['troubles']:
        print(f'trouble: {printable(trouble)}', file=sys.stderr)


def _replay(args: argparse.Namespace, bags: list[Bag], model: SkillPredictor,
            other: SkillPredictor | None, labels: Labels | None, troubles: list[str]) -> Replayed:
    from ...evaluation.bags.evaluation import replay
    from ...evaluation.bags.ordering import in_order
    from ...evaluation.bags.reading import BagError
    events = in_order((bag.start_ns, _of_source(bag, number)) for number, bag in enumerate(bags))
    with progress_bar(sum(bag.tasks for bag in bags), '-' in (args.json, args.report)) as done:
        found = replay(
            events, _asker(model), other=_asker(other) if other else None, labels=labels,
            label_topics=frozenset().union(*(bag.label_topics for bag in bags)),
            keep_tasks=args.fleet is not None, on_task=done)
    troubles += [f'{bag.name}: {trouble}' for bag in bags for trouble in bag.troubles]
    troubles += found.troubles(args.labels)
    if not found.ids:
        raise BagError('; '.join(['there is no task in ' + ', '.join(args.bags), *troubles]))
    return found


def _of_source(bag: Bag, number: int) -> Iterator[Event]:
    """A bag's events, marked with its number: ids of two bags have nothing to do with each other."""
    for event in bag.events():
        yield replace(event, source=(number, event.source))


def _asker(predictor: SkillPredictor) -> Callable[[RecordedTask], Said]:
    from ...evaluation.bags.replayed import Said

    def ask(task: RecordedTask) -> Said:
        started = time.perf_counter()
        answer = predictor.predict([task.text])[0]
        return Said(answer.required, (time.perf_counter() - started) * 1e3, answer.error)
    return ask


def _second(args: argparse.Namespace, stack: ExitStack) -> SkillPredictor | None:
    if args.against is None:
        return None
    other = argparse.Namespace(**{**vars(args), 'model': args.against})
    return stack.enter_context(closing(load_predictor(other)))


def _fleets(args: argparse.Namespace) -> tuple[Any, Any] | None:
    """The fleet of now, and the recorded one."""
    if args.fleet is None:
        if args.recorded_fleet is not None:
            raise UsageError('--recorded-fleet needs --fleet')
        return None
    from ...allocation.capabilities import FleetError, load_fleet
    try:
        fleet = load_fleet(args.fleet)
        return fleet, load_fleet(args.recorded_fleet) if args.recorded_fleet else fleet
    except FleetError as error:
        raise UsageError(str(error)) from error


def _serve(found: Replayed, fleets: tuple[Any, Any] | None) -> dict[str, Any] | None:
    if fleets is None:
        return None
    from ...evaluation.bags.service import beside
    return beside(found, *fleets)


def _baseline(args: argparse.Namespace) -> list[dict[str, Any]] | None:
    if args.baseline is None:
        return None
    try:
        rows = json.loads(args.baseline.read_text(encoding='utf-8'))['rows']
        for row in rows:
            row['id'], row['required'], row['right']
        return rows
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f'{args.baseline} is no evaluation of bags (--json): {error}') from error
