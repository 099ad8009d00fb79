"""``skill-predictor benchmark``: how fast the model runs here, engine beside engine."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack, closing
from typing import Any, TYPE_CHECKING

from . import add_model_option, add_weights_options, output, progress_lines
from .argument_types import positive, seconds, threads, whole_number
from ..inference.choices import ENGINES, PRECISIONS

if TYPE_CHECKING:
    from ..inference.predictor import SkillPredictor

_EXAMPLES = """\
Engines are called in turn, round by round, so that whatever else the machine does falls on all alike:
their ratios are worth more than single figures. Run it on an idle machine; on a Jetson, after
`sudo nvpmodel -m 0` and `sudo jetson_clocks`.

examples:
  skill-predictor benchmark
  skill-predictor benchmark --engines onnxruntime:int8 onnxruntime:fp32 tensorrt:fp16
  skill-predictor benchmark --batches 1 32 --tokens 24 --seconds 20 --json speed.json
"""


def add_parser(subparsers) -> None:
    """Add the sub-command to the parser."""
    parser = subparsers.add_parser(
        'benchmark', help='measure latency, throughput and memory', epilog=_EXAMPLES,
        description='Measure how fast the model runs on this machine.')
    add_model_option(parser)
    parser.add_argument('--engines', nargs='+', metavar='NAME[:PRECISION]', default=[],
                        type=_engine, help='what to measure (default: all that work here)')
    parser.add_argument('--batches', nargs='+', type=positive, default=[1, 8, 32], metavar='N',
                        help='tasks that run together (default: 1 8 32)')
    parser.add_argument('--tokens', nargs='+', type=_length, default=[12, 24, 48], metavar='N',
                        help='lengths of a task, special tokens included (default: 12 24 48)')
    parser.add_argument('--seconds', type=seconds, default=5.0, metavar='S',
                        help='for each batch and length (default: 5)')
    parser.add_argument('--threads', type=threads, default=0, metavar='N',
                        help='CPU threads (default: one per core)')
    parser.add_argument('--json', metavar='FILE', help='write all figures to FILE; -: to standard '
                        'output, and no table')
    add_weights_options(parser)


def _engine(text: str) -> tuple[str, str]:
    name, _, precision = text.partition(':')
    if name not in ENGINES or (precision or 'auto') not in PRECISIONS:
        raise argparse.ArgumentTypeError(
            f'{text!r} is no engine; engines: {", ".join(ENGINES)}; precisions: '
            f'{", ".join(PRECISIONS)}')
    return name, precision or 'auto'


def _length(text: str) -> int:
    return whole_number(text, 3, ', a word between two special tokens')


def run(args: argparse.Namespace) -> int:
    """Measure, and print a table."""
    from ..evaluation.speed import machine
    with ExitStack() as stack:
        # What cannot be written is better found out now than after minutes.
        stream = stack.enter_context(output(args.json)) if args.json else None
        loaded, about = _load(args, stack)
        found: dict[str, Any] = {
            'machine': machine.describe(), 'model': next(iter(loaded.values())).model.version,
            'engines': about, 'one_task': _one_task(loaded, args.seconds),
            'batches': _batches(loaded, args), 'roofline': _roofline(loaded, args)}
        if stream:
            stream.write(json.dumps(found, indent=2) + '\n')
    if args.json != '-':
        print(_readable(found))
    return 0


def _load(args: argparse.Namespace, stack: ExitStack
          ) -> tuple[dict[str, SkillPredictor], dict[str, dict[str, Any]]]:
    from dataclasses import asdict
    from ..evaluation.speed import start_up
    from ..inference.backends import BACKENDS, BackendOptions
    from ..inference.errors import BackendError, ModelError
    from ..inference.locations import find_model
    from ..inference.predictor import SkillPredictor
    from ..inference.store import read_model
    model = read_model(find_model(args.model))
    loaded, about = {}, {}
    for name, precision in args.engines or _all_engines():
        options = BackendOptions(precision, args.threads, args.encoders, args.offline,
                                 fallback=False)
        try:
            with progress_lines() as say:
                BACKENDS[name].prepare(model, options, say)  # not part of the start-up
                started = start_up.measure(model.path, name, options)
                predictor = stack.enter_context(closing(
                    SkillPredictor.load(model.path, name, options, say)))
        except (ModelError, OSError):
            raise  # no weights, no room on the disk: another engine lacks them as well
        except Exception as error:  # TensorRT raises what it likes
            if args.engines:
                raise
            kind = '' if isinstance(error, BackendError) else f'{type(error).__name__}: '
            print(f'left out: {name} {precision}: {kind}{error}', file=sys.stderr)
            continue
        loaded[f'{name} {precision}'] = predictor
        about[f'{name} {precision}'] = {
            'device': predictor.backend.device, 'start_up': asdict(started)}
    if not loaded:
        raise BackendError('no engine runs here')
    return loaded, about


def _all_engines() -> list[tuple[str, str]]:
    from ..inference.backends import BACKENDS, unavailable
    return [(name, precision) for name, backend in BACKENDS.items() if unavailable(name) is None
            for precision in backend.precisions]


def _one_task(loaded: dict[str, SkillPredictor], seconds: float) -> dict[str, Any]:
    """From a text to its skills, as a service call asks, one text after the other."""
    from ..evaluation.speed.start_up import TEXTS
    from ..evaluation.speed.timing import side_by_side
    return _plain(side_by_side({
        name: lambda number, predictor=predictor: predictor.predict(
            [TEXTS[number % len(TEXTS)]])
        for name, predictor in loaded.items()}, seconds))


def _batches(loaded: dict[str, SkillPredictor], args: argparse.Namespace) -> list[dict[str, Any]]:
    from ..evaluation.speed.timing import side_by_side
    rows = []
    for batch in args.batches:
        for tokens in args.tokens:
            print(f'measuring {batch} x {tokens} tokens', file=sys.stderr, flush=True)
            tasks = _tasks(next(iter(loaded.values())), batch, tokens)
            timings = side_by_side({
                name: lambda number, predictor=predictor: predictor.probabilities(tasks)
                for name, predictor in loaded.items()}, args.seconds, least=5)
            for name, timing in _plain(timings).items():
                # A large batch of long texts goes through the encoders in parts.
                runs = len(loaded[name].groups([len(task) for task in tasks]))
                rows.append({'engine': name, 'batch': batch, 'tokens': tokens, 'runs': runs, **timing,
                             'tasks_per_s': 1e3 * batch / timing['p50']})
    return rows


def _tasks(predictor: SkillPredictor, batch: int, tokens: int) -> list[list[int]]:
    """The same words over and over: how long a run takes does not depend on them."""
    from ..evaluation.speed.start_up import TEXTS
    words = predictor.tokenize(TEXTS[0])
    count = min(tokens, predictor.model.max_tokens) - 2
    return [(words * (count // len(words) + 1))[:count]] * batch


def _roofline(loaded: dict[str, SkillPredictor], args: argparse.Namespace) -> dict[str, Any]:
    """Bytes of weights over the bandwidth of memory: no engine answers one task faster."""
    from ..evaluation.speed.roofline import gpu_bandwidth, read_bandwidth, weight_bytes
    from ..inference.artefacts import onnx_file
    from ..inference.backends import BACKENDS, BackendOptions
    rates = {'onnxruntime': read_bandwidth()}
    found: dict[str, Any] = {'read_bandwidth_gb_s': rates['onnxruntime'] / 1e9, 'floor_ms': {}}
    if any(label.startswith('tensorrt ') for label in loaded):
        rates['tensorrt'] = gpu_bandwidth()
        found['gpu_bandwidth_gb_s'] = rates['tensorrt'] / 1e9
    for label, predictor in loaded.items():
        name, _, precision = label.partition(' ')
        options = BackendOptions(precision, args.threads, args.encoders, args.offline)
        precision = options.precision_for(BACKENDS[name])
        graphs = [onnx_file(predictor.model, encoder, precision, encoders_folder=args.encoders,
                            offline=args.offline, progress=lambda line: None)
                  for encoder in predictor.model.encoders]
        found['floor_ms'][label] = 1e3 * sum(map(weight_bytes, graphs)) / rates[name]
    return found


def _plain(timings) -> dict[str, dict[str, Any]]:
    from dataclasses import asdict
    return {name: asdict(timing) for name, timing in timings.items()}


def _readable(found: dict[str, Any]) -> str:
    lines = [f'{found["model"]} on {found["machine"]["processor"]}, '
             f'{found["machine"]["cores"]} cores', '',
             f'{"one task":24}{"p50":>9}{"p90":>9}{"p99":>9}   ms; floor by memory bandwidth']
    for name, timing in found['one_task'].items():
        floor = found['roofline']['floor_ms'].get(name)
        tail = f'{floor:.2f} ms, {timing["p50"] / floor:.1f} times that' if floor else ''
        lines.append(f'{name:24}{timing["p50"]:9.2f}{timing["p90"]:9.2f}{timing["p99"]:9.2f}   '
                     f'{tail}'.rstrip())
    lines += ['', f'{"tasks x tokens":24}{"batch":>6}{"tokens":>8}{"runs":>6}{"p50 ms":>9}{"p99 ms":>9}'
                  f'{"tasks/s":>10}']
    lines += [f'{row["engine"]:24}{row["batch"]:6}{row["tokens"]:8}{row["runs"]:6}{row["p50"]:9.2f}'
              f'{row["p99"]:9.2f}{row["tasks_per_s"]:10.0f}' for row in found['batches']]
    lines += ['', *(f'{name}: {entry["device"]}; {_started(entry["start_up"])}'
                    for name, entry in found['engines'].items())]
    return '\n'.join(lines)


def _started(start_up: dict[str, Any]) -> str:
    gpu = start_up['gpu_memory_mb']
    return (f'first answer after {start_up["seconds"]:.1f} s, {start_up["memory_mb"]:.0f} MB'
            + ('' if gpu is None else f', {gpu:.0f} MB of the GPU'))
