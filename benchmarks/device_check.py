#!/usr/bin/env python3
"""Everything that should be seen once on a new device, as one report to compare and keep.

    python3 benchmarks/device_check.py --output report.md
    python3 benchmarks/device_check.py --output report.md --seconds 20
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--output', type=Path, required=True, metavar='FILE')
    parser.add_argument('--seconds', default='5', metavar='S', help='for each shape (default: 5)')
    args = parser.parse_args()
    failed = []
    with open(args.output, 'w', encoding='utf-8') as report:
        report.write('# Report of a device\n')
        for title, command in steps(args.seconds):
            print(f'{title} ...', file=sys.stderr, flush=True)
            started = time.monotonic()
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
            said = '\n'.join(part.strip() for part in (done.stdout, done.stderr) if part.strip())
            state = 'done' if done.returncode == 0 else f'FAILED with code {done.returncode}'
            failed += [title] if done.returncode else []
            report.write(f'\n## {title}: {state} after {time.monotonic() - started:.0f} s\n\n'
                         f'```\n{said}\n```\n')
            report.flush()
    print(f'wrote {args.output}' + (f'; failed: {", ".join(failed)}' if failed else ''))
    return 1 if failed else 0


def steps(seconds: str) -> list[tuple[str, list[str]]]:
    """Titles and commands, in order."""
    tool = [sys.executable, '-m', 'skill_predictor']
    return [
        ('Machine', [*tool, 'info']),
        ('Power mode and clocks', ['sh', '-c', 'cat /etc/nv_tegra_release; nvpmodel -q; '
                                   'sudo -n jetson_clocks --show || grep . /sys/class/devfreq/*/cur_freq '
                                   '/sys/class/devfreq/*/max_freq; nvidia-smi -L; true']),
        ('Engines', [*tool, 'build-engines']),
        ('Agreement', [*tool, 'verify', 'data/test.jsonl', '--forms', 'fp32', 'fp16', 'int8',
                       'tensorrt']),
        ('Speed', [*tool, 'benchmark', '--seconds', seconds]),
        # Without a GPU all of them are skipped, which is no success here.
        ('Tests on the GPU', ['sh', '-c', f'said=$({sys.executable} -m pytest -q -m gpu test/gpu 2>&1); '
                              'code=$?; echo "$said"; test $code -eq 0 && echo "$said" | '
                              'grep " passed" > /dev/null'])]


if __name__ == '__main__':
    sys.exit(main())
