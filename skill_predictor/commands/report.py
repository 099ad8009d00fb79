"""``skill-predictor report``: a model's evaluation as one HTML page, or in short as Markdown."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TYPE_CHECKING

from . import (add_model_options, add_prediction_options, load_predictor, output, progress_bar,
               UsageError)
from .compare import read_judged, texts_sha256
from ..dataset.manifest import TEST, TEST_DOMAINS
from ..dataset.records import label_flags, read_sentences, TaskRecord
from ..outputs import require_writable

if TYPE_CHECKING:
    from ..evaluation.ablation import Effect

_EXAMPLES = """\
The page needs no other file and no network. A FILE that ends in .md gets the figures alone, and one
picture in a file of the same name with .svg. Tasks are predicted one by one by the code that serves the model.

examples:
  skill-predictor report data --output report.html
  skill-predictor report data --output evaluation.md
  skill-predictor compare data --json comparison.json
  skill-predictor report data --comparison comparison.json --output report.html
"""

DISTRACTORS = 'distractors_test.txt'
"""File of a dataset's folder with sentences that ask for nothing, for the robustness figures."""


def add_parser(subparsers) -> None:
    """Add the sub-command to the parser."""
    parser = subparsers.add_parser(
        'report', help='write the evaluation of a model as an HTML page', epilog=_EXAMPLES,
        description='Write the evaluation of a model, with plots, as one HTML page.')
    parser.add_argument('data', type=Path, metavar='DATA', help="the dataset's folder")
    parser.add_argument('--output', required=True, metavar='FILE',
                        help='the page to write, or the Markdown file (.md); '
                        '-: the page, to standard output')
    parser.add_argument('--splits', nargs='+', default=[TEST, TEST_DOMAINS], metavar='SPLIT',
                        help='tasks to judge by (default: test test_domains)')
    parser.add_argument('--comparison', metavar='FILE',
                        help='add the systems of `skill-predictor compare --json FILE`')
    parser.add_argument('--ablation', nargs='+', default=[], metavar='FILE',
                        help='add the tables of `skill-predictor ablate --output FILE`')
    parser.add_argument('--agreement', metavar='FILE',
                        help='add the table of `skill-predictor verify --json FILE`')
    add_model_options(parser)
    add_prediction_options(parser)


def run(args: argparse.Namespace) -> int:
    """Predict, and write the page."""
    from ..evaluation.bags.preconditions import require_packages
    from ..evaluation.report.page import page
    from ..evaluation.report.plots import coverages
    from ..evaluation.report.summary import summary
    require_packages(pages=True)
    picture = Path(args.output).with_suffix('.svg') if args.output.endswith('.md') else None
    for path in filter(None, (args.output, picture)):
        require_writable(path)  # better found out now than after the predictions
    judged = read_judged(args.data, args.splits)
    comparisons, agreement = _comparison(args.comparison, judged), _agreement(args.agreement)
    ablations = {_name(path, args.ablation): _ablation(path) for path in args.ablation}
    with closing(load_predictor(args)) as predictor:
        model, backend = predictor.model, predictor.backend
        _check_version(predictor.version, args, comparisons, agreement)
        found = [_judge(predictor, name, tasks, args.data) for name, tasks in judged.items()]
        about = {'model': predictor.version, 'engine': f'{backend.name}, {backend.device}',
                 'tasks': ', '.join(f'{name} {len(tasks):,}' for name, tasks in judged.items())}
    title = f'{model.name}: evaluation'
    if picture is not None:
        text = summary(title, about, found, comparisons, ablations, agreement, picture.name)
        with output(str(picture)) as stream:
            stream.write(coverages({split.name: (split.read.labels, split.read.moved)
                                    for split in found}))
    else:
        text = page(title, about, found, comparisons, ablations, agreement)
    with output(args.output) as stream:
        stream.write(text)
    return 0


def _judge(predictor, name: str, tasks, folder: Path):
    import numpy as np
    from ..evaluation.report.facts import decisions, JudgedSplit
    from ..evaluation.robustness import PLAIN, variants
    labels = label_flags(tasks)
    path = folder / DISTRACTORS
    manners = variants([task.text for task in tasks],
                       read_sentences(path) if path.exists() else [])
    right, plain, errors = {}, None, ()
    with progress_bar(len(tasks) * len(manners)) as done:
        for manner, texts in manners.items():
            # One at a time: what a text shares a batch with must not move its answer.
            answers = [predictor.predict([text], done)[0] for text in texts]
            probabilities = np.array([answer.probabilities for answer in answers],
                                     dtype=np.float32)
            decided = decisions(labels, probabilities, predictor.thresholds)
            right[manner] = (decided == labels).all(axis=1)
            if manner == PLAIN:
                plain, errors = probabilities, [answer.error for answer in answers]
            if np.isnan(plain).any(axis=1).all():
                raise UsageError(f'the model can read none of the texts of {name}: {answers[0].error}')
    return JudgedSplit(name, tasks, labels, plain, predictor.thresholds, right, errors)


def _name(path: str, others: Sequence[str]) -> str:
    """The file's name, with its folder where another has the same."""
    stem = Path(path).stem
    alike = sum(Path(other).stem == stem for other in others) > 1
    return str(Path(path).with_suffix('')) if alike else stem


def _ablation(path: str) -> list[Effect]:
    """What the changes did."""
    from ..evaluation.ablation import effects
    content = _read(path, dict)
    try:
        return effects(content)
    except ValueError as error:
        raise UsageError(f'{path} is no ablation (ablate --output): {error}') from error


def _comparison(path: str | None, judged: Mapping[str, Sequence[TaskRecord]]
                ) -> dict[str, Any] | None:
    content = _read(path, dict)
    for split, part in (content or {}).items():
        if not isinstance(part, dict) or not {'systems', 'tasks', 'texts_sha256'} <= part.keys():
            raise UsageError(f'{path} is no comparison (compare --json)')
        if split in judged and part['texts_sha256'] != texts_sha256(judged[split]):
            raise UsageError(f'{path} compares on other tasks in {split}; compare again')
    return content


def _check_version(expected: str, args: argparse.Namespace, comparisons: dict[str, Any] | None,
                 agreement: dict[str, Any] | None) -> None:
    """Refuse figures of another model: under this one's name they would be wrong."""
    if agreement is not None and agreement.get('model') != expected:
        raise UsageError(f'{args.agreement} is of {agreement.get("model")}, not of {expected}; '
                         'verify again')
    for split, part in (comparisons or {}).items():
        first = part['systems'][0]['name'] if part['systems'] else ''
        # Files of before this was noted have no versions.
        version = part.get('models', {}).get(first, expected)
        if version != expected:
            raise UsageError(f'{args.comparison} is of {version} in {split}, not of {expected}; '
                             'compare again')


def _agreement(path: str | None) -> dict[str, Any] | None:
    content = _read(path, dict)
    if content is not None and not {'forms', 'reference', 'tasks', 'files'} <= content.keys():
        raise UsageError(f'{path} is no agreement (verify --json)')
    if content is not None:
        from ..evaluation.report.facts import forms, forms_title
        try:
            forms(content)
            forms_title(content)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UsageError(f'{path} is no agreement (verify --json): {error!r}') from error
    return content


def _read(path: str | None, kind: type) -> Any:
    if path is None:
        return None
    try:
        content = json.loads(Path(path).read_text(encoding='utf-8'))
    except ValueError as error:
        raise UsageError(f'{path} is not JSON: {error}') from error
    if not isinstance(content, kind):
        raise UsageError(f'{path} holds no JSON {"object" if kind is dict else "list"}')
    return content
