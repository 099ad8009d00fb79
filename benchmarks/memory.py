#!/usr/bin/env python3
"""Whether memory goes away while tasks are answered, without ROS.

Notes what the system has left (MemAvailable) and what the process holds, before the tasks, after each tenth of
them and at the end. A GPU that shares the machine's memory, as a Jetson's does, has no figure of its own: what
it leaks is missing in MemAvailable, and not in the process.

    python3 benchmarks/memory.py --json memory.json
    python3 benchmarks/memory.py --backend onnxruntime --count 1000
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from skill_predictor.dataset.records import read_tasks  # noqa: E402
from skill_predictor.evaluation.speed import machine  # noqa: E402
from skill_predictor.inference.predictor import SkillPredictor  # noqa: E402

TOGETHER = (*[1] * 8, 8, 32)
"""Tasks of one call, over and over: what a node runs, and every profile of an engine."""
WARM_UP = 480
"""Tasks before the first note: what an engine keeps for each shape is no leak."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', metavar='NAME', help="a released model (default: this version's)")
    parser.add_argument('--backend', default='auto', metavar='NAME', help='(default: auto)')
    parser.add_argument('--tasks', type=Path, default=ROOT / 'data' / 'test.jsonl', metavar='FILE',
                        help='whose texts are run (default: data/test.jsonl)')
    parser.add_argument('--count', type=int, default=10_000, help='of tasks (default: 10000)')
    parser.add_argument('--json', type=Path, metavar='FILE')
    args = parser.parse_args(arguments)
    if args.count < 1:
        parser.error('--count: at least 1')
    texts = [task.text for task in read_tasks(args.tasks)]
    with closing(SkillPredictor.load(args.model, args.backend)) as predictor:
        notes = watch(predictor.predict, texts, args.count)
        backend = predictor.backend
        found = {'machine': machine.describe(), 'model': predictor.model.version, 'engine': backend.name,
                 'device': backend.device, 'trouble': backend.trouble, 'notes': notes}
    report(found)
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + '\n')
    if found['trouble']:
        print(f'this is not of the engine that was asked for: {found["trouble"]}', file=sys.stderr)
    return 1 if found['trouble'] else 0


def watch(predict: Callable[[list[str]], object], texts: Sequence[str], count: int) -> list[dict]:
    """Memory before ``count`` tasks, after each tenth of them, and at the end."""
    endless, sizes = itertools.cycle(texts), itertools.cycle(TOGETHER)

    def run(tasks: int) -> None:
        while tasks > 0:
            size = min(next(sizes), tasks)
            predict(list(itertools.islice(endless, size)))
            tasks -= size
    run(WARM_UP)
    notes = [note(0)]
    for tenth in range(1, 11):
        done = count * tenth // 10
        run(done - notes[-1]['tasks'])
        notes.append(note(done))
    return notes


def note(tasks: int) -> dict:
    """Memory after so many tasks, in MB."""
    return {'tasks': tasks, 'available_mb': available_bytes() / 1e6,
            'process_mb': machine.resident_bytes() / 1e6}


def available_bytes() -> int:
    """What the system could still give without swapping, by its own account."""
    for line in Path('/proc/meminfo').read_text().splitlines():
        name, _, value = line.partition(':')
        if name == 'MemAvailable':
            return int(value.split()[0]) * 1024
    raise SystemExit('this system does not tell MemAvailable')


def report(found: dict) -> None:
    print(f'{found["model"]} on {found["engine"]} ({found["device"]})')
    print(f'{"tasks":>8}{"available MB":>14}{"process MB":>12}')
    for one in found['notes']:
        print(f'{one["tasks"]:8,}{one["available_mb"]:14,.0f}{one["process_mb"]:12,.0f}')
    first, last = found['notes'][0], found['notes'][-1]
    print('from first to last: available {:+,.0f} MB, process {:+,.0f} MB'.format(
        *(last[name] - first[name] for name in ('available_mb', 'process_mb'))))


if __name__ == '__main__':
    sys.exit(main())
