#!/usr/bin/env python3
"""One task through the whole ensemble: our engines and other ways to run the same model.

All systems get the same texts, one at a time and in turn, so that their ratios hold whatever else the
machine does. Each has the released model's weights; whoever cannot be had is left out with a line.

    python3 benchmarks/peers.py --json peers.json
    python3 benchmarks/peers.py --seconds 60 --threads 2
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from skill_predictor.dataset.records import read_tasks  # noqa: E402
from skill_predictor.evaluation.speed import machine  # noqa: E402
from skill_predictor.evaluation.speed.timing import side_by_side  # noqa: E402
from skill_predictor.inference import artefacts  # noqa: E402
from skill_predictor.inference.backends import BackendOptions, open_backend  # noqa: E402
from skill_predictor.inference.locations import find_model  # noqa: E402
from skill_predictor.inference.predictor import SkillPredictor  # noqa: E402
from skill_predictor.inference.store import read_model  # noqa: E402
from skill_predictor.inference.tokenizer import batch_ids, TaskTokenizer  # noqa: E402

System = Callable[[str], np.ndarray]
REFERENCE = 'sentence-transformers encode + heads'


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', metavar='NAME', help='a released model (default: this version\'s)')
    parser.add_argument('--tasks', type=Path, default=ROOT / 'data' / 'test.jsonl', metavar='FILE',
                        help='whose texts are run (default: data/test.jsonl)')
    parser.add_argument('--seconds', type=float, default=40.0, help='to measure (default: 40)')
    parser.add_argument('--threads', type=int, default=0, help='of every system (default: all)')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures to FILE')
    args = parser.parse_args()
    import os
    threads = args.threads or len(os.sched_getaffinity(0))
    texts = [task.text for task in read_tasks(args.tasks)]
    model = read_model(find_model(args.model))
    systems: dict[str, System] = {}
    for name, make in (
            ('skill_predictor, int8', lambda: ours(model, 'int8', threads)),
            ('skill_predictor, fp32 (ONNX Runtime)', lambda: ours(model, 'fp32', threads)),
            (REFERENCE, lambda: sentence_transformers(model, threads)),
            ('PyTorch, eager', lambda: pytorch(model, threads)),
            ('PyTorch, compiled', lambda: pytorch(model, threads, compiled=True)),
            ('OpenVINO', lambda: openvino(model, threads))):
        try:
            system = make()
            system(texts[0])
        except Exception as error:  # whatever a peer lacks must not stop the others
            print(f'left out: {name} ({type(error).__name__}: {error})'.splitlines()[0],
                  file=sys.stderr)
        else:
            systems[name] = system
    for system in systems.values():
        np.testing.assert_allclose(system(texts[0]), next(iter(systems.values()))(texts[0]),
                                   atol=0.2, err_msg='a system runs another model')
    found = side_by_side({
        name: lambda number, system=system: system(texts[number % len(texts)])
        for name, system in systems.items()}, args.seconds)
    report(found)
    if args.json:
        args.json.write_text(json.dumps({
            'machine': machine.describe(), 'versions': versions(), 'model': model.version,
            'threads': threads,
            'systems': {name: asdict(timing) for name, timing in found.items()}}, indent=2) + '\n')
    return 0


def versions() -> dict[str, str]:
    from importlib import metadata
    found = {}
    for name in ('torch', 'transformers', 'sentence-transformers', 'onnxruntime', 'openvino'):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def report(found) -> None:
    slowest = found.get(REFERENCE)
    print(f'{"one task":42}{"p50 ms":>9}{"p90":>9}{"p99":>9}{"times quicker":>15}')
    for name, timing in found.items():
        ratio = f'{slowest.p50 / timing.p50:15.1f}' if slowest else ''
        print(f'{name:42}{timing.p50:9.2f}{timing.p90:9.2f}{timing.p99:9.2f}{ratio}')


def ours(model, precision: str, threads: int) -> System:
    backend = open_backend('onnxruntime', model, BackendOptions(precision, threads))
    predictor = SkillPredictor(model, backend)
    return lambda text: predictor.predict([text])[0].probabilities


def networks(model, threads: int):
    import torch
    from skill_predictor.training.reference import ReferenceNetwork
    torch.set_num_threads(threads)
    return [ReferenceNetwork(encoder, artefacts.encoder_weights(model, encoder))
            for encoder in model.encoders]


def sentence_transformers(model, threads: int) -> System:
    import torch
    from sentence_transformers import SentenceTransformer
    from skill_predictor.training.encoders import mean_pool
    from skill_predictor.training.sentence_module import SentenceModule
    tokenizer = TaskTokenizer(model.vocabulary, model.max_tokens)
    parts = []
    for network, encoder in zip(networks(model, threads), model.encoders):
        def pool(hidden, mask, network=network):
            pooled = mean_pool(hidden, mask) if network.pool is None else network.pool(hidden, mask)
            return pooled.flatten(1)
        module = SentenceModule(network.encoder, tokenizer, encoder.token_ids, pool)
        parts.append((SentenceTransformer(modules=[module], device='cpu'), network))

    def run(text: str) -> np.ndarray:
        answers = []
        with torch.inference_mode():
            for body, network in parts:
                pooled = body.encode([text], convert_to_tensor=True, show_progress_bar=False)
                if network.pool is not None:
                    logits = network.head(pooled.reshape(1, 6, -1)).diagonal(dim1=1, dim2=2)
                else:
                    logits = network.head(pooled)
                answers.append(torch.sigmoid(logits)[0].numpy())
        return np.mean(answers, axis=0)
    return run


def pytorch(model, threads: int, compiled: bool = False) -> System:
    import torch
    parts = networks(model, threads)
    if compiled:
        parts = [torch.compile(part, dynamic=True) for part in parts]
    tokenizer = SkillPredictor(model, _NoBackend())

    def run(text: str) -> np.ndarray:
        row = tokenizer.tokenize(text)
        answers = []
        with torch.inference_mode():
            for part, encoder in zip(parts, model.encoders):
                ids, mask = map(torch.from_numpy, batch_ids([row], encoder.token_ids))
                answers.append(torch.sigmoid(part(ids, mask))[0].numpy())
        return np.mean(answers, axis=0)
    return run


def openvino(model, threads: int) -> System:
    from openvino import Core
    core = Core()
    requests = [core.compile_model(str(artefacts.onnx_file(model, encoder, 'fp32')), 'CPU', {
        'INFERENCE_NUM_THREADS': threads, 'PERFORMANCE_HINT': 'LATENCY',
        'INFERENCE_PRECISION_HINT': 'f32'}).create_infer_request()
        for encoder in model.encoders]
    tokenizer = SkillPredictor(model, _NoBackend())

    def run(text: str) -> np.ndarray:
        row = tokenizer.tokenize(text)
        return np.mean([next(iter(request.infer(dict(zip(
            ('input_ids', 'attention_mask'), batch_ids([row], encoder.token_ids)))).values()))[0]
            for request, encoder in zip(requests, model.encoders)], axis=0)
    return run


class _NoBackend:
    """For a predictor of which only the tokens are wanted."""

    def close(self) -> None:
        pass


if __name__ == '__main__':
    sys.exit(main())
