"""``skill-predictor compare``: a model and simpler, or larger, systems on the same tasks."""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TYPE_CHECKING

from . import add_model_options, add_prediction_options, output, UsageError
from .argument_types import count, temperature_or_server
from ..dataset.chat import ChatError
from ..dataset.manifest import read_chosen, TEST, TEST_DOMAINS, TRAIN, VALIDATION
from ..dataset.records import label_flags, RecordError, TaskRecord
from ..extras import install
from ..outputs import require_writable
from .compared_systems import reason_not_to_ask, System, systems

if TYPE_CHECKING:
    import numpy as np

_EXAMPLES = """\
The model is run by the code that serves it; the simple systems are fitted to train.jsonl. Each system
is tested against the model by McNemar's test. Language models are asked through any server with an
OpenAI-compatible API, all with the same prompt and without examples.

The exit code is 1 when a language model that was named is left out.

examples:
  skill-predictor compare data
  skill-predictor compare data --against models/paper --json comparison.json
  skill-predictor compare data --setfit 3000 --no-baselines --earlier comparison.json \\
      --json comparison.json
  skill-predictor compare data --language-models gpt-oss:120b llama4:scout \\
      --base-url http://localhost:11434/v1
"""


def add_parser(subparsers) -> None:
    """Add the sub-command to the parser."""
    parser = subparsers.add_parser(
        'compare', help='compare a model with other systems', epilog=_EXAMPLES,
        description='Compare a model with its single encoders, with simple systems, with other '
                    'models and with language models.')
    parser.add_argument('data', type=Path, metavar='DATA', help="the dataset's folder")
    parser.add_argument('--splits', nargs='+', default=[TEST, TEST_DOMAINS], metavar='SPLIT',
                        help='tasks to compare on (default: test test_domains)')
    parser.add_argument('--against', nargs='+', default=[], metavar='MODEL',
                        help='other released models, as folders or names')
    parser.add_argument('--no-baselines', action='store_true',
                        help='leave out the systems that are fitted here')
    parser.add_argument('--setfit', type=count, default=0, metavar='PAIRS',
                        help='fit SetFit on both encoders too, with this many pairs of tasks '
                             '(default: 0, not at all; 3000 took an hour on 2 busy cores)')
    parser.add_argument('--language-models', nargs='+', default=[], metavar='NAME',
                        help='language models to ask (default: none)')
    parser.add_argument('--base-url', metavar='URL', help='their server, up to /v1 '
                        '(default: $OPENAI_BASE_URL, else OpenAI\'s)')
    parser.add_argument('--answer-format', choices=('json_schema', 'json_object', 'none'),
                        default='json_schema', help='how the server is held to JSON '
                        '(default: json_schema)')
    parser.add_argument('--temperature', type=temperature_or_server, default=0.0, metavar='T',
                        help="0 to 2, or 'server' for the server's own, where it takes no other (default: 0)")
    parser.add_argument('--json', metavar='FILE', help='write figures and every decision to FILE; '
                        '-: to standard output, and no tables')
    parser.add_argument('--earlier', metavar='FILE', help='put the systems of an earlier comparison '
                        'on the same tasks, its --json file, beside those of this one')
    add_model_options(parser)
    add_prediction_options(parser)


def run(args: argparse.Namespace) -> int:
    """Compare, and print a table per split."""
    import numpy as np
    from ..evaluation.metrics import scikit_learn
    from ..inference.store import sha256_file
    scikit_learn()
    if args.setfit and importlib.util.find_spec('setfit') is None:
        raise ImportError(f'--setfit needs the setfit library: {install("train", "setfit")}')
    if args.json:
        require_writable(args.json)  # better found out now than after the first system
    judged = read_judged(args.data, args.splits)
    texts = {name: [task.text for task in tasks] for name, tasks in judged.items()}
    answers: dict[str, dict[str, np.ndarray]] = {name: {} for name in judged}
    unanswered: dict[str, dict[str, int]] = {name: {} for name in judged}
    data = {name: sha256_file(args.data / f'{name}.jsonl') for name in (TRAIN, VALIDATION)}
    versions: dict[str, str] = {}
    fitted: dict[str, str] = {}
    earlier = _earlier(args.earlier, judged, data)
    failed = _leave_out_language_models(args)
    try:
        for system in systems(args, judged):
            print(f'predicting: {system.name}', file=sys.stderr, flush=True)
            try:
                found = {split: system.decide(part) for split, part in texts.items()}
            except ChatError as error:
                print(f'{system.name} is left out: {error}', file=sys.stderr)
                failed = True
                continue
            for split, tasks in judged.items():
                missing = np.ma.getmaskarray(found[split]).any(axis=1)
                # Without an answer every flag is wrong.
                answers[split][system.name] = np.where(
                    missing[:, None], ~label_flags(tasks), np.asarray(found[split]))
                unanswered[split][system.name] = int(missing.sum())
            if system.version:
                versions[system.name] = system.version
                fitted[system.name] = _fitted_to(system, data)
            if args.json and args.json != '-':
                # What is there, should another fail.
                _write(args.json, judged, data, versions, fitted, *_beside(answers, unanswered, earlier),
                       earlier)
    finally:  # one that fails, or Ctrl-C, does not take the tables of the others along
        new = any(answers.values())
        answers, unanswered = _beside(answers, unanswered, earlier)
        if new and args.json != '-':
            _print(judged, answers, unanswered)
    if args.json:
        _write(args.json, judged, data, versions, fitted, answers, unanswered, earlier)
    return 1 if failed else 0


