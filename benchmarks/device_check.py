#!/usr/bin/env python3
"""Everything that should be seen once on a new device, as one report to compare and keep.

Beside the report lie the figures as JSON (which steps went well, speed, agreement, memory, the node) and what
the engines tell of their layers, under the report's name.

    python3 benchmarks/device_check.py --output report.md
    python3 benchmarks/device_check.py --output report.md --seconds 20
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEST_SETS = ('test', 'test_domains', 'test_examiners', 'test_independent')


@dataclass
class Step:
    """A command of the check, and, after :meth:`run`, what became of it."""

    title: str
    command: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    """What it writes beside the report; after it ran, what of that is there."""
    left_out: str = ''
    """Why it is not run."""
    state: str = 'left out'
    code: int | None = None
    seconds: float = 0.0

    def run(self, folder: Path) -> str:
        """Run the command with ``folder`` for its files; returns what it said, or why it did not run."""
        if self.left_out:
            return self.left_out
        for path in (folder / name for name in self.files):
            _remove(path)  # of a run before
        started = time.monotonic()
        try:
            done = subprocess.run(self.command, cwd=ROOT, capture_output=True, text=True, errors='replace')
        except OSError as error:
            said = str(error)
        else:
            self.code = done.returncode
            said = '\n'.join(part.strip() for part in (done.stdout, done.stderr) if part.strip())
        self.seconds = time.monotonic() - started
        self.state = 'done' if self.code == 0 else 'FAILED'
        self.files = [name for name in self.files if (folder / name).exists()]
        return said

    def __str__(self) -> str:
        """For a heading."""
        if self.left_out:
            return f'{self.title}: left out'
        code = '' if self.code in (0, None) else f' with code {self.code}'
        return f'{self.title}: {self.state}{code} after {self.seconds:.0f} s'


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--output', type=Path, required=True, metavar='FILE', help='Markdown')
    parser.add_argument('--seconds', default='5', metavar='S', help='for each shape (default: 5)')
    args = parser.parse_args(arguments)
    output = args.output.resolve()  # the commands run in another folder
    todo = steps(args.seconds, output.parent, output.stem)
    with open(output, 'w', encoding='utf-8') as report:
        report.write('# Report of a device\n')
        for number, step in enumerate(todo, 1):
            print(f'{step.title} ...', file=sys.stderr, flush=True)
            said = step.run(output.parent)
            links = ', '.join(f'[{name}]({name})' for name in step.files)
            report.write(f'\n## {step}\n\n```\n{said}\n```\n' + (f'\nKept: {links}\n' if links else ''))
            report.flush()
            output.with_suffix('.steps.json').write_text(
                json.dumps({'steps': [asdict(one) for one in todo[:number]]}, indent=2) + '\n')
    failed = [step.title for step in todo if step.state == 'FAILED']
    missing = [step.title for step in todo if step.left_out]
    print(f'wrote {args.output}' + (f'; failed: {", ".join(failed)}' if failed else '')
          + (f'; left out: {", ".join(missing)}' if missing else ''))
    return 1 if failed else 0


def steps(seconds: str, folder: Path, name: str) -> list[Step]:
    """All of them, in order.

    Parameters
    ----------
    seconds
        To measure each shape.
    folder
        For the files that they write.
    name
        What these files' names begin with.
    """
    tool = [sys.executable, '-m', 'skill_predictor']

    def kept(ending: str) -> tuple[str, list[str]]:
        return str(folder / f'{name}.{ending}'), [f'{name}.{ending}']

    layers, speed, agreement, memory, node = map(kept, (
        'layers', 'speed.json', 'agreement.json', 'memory.json', 'node.json'))
    return [
        Step('Machine', [*tool, 'info']),
        Step('Power mode and clocks', [
            'sh', '-c', 'cat /etc/nv_tegra_release; nvpmodel -q; sudo -n jetson_clocks --show || '
            'grep . /sys/class/devfreq/*/cur_freq /sys/class/devfreq/*/max_freq; nvidia-smi -L; true']),
        Step('Engines', [*tool, 'build-engines', '--layers', layers[0]], layers[1]),
        Step('Agreement', [*tool, 'verify', *(f'data/{one}.jsonl' for one in TEST_SETS), '--forms', 'fp32',
                           'fp16', 'int8', 'tensorrt', '--json', agreement[0]], agreement[1]),
        Step('Speed', [*tool, 'benchmark', '--seconds', seconds, '--json', speed[0]], speed[1]),
        Step('Memory', [sys.executable, 'benchmarks/memory.py', '--json', memory[0]], memory[1]),
        Step('Node', [sys.executable, 'benchmarks/node.py', '--json', node[0]], node[1],
             left_out=without_ros()),
        # Without a GPU all of them are skipped, which is no success here.
        Step('Tests on the GPU', [
            'sh', '-c', f'said=$({sys.executable} -m pytest -q -m gpu test/gpu 2>&1); code=$?; '
            'echo "$said"; test $code -eq 0 && echo "$said" | grep " passed" > /dev/null'])]


def without_ros() -> str:
    """Why no node can be started by this Python; empty where it can."""
    done = subprocess.run([sys.executable, '-c', 'import rclpy, skill_predictor.msg'], cwd=ROOT,
                          capture_output=True, text=True)
    if done.returncode == 0:
        return ''
    reason = (done.stderr.strip().splitlines() or [f'code {done.returncode}'])[-1]
    return f'the node needs ROS 2 and the built interfaces (source them first): {reason}'


def _remove(path: Path) -> None:
    for one in path.glob('*.layers.json') if path.is_dir() else [path]:
        one.unlink(missing_ok=True)


if __name__ == '__main__':
    sys.exit(main())
