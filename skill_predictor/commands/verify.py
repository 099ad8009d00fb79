"""``skill-predictor verify``: every form of a model answers like the one that was trained."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Sequence
from contextlib import closing, ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from . import (add_model_option, add_weights_options, output, progress_bar, progress_lines,
               UsageError)
from .argument_types import fraction
from ..dataset.records import label_flags, read_tasks, TaskRecord

if TYPE_CHECKING:
    import numpy as np

    from ..evaluation.agreement import Agreement

_EXAMPLES = """\
The reference is PyTorch in float32 (transformers' own modules) where it is installed, else the ONNX
graph in float32. Tasks are run one by one. Of several files there are the figures of each as well;
it is judged over all. "clearly": decided otherwise although the reference was farther from the
threshold than --max-difference. The exit code is 1 when a form does not agree.

examples:
  skill-predictor verify data/test.jsonl
  skill-predictor verify data/test.jsonl data/test_domains.jsonl --json agreement.json
  skill-predictor verify data/test.jsonl --forms fp32 int8 --model models/mine
"""

FORMS = ('fp32', 'fp16', 'int8', 'tensorrt')
MAX_DIFFERENCE = 0.01
MAX_DROP = 0.005
MAX_CHANGED = 0.01


def add_parser(subparsers) -> None:
    """Add the sub-command to the parser."""
    parser = subparsers.add_parser(
        'verify', help='check that all forms of a model answer alike', epilog=_EXAMPLES,
        description='Compare the graphs and engines that are built from a model with PyTorch.')
    parser.add_argument('tasks', nargs='+', metavar='FILE', help='labelled tasks, JSON Lines')
    parser.add_argument('--forms', nargs='+', choices=FORMS, default=list(FORMS[:3]),
                        help='ONNX graphs in fp32, mixed fp16 and int8; tensorrt needs a GPU '
                             '(default: fp32 fp16 int8)')
    parser.add_argument('--max-difference', type=fraction, default=MAX_DIFFERENCE, metavar='P',
                        help='largest difference of a probability, for all but int8; a '
                             'decision may differ only this near to the threshold '
                             '(default: 0.01)')
    parser.add_argument('--max-drop', type=fraction, default=MAX_DROP, metavar='P',
                        help='by which exact match may be lower in int8 (default: 0.005)')
    parser.add_argument('--max-changed', type=fraction, default=MAX_CHANGED, metavar='SHARE',
                        help='share of the tasks, over all files, that int8 may decide otherwise '
                             '(default: 0.01)')
    parser.add_argument('--json', metavar='FILE', help='write all figures to FILE; -: to standard '
                        'output, and no table')
    add_model_option(parser)
    add_weights_options(parser)


def run(args: argparse.Namespace) -> int:
    """Compare, print a table, judge."""
    import numpy as np
    from ..evaluation.agreement import agreement
    from ..inference.locations import find_model
    from ..inference.store import read_model
    files = [list(read_tasks(path, require_label=True)) for path in args.tasks]
    tasks = [task for part in files for task in part]
    if not tasks:
        raise UsageError(f'there is no task in {", ".join(args.tasks)}')
    labels, model = label_flags(tasks), read_model(find_model(args.model))
    texts = [task.text for task in tasks]
    has_torch = all(importlib.util.find_spec(package) for package in ('torch', 'transformers'))
    name = 'torch' if has_torch else 'fp32'
    if set(args.forms) <= {name}:
        raise UsageError(f'there is nothing to compare: the reference is {name} itself (PyTorch and '
                         'transformers are not installed)')
    _refuse_unreadable(model, tasks)
    with ExitStack() as stack:
        # What cannot be written is better found out now than after three forms.
        stream = stack.enter_context(output(args.json)) if args.json else None
        reference = _probabilities(args, model, name, texts)
        thresholds = np.asarray(model.thresholds, dtype=np.float32)
        answers = {form: _probabilities(args, model, form, texts) for form in args.forms
                   if form != name}

        def found_in(part: slice) -> dict[str, Agreement]:
            return {form: agreement(reference[part], other[part], labels[part], thresholds,
                                    args.max_difference) for form, other in answers.items()}

        found = found_in(slice(None))
        by_file = [(file, part.stop - part.start, found_in(part))
                   for file, part in _parts(args.tasks, files).items()]
        if args.json != '-':
            _table(model.version, name, [('all', len(tasks), found), *by_file])
        if stream:
            stream.write(json.dumps({
                'model': model.version, 'reference': name, 'tasks': len(tasks),
                'files': ', '.join(Path(path).name for path in args.tasks),
                'forms': _plain(found),
                'by_file': [{'file': file, 'tasks': count, 'forms': _plain(forms)}
                            for file, count, forms in by_file]}, indent=2) + '\n')
    wrong = [f'{form}: {reason}' for form, one in found.items()
             if (reason := _disagreement(form, one, len(tasks), args))]
    for line in wrong:
        print(f'does not agree: {line}', file=sys.stderr)
    return 1 if wrong else 0


def _refuse_unreadable(model, tasks: list[TaskRecord]) -> None:
    from ..inference.errors import TextError
    from ..inference.text import clean_text
    from ..inference.tokenizer import TaskTokenizer
    tokenizer = TaskTokenizer.of(model)
    for task in tasks:
        try:
            tokenizer.tokenize(clean_text(task.text))
        except TextError as error:
            raise UsageError(f'task {task.id} cannot be read: {error}; leave it out, or correct it') from error


def _probabilities(args: argparse.Namespace, model, form: str, texts: list[str]) -> np.ndarray:
    import numpy as np
    from ..inference.predictor import SkillPredictor
    print(f'running {form}', file=sys.stderr, flush=True)
    with progress_lines() as say:
        backend = _open(args, model, form, say)
    with closing(SkillPredictor(model, backend)) as predictor, progress_bar(len(texts)) as done:
        # One at a time: in int8, what a text shares a batch with moves its answer a little.
        answers = [predictor.predict([text], done)[0] for text in texts]
    return np.array([answer.probabilities for answer in answers])


def _open(args: argparse.Namespace, model, form: str, say):
    from ..inference.backends import BACKENDS, BackendOptions
    from ..inference.backends.onnxruntime import OnnxRuntimeBackend

    class OnAnyCpu(OnnxRuntimeBackend):
        """Also in half precision, which a CPU merely imitates: slow, but the same rounding."""

        precisions = ('fp32', 'fp16', 'int8')

    options = BackendOptions(form if form in OnAnyCpu.precisions else 'auto',
                             encoders_folder=args.encoders, offline=args.offline)
    if form == 'torch':
        from ..training.reference import TorchBackend
        return TorchBackend.load(model, options, say)
    if form == 'tensorrt':
        return BACKENDS['tensorrt'].load(model, options, say)
    return OnAnyCpu.load(model, options, say)


def _disagreement(form: str, found: Agreement, tasks: int, args: argparse.Namespace) -> str:
    if form == 'int8':
        reasons = [f'exact match is lower by {found.drop:.4f}'] if found.drop > args.max_drop else []
        if found.changed / tasks > args.max_changed:
            reasons.append(f'{found.changed:,} of {tasks:,} tasks are decided otherwise '
                           f'({found.changed / tasks:.4f}, at most {args.max_changed:g})')
        return '; '.join(reasons)
    if found.clearly_changed:
        return (f'{found.clearly_changed} tasks are decided otherwise, and not because they are '
                'next to the threshold')
    if found.largest > args.max_difference:
        return f'a probability differs by {found.largest:.4f}'
    return ''


def _parts(paths: Sequence[str], files: Sequence[Sequence[TaskRecord]]) -> dict[str, slice]:
    """Which tasks are of which file, by its name; nothing where there is only one."""
    if len(files) < 2:
        return {}
    names, parts, start = [Path(path).name for path in paths], {}, 0
    for path, name, tasks in zip(paths, names, files):
        if tasks:  # of none there are no figures
            parts[name if names.count(name) == 1 else path] = slice(start, start + len(tasks))
        start += len(tasks)
    return parts


def _plain(found: dict[str, Agreement]) -> dict[str, dict]:
    return {form: asdict(one) for form, one in found.items()}


def _table(version: str, reference: str,
           parts: Sequence[tuple[str, int, dict[str, Agreement]]]) -> None:
    """Of each form, a line for each part: all tasks, then the files."""
    width = max(8, *(len(name) for name, _, _ in parts)) + 2
    print(f'{version}, {parts[0][1]:,} tasks, compared with {reference}\n\n'
          f'{"form":10}{"file":{width}}{"tasks":>9}{"largest difference":>20}{"mean":>11}'
          f'{"decided otherwise":>19}{"clearly":>9}{"exact match":>13}')
    for form in parts[0][2]:
        for name, tasks, found in parts:
            one = found[form]
            print(f'{form:10}{name:{width}}{tasks:9,}{one.largest:20.2e}{one.mean:11.2e}'
                  f'{one.changed:19,}{one.clearly_changed:9,}{one.exact_match:13.4f}')
