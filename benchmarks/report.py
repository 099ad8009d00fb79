#!/usr/bin/env python3
"""One page of Markdown with plots from what the benchmarks measured.

    skill-predictor benchmark --json speed.json
    python3 benchmarks/peers.py --json peers.json
    python3 benchmarks/node.py --json node.json
    python3 benchmarks/report.py --speed speed.json --peers peers.json --node node.json \\
        --output docs/benchmarks.md --figures docs/figures
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'benchmarks')]

from peers import REFERENCE  # noqa: E402

from skill_predictor.markdown import table  # noqa: E402

_INTRODUCTION = """\
# Benchmarks

Measured on {processor}, {cores} cores, Python {python}, ONNX Runtime {onnxruntime}, with {model}. The machine is shared, so
single figures move by tens of percent from run to run; ratios were measured side by side and hold.{no_gpu}

To measure your own machine (in the source folder, after `make test` and `.venv/bin/pip install openvino`, which set up the peers):

```bash
source scripts/env.sh
skill-predictor benchmark --json speed.json
python3 benchmarks/peers.py --json peers.json
python3 benchmarks/node.py --json node.json
python3 benchmarks/report.py --speed speed.json --peers peers.json --node node.json --output report.md --figures .
```
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ('speed', 'peers', 'node'):
        parser.add_argument(f'--{name}', type=Path, required=True, metavar='FILE')
    parser.add_argument('--output', type=Path, required=True, metavar='FILE', help='Markdown')
    parser.add_argument('--figures', type=Path, required=True, metavar='DIR', help='for the plots')
    args = parser.parse_args()
    speed, peers, node = (json.loads(path.read_text()) for path in
                          (args.speed, args.peers, args.node))
    args.figures.mkdir(parents=True, exist_ok=True)
    pictures = Pictures(args.figures, args.output.parent)
    on_cpu = all(engine['device'].startswith('CPU') for engine in speed['engines'].values())
    parts = [_INTRODUCTION.format(**{
        'onnxruntime': '?', **speed['machine'], 'model': speed['model'],
        'no_gpu': ' Nothing here was measured on a GPU.' if on_cpu else ''}),
             *of_peers(peers, pictures), *of_speed(speed, pictures), *of_node(node, pictures)]
    args.output.write_text('\n'.join(part.rstrip('\n') + '\n' for part in parts),
                           encoding='utf-8')
    print(f'wrote {args.output}')
    return 0


def of_peers(found: Mapping[str, Any], pictures: Pictures) -> list[str]:
    """One task, system beside system."""
    systems = found['systems']
    slowest = systems.get(REFERENCE)
    rows = [[name, *(f'{one[key]:.1f}' for key in ('p50', 'p90', 'p99')),
             f'{slowest["p50"] / one["p50"]:.1f}' if slowest else '', f'{one["memory_mb"]:.0f}']
            for name, one in systems.items()]
    versions = ', '.join(f'{name} {version}' for name, version in found['versions'].items())
    return ['## One task at a time, beside other ways to run the same model\n',
            'From a text to six probabilities, both encoders and heads, '
            f'{found["threads"]} threads, the texts of the test set. Every system has a process of '
            'its own, and all are called in turn (`benchmarks/peers.py`). ' + versions + '.\n',
            table(['system', 'p50 ms', 'p90 ms', 'p99 ms', 'times quicker', 'memory MB'], rows),
            pictures.bars('peers', {name: one['p50'] for name, one in systems.items()},
                          'ms for one task, median')]


def of_speed(found: Mapping[str, Any], pictures: Pictures) -> list[str]:
    """Batches and lengths, start-up, memory, the floor by bandwidth."""
    rows = [[row['engine'], row['batch'], row['tokens'],
             *(f'{row[key]:.1f}' for key in ('p50', 'p90', 'p99')), f'{row["tasks_per_s"]:.0f}']
            for row in found['batches']]
    floors = found['roofline']['floor_ms']
    engines = []
    for name, engine in found['engines'].items():
        one, floor, start = found['one_task'][name], floors.get(name), engine['start_up']
        engines.append([name, f'{one["p50"]:.1f}', f'{floor:.1f}' if floor else '',
                        f'{one["p50"] / floor:.1f}' if floor else '', f'{start["seconds"]:.1f}',
                        f'{start["memory_mb"]:.0f}'])
    series = {}
    for row in found['batches']:
        series.setdefault(f'{row["engine"]}, {row["tokens"]} tokens', []).append(
            (row['batch'], row['tasks_per_s']))
    gpu = found['roofline'].get('gpu_bandwidth_gb_s')
    return ['## Engines\n',
            'No engine can answer one task faster than memory gives it the weights: the CPU reads '
            f'them at {found["roofline"]["read_bandwidth_gb_s"]:.1f} GB/s here (unless a cache '
            f'holds them){"" if gpu is None else f", the GPU at {gpu:.0f} GB/s"}.\n',
            table(['engine', 'one task, p50 ms', 'floor by bandwidth, ms', 'times that',
                   'first answer after s', 'memory MB'], engines),
            '## Batches and lengths\n',
            table(['engine', 'tasks', 'tokens', 'p50 ms', 'p90 ms', 'p99 ms', 'tasks a second'],
                  rows),
            pictures.lines('throughput', series, 'tasks in a batch', 'tasks a second')]


