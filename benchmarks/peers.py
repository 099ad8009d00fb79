#!/usr/bin/env python3
"""One task through the whole ensemble: our engines and other ways to run the same model.

Each system has the released model's weights and a process of its own, gets the same texts, one at a time,
and all are called in turn, so that their ratios hold whatever else the machine does. Whoever cannot be had
is left out with a line.

    python3 benchmarks/peers.py --json peers.json
    python3 benchmarks/peers.py --seconds 120 --threads 2
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'benchmarks')]

from workers import in_turn, parser_of, System, Worker  # noqa: E402

from skill_predictor.dataset.records import read_tasks  # noqa: E402
from skill_predictor.evaluation.speed import machine  # noqa: E402
from skill_predictor.evaluation.speed.timing import Timing  # noqa: E402
from skill_predictor.inference import artefacts  # noqa: E402
from skill_predictor.inference.averaging import weighted_mean  # noqa: E402
from skill_predictor.inference.backends import BackendOptions  # noqa: E402
from skill_predictor.inference.locations import find_model  # noqa: E402
from skill_predictor.inference.predictor import SkillPredictor  # noqa: E402
from skill_predictor.inference.processors import usable_processors  # noqa: E402
from skill_predictor.inference.store import read_model, ReleasedModel  # noqa: E402
from skill_predictor.inference.text import clean_text  # noqa: E402
from skill_predictor.inference.tokenizer import batch_ids, TaskTokenizer  # noqa: E402

REFERENCE = 'sentence-transformers encode + heads'


def main(arguments: Sequence[str] | None = None) -> int:
    parser = parser_of(__doc__)
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures to FILE')
    args = parser.parse_args(arguments)
    threads = args.threads or usable_processors()
    texts = [task.text for task in read_tasks(args.tasks)]
    model = read_model(find_model(args.model))
    workers: dict[str, Worker] = {}
    try:
        for name, make in SYSTEMS.items():
            print(f'loading {name}', file=sys.stderr, flush=True)
            try:
                workers[name] = Worker(make, str(model.path), threads)
            except RuntimeError as error:  # what a peer lacks must not stop the others
                print(f'left out: {name} ({error})', file=sys.stderr)
        check(workers, texts[:5])
        found = in_turn(workers, texts, args.seconds)
        memory = {name: workers[name].memory() / 1e6 for name in found}
    finally:
        for worker in workers.values():
            worker.close()
    report(found, memory)
    if args.json:
        args.json.write_text(json.dumps({
            'machine': machine.describe(), 'versions': versions(), 'model': model.version,
            'threads': threads, 'systems': {
                name: {**asdict(timing), 'memory_mb': memory[name]}
                for name, timing in found.items()}}, indent=2) + '\n')
    return 0


def check(workers: Mapping[str, Worker], texts: Sequence[str]) -> None:
    """Whether all run the same model; int8 is a little off, the others are not."""
    exact = [name for name in (REFERENCE, *workers) if name in workers and 'int8' not in name]
    if not exact or len(workers) < 2:
        print('nobody there to say whether all run the same model', file=sys.stderr)
        return
    for text in texts:
        answers = {name: worker.answer(text) for name, worker in workers.items()}
        for name, answer in answers.items():
            np.testing.assert_allclose(
                answer, answers[exact[0]], atol=0.2 if 'int8' in name else 1e-3,
                err_msg=f'{name} runs another model')


def versions() -> dict[str, str]:
    from importlib import metadata
    found = {}
    for name in ('torch', 'transformers', 'sentence-transformers', 'onnxruntime', 'openvino'):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def report(found: Mapping[str, Timing], memory: Mapping[str, float]) -> None:
    slowest = found.get(REFERENCE)
    print(f'{"one task":42}{"p50 ms":>9}{"p90":>9}{"p99":>9}{"times quicker":>15}{"MB":>7}')
    for name, timing in found.items():
        ratio = f'{slowest.p50 / timing.p50:15.1f}' if slowest else ' ' * 15
        print(f'{name:42}{timing.p50:9.2f}{timing.p90:9.2f}{timing.p99:9.2f}{ratio}'
              f'{memory[name]:7.0f}')


def ours_int8(path: str, threads: int) -> System:
    return _ours(path, threads, 'int8')


def ours_fp32(path: str, threads: int) -> System:
    return _ours(path, threads, 'fp32')


def _ours(path: str, threads: int, precision: str) -> System:
    predictor = SkillPredictor.load(path, 'onnxruntime', BackendOptions(precision, threads))
    return lambda text: predictor.predict([text])[0].probabilities


def networks(model: ReleasedModel, threads: int):
    import torch
    from skill_predictor.training.reference import released_network
    torch.set_num_threads(threads)
    return [released_network(encoder, artefacts.encoder_weights(model, encoder))
            for encoder in model.encoders]


def sentence_transformers(path: str, threads: int) -> System:
    import torch
    from sentence_transformers import SentenceTransformer
    from skill_predictor.training.encoders import mean_pool
    from skill_predictor.training.sentence_module import SentenceModule
    model = read_model(Path(path))
    tokenizer = TaskTokenizer.of(model)
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
        return weighted_mean(answers, [encoder.weight for encoder in model.encoders])
    return run


def pytorch_eager(path: str, threads: int) -> System:
    return _pytorch(path, threads, lambda part: part)


def pytorch_compiled(path: str, threads: int) -> System:
    import torch
    return _pytorch(path, threads, lambda part: torch.compile(part, dynamic=True))


def _pytorch(path: str, threads: int, prepare) -> System:
    import torch
    model = read_model(Path(path))
    parts = [prepare(part) for part in networks(model, threads)]
    tokenizer = TaskTokenizer.of(model)

    def run(text: str) -> np.ndarray:
        row = tokenizer.tokenize(clean_text(text))
        answers = []
        with torch.inference_mode():
            for part, encoder in zip(parts, model.encoders):
                ids, mask = map(torch.from_numpy, batch_ids([row], encoder.token_ids))
                answers.append(torch.sigmoid(part(ids, mask))[0].numpy())
        return weighted_mean(answers, [encoder.weight for encoder in model.encoders])
    return run


def openvino(path: str, threads: int) -> System:
    from openvino import Core
    model, core = read_model(Path(path)), Core()
    requests = [core.compile_model(str(artefacts.onnx_file(model, encoder, 'fp32')), 'CPU', {
        'INFERENCE_NUM_THREADS': threads, 'PERFORMANCE_HINT': 'LATENCY',
        'INFERENCE_PRECISION_HINT': 'f32'}).create_infer_request()
        for encoder in model.encoders]
    tokenizer = TaskTokenizer.of(model)

    def run(text: str) -> np.ndarray:
        row = tokenizer.tokenize(clean_text(text))
        return weighted_mean([next(iter(request.infer(dict(zip(
            ('input_ids', 'attention_mask'), batch_ids([row], encoder.token_ids)))).values()))[0]
            for request, encoder in zip(requests, model.encoders)],
            [encoder.weight for encoder in model.encoders])
    return run


SYSTEMS = {
    'skill_predictor, int8': ours_int8, 'skill_predictor, fp32 (ONNX Runtime)': ours_fp32,
    REFERENCE: sentence_transformers, 'PyTorch, eager': pytorch_eager,
    'PyTorch, compiled': pytorch_compiled, 'OpenVINO, fp32': openvino}

if __name__ == '__main__':
    sys.exit(main())
