"""Pictures of a dataset, as PNG files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..extras import install
from .audit.agreement import Agreement
from .records import TaskRecord
from .statistics import Statistics, words

_COLOURS = ('#33658a', '#f6ae2d', '#86bbd8', '#758e4f', '#f26419')
_STYLES = ('-', '--', ':')
_WIDTH = 8.0
_MANY = 60
"""Beyond so many bars they are drawn smaller."""
_DOMAINS = 100
"""Of more domains the largest are drawn."""


def draw(folder: str | os.PathLike, splits: Mapping[str, Sequence[TaskRecord]],
         statistics: Statistics, agreement: Mapping[str, Agreement] | None = None) -> list[Path]:
    """Draw all pictures into a folder, which is made if it is not there.

    ``skill_sets.png``, ``lengths.png``, ``domains.png``, ``boundaries.png`` and, with an agreement,
    ``agreement.png``.

    Returns
    -------
    list of pathlib.Path
        The files written.

    Raises
    ------
    ImportError
        When matplotlib is not installed.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        'skill_sets': _bars(statistics.skill_sets, 'Tasks by skill set', log=True),
        'domains': _domains(statistics.domains),
        'lengths': _lengths(splits)}
    if statistics.boundaries:
        figures['boundaries'] = _bars(statistics.boundaries, 'Tasks that test a boundary of the guide')
    if agreement:
        figures['agreement'] = _agreement(agreement)
    paths = []
    for name, figure in figures.items():
        paths.append(folder / f'{name}.png')
        # No software version inside: the same data give the same file.
        figure.savefig(paths[-1], dpi=100, metadata={'Software': None})
    return paths


def draw_curve(path: str | os.PathLike, curves: Mapping[str, Mapping[int, float]],
               title: str) -> None:
    """Draw learning curves.

    Parameters
    ----------
    path
        PNG file to write.
    curves
        By name: number of training tasks to exact match, 0..1.
    title
        Of the picture.
    """
    figure, axes = _figure(4.5)
    for index, (name, points) in enumerate(curves.items()):
        sizes = sorted(points)
        axes.plot(sizes, [points[size] for size in sizes], marker='o',
                  color=_COLOURS[index % len(_COLOURS)],
                  linestyle=_STYLES[index // len(_COLOURS) % len(_STYLES)], label=name)
    sizes = sorted({size for points in curves.values() for size in points})
    axes.set_xscale('log', base=2)
    axes.set_xticks(sizes, [f'{size:,}' for size in sizes])
    axes.minorticks_off()
    axes.set(title=title, xlabel='training tasks', ylabel='exact match')
    axes.grid(alpha=0.3)
    figure.legend(loc='outside lower center', ncols=2)  # beside the curves, not over them
    figure.savefig(path, format='png', dpi=100, metadata={'Software': None})


def need_matplotlib() -> None:
    """Say how to install matplotlib where it is missing, before long work.

    Raises
    ------
    ImportError
        When it is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(f'drawing needs matplotlib: {install("dataset")}') from error


def _figure(height: float):
    need_matplotlib()
    # Not through pyplot, which would keep state and want a display.
    from matplotlib.figure import Figure
    figure = Figure(figsize=(_WIDTH, height), layout='constrained')
    return figure, figure.subplots()


def _bars(counts: Mapping[str, int], title: str, log: bool = False):
    row, size = (0.22, 7) if len(counts) <= _MANY else (0.12, 5)
    figure, axes = _figure(1.0 + row * len(counts))
    names = list(counts)[::-1]
    bars = axes.barh([literal(name) for name in names], [counts[name] for name in names],
                     color=_COLOURS[0], log=log)
    axes.bar_label(bars, padding=3, fontsize=size)
    axes.tick_params(axis='y', labelsize=size)
    axes.margins(x=0.1, y=0.01)
    axes.set(title=title, xlabel='tasks (logarithmic)' if log else 'tasks')
    return figure


def literal(name: str) -> str:
    """A name as it is: between dollars matplotlib would read mathematics."""
    return name.replace('$', r'\$')


def _domains(counts: Mapping[str, int]):
    if len(counts) <= _DOMAINS:
        return _bars(counts, f'Tasks by domain ({len(counts)})')
    most = dict(list(counts.items())[:_DOMAINS])  # the largest come first
    share = sum(most.values()) / sum(counts.values())
    return _bars(most, f'The {_DOMAINS} largest of {len(counts)} domains ({share:.0%} of the tasks)')


def _lengths(splits: Mapping[str, Sequence[TaskRecord]]):
    figure, axes = _figure(4.0)
    parts = {name: [words(task) for task in tasks] for name, tasks in splits.items() if tasks}
    top = max(max(lengths) for lengths in parts.values())
    axes.hist(list(parts.values()), bins=np.arange(0, top + 3, 2), stacked=True,
              label=[literal(name) for name in parts], color=_COLOURS[:len(parts)])
    axes.set(title='Length of the texts', xlabel='words', ylabel='tasks')
    axes.legend()
    return figure


def _agreement(agreement: Mapping[str, Agreement]):
    figure, axes = _figure(4.0)
    names = ['exact match', *next(iter(agreement.values())).kappa]
    lowest = 1.0
    for position, (why, found) in enumerate(agreement.items()):
        values = np.array([found.exact_match, *found.kappa.values()], dtype=float)
        lowest = min(lowest, np.nanmin(values, initial=1.0))
        places = np.arange(len(names)) + (position - (len(agreement) - 1) / 2) * 0.12
        # Points, not bars: near 1 an axis that starts at 0 would show nothing.
        axes.plot(places, values, 'o', label=f'{why} ({found.tasks:,} tasks)',
                  color=_COLOURS[position % len(_COLOURS)])
    axes.set_xticks(range(len(names)), names[:1] + [f'κ {name}' for name in names[1:]], fontsize=8)
    axes.set_ylim(lowest - (1.001 - lowest) * 0.8, 1.0 + (1.001 - lowest) * 0.1)
    axes.grid(axis='y', alpha=0.3)
    axes.set(title='Agreement of two blind labellings')
    axes.legend(fontsize=7, ncols=2, loc='lower left')
    return figure
