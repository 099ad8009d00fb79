"""Plots of the report, as SVG texts."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np

from ...dataset.pictures import literal
from ...extras import install
from ...taxonomy import SKILLS
from ..breakdown import Part
from ..calibration import coverage_curve, expected_calibration_error, reliability

_COLOURS = ('#33658a', '#f6ae2d', '#86bbd8', '#758e4f', '#f26419', '#7d5ba6')


def precision_recall(labels: np.ndarray, probabilities: np.ndarray) -> str:
    """A precision-recall curve per skill, with its average precision.

    Parameters
    ----------
    labels
        bool, shape (n, 6).
    probabilities
        0..1, same shape.
    """
    from sklearn.metrics import average_precision_score, precision_recall_curve
    figure, axes = _figure(5.0, 4.2)
    for index, (skill, colour) in enumerate(zip(SKILLS, _COLOURS)):
        if not labels[:, index].any():
            continue
        precision, recall, _ = precision_recall_curve(labels[:, index], probabilities[:, index])
        area = average_precision_score(labels[:, index], probabilities[:, index])
        axes.step(recall, precision, where='post', color=colour, label=f'{skill} {area:.3f}')
    axes.set(xlabel='recall', ylabel='precision', xlim=(0, 1.01), ylim=(0, 1.01))
    axes.legend(title='average precision', fontsize=8, loc='lower left')
    return _svg(figure)


def reliability_diagram(labels: np.ndarray, probabilities: np.ndarray) -> str:
    """How often a probability comes true, over all skills, and how often it is given."""
    bins = reliability(labels, probabilities)
    error = expected_calibration_error(labels, probabilities)
    figure, axes = _figure(5.0, 4.2)
    axes.plot([0, 1], [0, 1], color='#999999', linewidth=1, label='honest')
    axes.plot([part.mean_probability for part in bins], [part.frequency for part in bins], 'o-',
              color=_COLOURS[0], label=f'measured, error {error:.4f}')
    counts = axes.twinx()
    counts.bar([(part.low + part.high) / 2 for part in bins], [part.count for part in bins],
               width=[0.9 * (part.high - part.low) for part in bins], color=_COLOURS[2], alpha=0.4)
    counts.set(yscale='log', ylabel='flags')
    axes.set(xlabel='probability', ylabel='frequency', xlim=(0, 1), ylim=(0, 1))
    axes.legend(fontsize=8, loc='upper left')
    return _svg(figure)


def coverage(labels: np.ndarray, probabilities: np.ndarray) -> str:
    """Exact match of the answered tasks against their share, for growing review bands."""
    return coverages({'': (labels, probabilities)})


def coverages(splits: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> str:
    """:func:`coverage` of several splits in one picture: labels and probabilities by name."""
    figure, axes = _figure(5.0, 4.2)
    for index, (name, (labels, probabilities)) in enumerate(splits.items()):
        points = [point for point in coverage_curve(labels, probabilities) if point.coverage > 0]
        axes.plot([point.coverage for point in points], [point.exact_match for point in points],
                  'o-', markersize=3, color=_COLOURS[index % len(_COLOURS)], label=literal(name))
        if index == 0:
            for point in points[::4]:
                axes.annotate(f'0.5 ± {point.band:g}', (point.coverage, point.exact_match),
                              fontsize=7, xytext=(4, 4), textcoords='offset points')
    if len(splits) > 1:
        axes.legend(fontsize=8)
    axes.set(xlabel='share of tasks answered without review', ylabel='exact match of those')
    return _svg(figure)


def confusion(pairs: Sequence[tuple[str, str, int]]) -> str:
    """Labelled against predicted skill set of the wrong answers.

    Parameters
    ----------
    pairs
        From :func:`skill_predictor.evaluation.breakdown.confusions`; at least one.
    """
    labelled = sorted({pair[0] for pair in pairs})
    predicted = sorted({pair[1] for pair in pairs})
    counts = np.zeros((len(labelled), len(predicted)))
    for first, second, count in pairs:
        counts[labelled.index(first), predicted.index(second)] = count
    figure, axes = _figure(2.5 + 0.38 * len(predicted), 2.2 + 0.3 * len(labelled))
    axes.imshow(counts, cmap='Blues', aspect='auto')
    axes.set_xticks(range(len(predicted)), predicted, rotation=60, ha='right', fontsize=7)
    axes.set_yticks(range(len(labelled)), labelled, fontsize=7)
    axes.set(xlabel='predicted', ylabel='labelled')
    for (row, column), count in np.ndenumerate(counts):
        if count:
            dark = count > counts.max() / 2
            axes.text(column, row, f'{count:.0f}', ha='center', va='center', fontsize=7,
                      color='white' if dark else 'black')
    return _svg(figure)


def parts(found: Sequence[Part], overall: float) -> str:
    """Exact match per kind of task, with their numbers; a line for all tasks."""
    figure, axes = _figure(6.0, 0.9 + 0.24 * len(found))
    rows = list(found)[::-1]
    bars = axes.barh([literal(part.name) for part in rows], [part.exact_match for part in rows],
                     color=_COLOURS[0])
    axes.bar_label(bars, [f'{part.exact_match:.3f} of {part.tasks}' for part in rows], padding=3,
                   fontsize=7)
    axes.axvline(overall, color=_COLOURS[4], linewidth=1)
    axes.tick_params(axis='y', labelsize=7)
    axes.set(xlabel='exact match', xlim=(0, 1.18))
    axes.margins(y=0.01)
    return _svg(figure)


def intervals(found: Mapping[str, tuple[float, float, float]], label: str,
              mark: float | None = None) -> str:
    """Values with intervals, a line each, the best first.

    Parameters
    ----------
    found
        Value, low and high by name.
    label
        Of the axis.
    mark
        Where a line is drawn across; ``None``: nowhere.
    """
    rows = sorted(found.items(), key=lambda item: item[1][0])
    figure, axes = _figure(7.0, 0.9 + 0.28 * len(rows))
    values = np.array([value for _, (value, _, _) in rows])
    spread = np.array([[value - low, high - value] for _, (value, low, high) in rows]).T
    axes.errorbar(values, range(len(rows)), xerr=np.maximum(spread, 0), fmt='o',
                  color=_COLOURS[0], ecolor=_COLOURS[2], capsize=3)
    if mark is not None:
        axes.axvline(mark, color=_COLOURS[4], linewidth=1)
    axes.set_yticks(range(len(rows)), [literal(name) for name, _ in rows], fontsize=8)
    axes.set(xlabel=label)
    axes.grid(axis='x', alpha=0.3)
    return _svg(figure)


def _figure(width: float, height: float):
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(f'plots need matplotlib: {install("evaluation")}') from error
    figure = Figure(figsize=(width, height), layout='constrained')
    return figure, figure.subplots()


def _svg(figure) -> str:
    import matplotlib
    stream = io.StringIO()
    # No date inside and fixed ids: the same figures give the same page.
    with matplotlib.rc_context({'svg.hashsalt': 'skill_predictor', 'svg.fonttype': 'none'}):
        figure.savefig(stream, format='svg', metadata={'Date': None, 'Creator': None})
    return stream.getvalue().partition('<svg')[1] + stream.getvalue().partition('<svg')[2]


def over_time(series: Mapping[str, Sequence[tuple[float, float]]], label: str,
              top: float | None = None) -> str:
    """Values over the time of a recording.

    Parameters
    ----------
    series
        Seconds and values by name.
    label
        Of the values.
    top
        End of their axis; ``None``: as they need it.
    """
    figure, axes = _figure(7.0, 3.2)
    for (name, points), colour in zip(series.items(), _COLOURS):
        axes.plot([point[0] for point in points], [point[1] for point in points], 'o-',
                  color=colour, markersize=3, label=literal(name))
    axes.set(xlabel='s since the first task', ylabel=label)
    axes.set_ylim(0, top)
    if len(series) > 1:
        axes.legend(fontsize=8)
    return _svg(figure)


def cumulative(series: Mapping[str, Sequence[float]], unit: str) -> str:
    """Share of the values that are at most so large, for each series; NaN is left out.

    Of many values 1,000 points are drawn.
    """
    figure, axes = _figure(7.0, 3.2)
    for (name, values), colour in zip(series.items(), _COLOURS):
        known = np.sort(np.array(values, dtype=np.float64)[np.isfinite(values)])
        shares = np.arange(1, len(known) + 1) / len(known)
        drawn = np.unique(np.linspace(0, len(known) - 1, 1000).astype(int)) if len(known) else []
        axes.step(known[drawn], shares[drawn], where='post', color=colour, label=literal(name))
    axes.set(xlabel=unit, ylabel='share', ylim=(0, 1.02))
    axes.set_xlim(left=0)
    axes.legend(fontsize=8)
    return _svg(figure)
