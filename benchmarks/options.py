#!/usr/bin/env python3
"""ONNX Runtime's options: the ones that we take, and each of them changed alone.

One task at a time through both int8 encoders, from tokens to probabilities. Every variant has a process
of its own, and all are called in turn (benchmarks/workers.py).

    python3 benchmarks/options.py --output options.md
    python3 benchmarks/options.py --seconds 120 --threads 2
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'benchmarks')]

from workers import in_turn, parser_of, System, Worker  # noqa: E402

from skill_predictor.dataset.records import read_tasks  # noqa: E402
from skill_predictor.evaluation.speed.timing import Timing  # noqa: E402
from skill_predictor.inference import artefacts  # noqa: E402
from skill_predictor.inference.averaging import weighted_mean  # noqa: E402
from skill_predictor.inference.backends.onnxruntime import (  # noqa: E402
    DISABLED_OPTIMIZERS, session_options)
from skill_predictor.inference.locations import find_model  # noqa: E402
from skill_predictor.inference.processors import usable_processors  # noqa: E402
from skill_predictor.inference.store import read_model  # noqa: E402
from skill_predictor.inference.text import clean_text  # noqa: E402
from skill_predictor.inference.tokenizer import batch_ids, TaskTokenizer  # noqa: E402
from skill_predictor.markdown import table  # noqa: E402

AS_IT_IS = 'as it is'

VARIANTS: dict[str, dict[str, Any]] = {
    AS_IT_IS: {},
    'one thread': {'threads': 1},
    'threads go on spinning': {'entries': {'session.force_spinning_stop': '0'}},
    'threads never spin': {'entries': {'session.intra_op.allow_spinning': '0'}},
    'both encoders at the same time': {'concurrent': True},
    'the same, half of the threads each': {'concurrent': True, 'threads': 0.5},
    'graph optimisations: basic': {'settings': {'graph_optimization_level': 'ORT_ENABLE_BASIC'}},
    'graph optimisations: extended': {
        'settings': {'graph_optimization_level': 'ORT_ENABLE_EXTENDED'}},
    'no memory arena': {'settings': {'enable_cpu_mem_arena': False}},
    'no memory pattern': {'settings': {'enable_mem_pattern': False}},
    'SkipLayerNormFusion': {'disabled': []}}
"""Changes by the name of the variant."""


def main() -> int:
    parser = parser_of(__doc__)
    parser.add_argument('--output', type=Path, metavar='FILE', help='write the table, as Markdown')
    args = parser.parse_args()
    threads = args.threads or usable_processors()
    texts = [task.text for task in read_tasks(args.tasks)]
    path = read_model(find_model(args.model)).path
    workers: dict[str, Worker] = {}
    try:
        for name, changes in VARIANTS.items():
            print(f'loading {name}', file=sys.stderr, flush=True)
            workers[name] = Worker(make, str(path), threads, changes)
        check(workers, texts[:5])
        text = report(in_turn(workers, texts, args.seconds))
    finally:
        for worker in workers.values():
            worker.close()
    print(text)
    if args.output:
        args.output.write_text(text + '\n', encoding='utf-8')
    return 0


def make(path: str, threads: int, changes: Mapping[str, Any]) -> System:
    """Both encoders with changed options."""
    import onnxruntime
    model = read_model(Path(path))
    threads = max(1, int(threads * share)) if isinstance(
        share := changes.get('threads'), float) else share or threads
    sessions = []
    for encoder in model.encoders:
        options = session_options(threads)
        for name, value in changes.get('settings', {}).items():
            setattr(options, name, getattr(onnxruntime.GraphOptimizationLevel, value)
                    if isinstance(value, str) else value)
        for name, value in changes.get('entries', {}).items():
            options.add_session_config_entry(name, value)
        sessions.append(onnxruntime.InferenceSession(
            str(artefacts.onnx_file(model, encoder, 'int8')), options,
            providers=['CPUExecutionProvider'],
            disabled_optimizers=changes.get('disabled', DISABLED_OPTIMIZERS)))
    tokenizer = TaskTokenizer.of(model)
    run_all: Callable = ThreadPoolExecutor(len(sessions)).map if changes.get('concurrent') else map

    def run(text: str) -> np.ndarray:
        row = tokenizer.tokenize(clean_text(text))
        inputs = [dict(zip(('input_ids', 'attention_mask'), batch_ids([row], encoder.token_ids)))
                  for encoder in model.encoders]
        answers = list(run_all(lambda session, values: session.run(['probabilities'], values)[0][0],
                               sessions, inputs))
        return weighted_mean(answers, [encoder.weight for encoder in model.encoders])
    return run


def check(workers: Mapping[str, Worker], texts: list[str]) -> None:
    """Whether all run the same model; how graphs are optimised moves int8 a little."""
    for text in texts:
        expected = workers[AS_IT_IS].answer(text)
        for name, worker in workers.items():
            np.testing.assert_allclose(worker.answer(text), expected, atol=0.05,
                                       err_msg=f'{name} runs another model')


def report(found: Mapping[str, Timing]) -> str:
    """A table with the ratio to what we take."""
    ours = found[AS_IT_IS].p50
    return table(['ONNX Runtime, int8, one task', 'p50 ms', 'p90 ms', 'times ours'],
                 [[name, f'{timing.p50:.1f}', f'{timing.p90:.1f}', f'{timing.p50 / ours:.2f}']
                  for name, timing in found.items()])


if __name__ == '__main__':
    sys.exit(main())