def of_node(found: Mapping[str, Any], pictures: Pictures) -> list[str]:
    """What the node adds, and what it does under load."""
    trip, overhead, empty = (found['calls'][name] for name in (
        'round_trip', 'overhead', 'empty_service'))
    start = found['start_up_s']
    rows = [[f'{load["share"]:.0%}', f'{load["rate_per_s"]:.0f}', load['sent'], load['answered'],
             load['refused'], load['lost'], f'{load["latency"]["p50"]:.0f}',
             f'{load["latency"]["p99"]:.0f}']
            for load in found['loads']]
    return ['## The node\n',
            f'A service call with one task takes {trip["p50"]:.1f} ms (p99 {trip["p99"]:.1f}) from '
            f'another process; {overhead["p50"]:.2f} ms of it (p99 {overhead["p99"]:.2f}) are not '
            f'inference. A service that does nothing, of a node with the same topics and services, called in '
            f'turn with it, takes {empty["p50"]:.2f} '
            f'ms (p99 {empty["p99"]:.2f}): so much of it is rclpy, DDS and waking a process that '
            f'sleeps. From its start to active: {start["cold"]:.0f} s when the graphs have to be '
            f'built, {start["warm"]:.1f} s when they are there.\n',
            'Tasks on the topic at fixed rates, answered or not (an open loop); capacity is '
            f'{found["capacity_tasks_per_s"]:.0f} tasks a second. Above it the queue (of '
            f'{found["queue_size"]} tasks) fills, '
            'and what does not fit is refused, with a warning in the log; refused is what the node '
            'counts in its `/diagnostics`, lost what was neither answered nor refused. Latencies '
            'count from when a task was due; it left the client at most '
            f'{max(load["sent_late"]["p99"] for load in found["loads"]):.0f} ms later (p99).\n',
            table(['load', 'tasks a second', 'sent', 'answered', 'refused', 'lost', 'p50 ms',
                   'p99 ms'], rows)]


class Pictures:
    """Plots in files, and the Markdown that shows them.

    Parameters
    ----------
    folder
        For the files.
    page_folder
        Where the page lies that links them.
    """

    def __init__(self, folder: Path, page_folder: Path) -> None:
        self._folder, self._page_folder = folder, page_folder

    def bars(self, name: str, values: Mapping[str, float], label: str) -> str:
        """A bar for each value."""
        figure, axes = self._figure(0.8 + 0.4 * len(values))
        names = list(values)[::-1]
        bars = axes.barh(names, [values[one] for one in names], color='#33658a')
        axes.bar_label(bars, fmt='%.1f', padding=3)
        axes.set(xlabel=label)
        axes.margins(x=0.12)
        return self._show(figure, name, label)

    def lines(self, name: str, series: Mapping[str, Sequence[tuple[float, float]]], across: str,
              up: str) -> str:
        """A line for each series of points."""
        figure, axes = self._figure(3.6)
        for label, points in series.items():
            axes.plot(*zip(*points), 'o-', markersize=4, label=label)
        axes.set(xlabel=across, ylabel=up)
        axes.set_ylim(bottom=0)
        axes.legend(fontsize=8)
        return self._show(figure, name, f'{up} by {across}')

    @staticmethod
    def _figure(height: float):
        from matplotlib.figure import Figure
        figure = Figure(figsize=(7.5, height), layout='constrained')
        return figure, figure.subplots()

    def _show(self, figure, name: str, caption: str) -> str:
        import os
        import matplotlib
        path = self._folder / f'benchmark_{name}.svg'
        # No date inside and fixed ids: the same figures give the same file.
        with matplotlib.rc_context({'svg.hashsalt': 'skill_predictor'}):
            figure.savefig(path, metadata={'Date': None, 'Creator': None})
        return f'\n![{caption}]({os.path.relpath(path, self._page_folder)})'


if __name__ == '__main__':
    sys.exit(main())