def _print(judged, answers, unanswered) -> None:
    from ..evaluation.comparison import markdown
    for split, tasks in judged.items():
        print(f'{split}, {len(tasks)} tasks\n\n'
              f'{markdown(_compare(tasks, answers[split]), unanswered[split])}\n', flush=True)


def _fitted_to(system: System, data: Mapping[str, str]) -> str:
    """Hash of the training file that a model notes, empty for none; another than this one is pointed out."""
    known = system.data_sha256.get(TRAIN, '')
    if known != data[TRAIN]:
        print(f'{system.name} ' + (f'was fitted to another {TRAIN}.jsonl than the one here' if known else
                                   'does not note what it was fitted to'), file=sys.stderr)
    return known


def _leave_out_language_models(args: argparse.Namespace) -> bool:
    """Say so when none is compared; whether one that was named is left out."""
    if not args.language_models:
        print('no language model was named (--language-models), so none is compared',
              file=sys.stderr)
        return False
    reason = reason_not_to_ask(args)
    if reason:
        print(f'{", ".join(args.language_models)}: left out: {reason}', file=sys.stderr)
        args.language_models = []
    return bool(reason)


def _compare(tasks, answers: dict[str, np.ndarray]):
    from ..evaluation.comparison import compare
    return compare(answers, label_flags(tasks), next(iter(answers)),
                   [task.group for task in tasks])


def _write(path: str, judged, data: dict[str, str], versions: dict[str, str], fitted: dict[str, str],
           answers, unanswered, earlier: dict[str, Any]) -> None:
    found = {**earlier, **{split: {
        'data_sha256': data,
        'models': {**earlier.get(split, {}).get('models', {}), **versions},
        'fitted_to': {**earlier.get(split, {}).get('fitted_to', {}), **fitted},
        'tasks': [task.id for task in tasks], 'texts_sha256': texts_sha256(tasks),
        'systems': [row.to_dict() for row in _compare(tasks, answers[split])],
        'unanswered': unanswered[split],
        'decisions': {name: [''.join('01'[flag] for flag in row) for row in flags.astype(int)]
                      for name, flags in answers[split].items()}}
        for split, tasks in judged.items()}}
    with output(path) as stream:
        stream.write(json.dumps(found) + '\n')


def read_judged(folder: Path, names: Sequence[str]) -> dict[str, list[TaskRecord]]:
    """Splits of a dataset's folder by name.

    Raises
    ------
    RecordError
        When there is no such folder, or see :func:`read_chosen`.
    """
    if not folder.is_dir():
        raise RecordError('there is no such folder; name that of a dataset', str(folder))
    return read_chosen(folder, names)


def texts_sha256(tasks: Sequence[TaskRecord]) -> str:
    """By what a comparison knows its tasks again."""
    return hashlib.sha256('\0'.join(task.text for task in tasks).encode()).hexdigest()


def _earlier(path: str | None, judged, data: dict[str, str]) -> dict[str, Any]:
    """Splits of an earlier comparison, which must be on the same tasks and fitted to the same."""
    import numpy as np
    if path is None:
        return {}
    try:
        before = json.loads(Path(path).read_text(encoding='utf-8'))
        for split, tasks in judged.items():
            part = before[split]
            if (part['tasks'], part['texts_sha256']) != ([task.id for task in tasks], texts_sha256(tasks)):
                raise UsageError(f'{path} compares on other tasks in {split}')
            if part['data_sha256'] != data:
                raise UsageError(f'{path} compares systems that were fitted to, or chosen by, other '
                                 'tasks; compare anew')
            flags = label_flags(tasks)
            if any(_flags(found).shape != flags.shape for found in part['decisions'].values()):
                raise UsageError(f'{path} lacks decisions in {split}')
            part['unanswered'].keys()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f'{path} is no comparison (compare --json) of {", ".join(judged)}: '
                         f'{type(error).__name__} {error}') from error
    return before


def _flags(rows: Sequence[str]) -> np.ndarray:
    """Decisions as they are written, bool, shape (tasks, 6)."""
    import numpy as np
    return np.array([[flag == '1' for flag in row] for row in rows])


def _beside(answers, unanswered, earlier: dict[str, Any]):
    """Systems of now, and those of before that are not among them."""
    import numpy as np
    all_answers = {split: dict(found) for split, found in answers.items()}
    all_unanswered = {split: dict(found) for split, found in unanswered.items()}
    for split, found in all_answers.items() if earlier else ():
        for name, flags in earlier[split]['decisions'].items():
            if name not in found:
                found[name] = _flags(flags)
                all_unanswered[split][name] = earlier[split]['unanswered'].get(name, 0)
    return all_answers, all_unanswered
