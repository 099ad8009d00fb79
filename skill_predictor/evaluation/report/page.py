"""Puts figures, plots and words together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...dataset.records import TaskRecord
from ...taxonomy import SKILLS
from .. import breakdown
from ..calibration import expected_calibration_error
from ..metrics import score
from ..significance import bootstrap, exact_match, Interval, macro_f1
from . import plots

_TEMPLATE = Path(__file__).parent / 'page.html'


@dataclass(frozen=True)
class JudgedSplit:
    """Labelled tasks and what a model said.

    Attributes
    ----------
    name : str
    records : sequence of TaskRecord
    labels : numpy.ndarray, bool, shape (n, 6)
    probabilities : numpy.ndarray, float32 in 0..1, shape (n, 6)
    thresholds : sequence of float
    robustness : mapping of str to float
        Exact match by manner of writing, the plain one first; empty: not measured.
    """

    name: str
    records: Sequence[TaskRecord]
    labels: np.ndarray
    probabilities: np.ndarray
    thresholds: Sequence[float]
    robustness: Mapping[str, float] = field(default_factory=dict)


def page(title: str, about: Mapping[str, str], splits: Sequence[JudgedSplit],
         comparisons: Mapping[str, Any] | None = None,
         ablation: Sequence[Mapping[str, Any]] = ()) -> str:
    """The report as HTML.

    Parameters
    ----------
    title
        Of the page.
    about
        Facts by name: model, engine, data.
    splits
        What was judged.
    comparisons
        As ``skill-predictor compare --json`` writes them.
    ablation
        Rows with the same keys.

    Raises
    ------
    ImportError
        When jinja2, matplotlib or scikit-learn is not installed.
    """
    try:
        from jinja2 import Environment
    except ImportError as error:
        raise ImportError("the report needs jinja2: "
                          "pip install 'skill-predictor[evaluation]'") from error
    # Texts of tasks are anybody's: they must not become markup.
    template = Environment(autoescape=True).from_string(_TEMPLATE.read_text(encoding='utf-8'))
    return template.render(
        title=title, about=about, splits=[_split(split) for split in splits],
        comparisons=[_comparison(name, part) for name, part in (comparisons or {}).items()],
        ablation={'columns': list(ablation[0]),
                  'rows': [list(row.values()) for row in ablation]} if ablation else None)


def _split(split: JudgedSplit) -> dict[str, Any]:
    predicted = split.probabilities >= np.asarray(split.thresholds)
    right = (predicted == split.labels).all(axis=1)
    scores = score(split.labels, predicted)
    overall = float(right.mean())
    pairs = breakdown.confusions(split.records, predicted)
    return {
        'name': split.name, 'tasks': len(split.records),
        'figures': _figures(split, predicted, scores.hamming_loss),
        'skills': [{'skill': skill, 'threshold': f'{threshold:g}',
                    'precision': f'{found.precision:.3f}', 'recall': f'{found.recall:.3f}',
                    'f1': f'{found.f1:.3f}', 'support': found.support}
                   for (skill, found), threshold in zip(scores.skills.items(), split.thresholds)],
        'plots': [{'svg': svg, 'caption': caption} for svg, caption in (
            (plots.precision_recall(split.labels, split.probabilities),
             'Precision and recall of each skill for every threshold.'),
            (plots.reliability_diagram(split.labels, split.probabilities),
             'What a probability is worth; bars: how many flags got such a one.'),
            (plots.coverage(split.labels, split.probabilities),
             'What a review band buys: tasks with a probability in the band go to a person.'),
            *([(plots.confusion(pairs), 'Labelled and predicted skill set of the wrong answers.')]
              if pairs else []),
            *((plots.parts(by(split.records, right), overall), f'Exact match by {what}.')
              for what, by in (('skill set', breakdown.by_skill_set),
                               ('boundary of the guide', breakdown.by_boundary),
                               ('length', breakdown.by_length),
                               ('domain', breakdown.by_domain))))],
        'robustness': _robustness(split.robustness),
        'mistakes': [_mistake(mistake) for mistake in breakdown.worst(
            split.records, split.labels, split.probabilities, split.thresholds)]}


def _figures(split: JudgedSplit, predicted: np.ndarray, hamming: float) -> list[dict[str, str]]:
    found: dict[str, Interval] = {
        'exact match': bootstrap(split.labels, predicted, exact_match),
        'macro F1': bootstrap(split.labels, predicted, macro_f1)}
    rows = [{'name': name, 'value': f'{value.value:.4f}',
             'interval': f'{value.low:.4f} to {value.high:.4f}'} for name, value in found.items()]
    error = expected_calibration_error(split.labels, split.probabilities)
    return [*rows, {'name': 'Hamming loss', 'value': f'{hamming:.4f}', 'interval': ''},
            {'name': 'expected calibration error', 'value': f'{error:.4f}', 'interval': ''}]


def _robustness(found: Mapping[str, float]) -> list[dict[str, str]]:
    if not found:
        return []
    plain = next(iter(found.values()))
    return [{'name': name, 'value': f'{value:.3f}', 'change': f'{value - plain:+.3f}'}
            for name, value in found.items()]


def _mistake(mistake: breakdown.Mistake) -> dict[str, str]:
    record = mistake.record
    return {'text': record.text, 'id': record.id, 'boundary': record.boundary,
            'domain': record.domain, 'labelled': breakdown.set_name(record.label or ()),
            'predicted': breakdown.set_name(mistake.predicted),
            'probabilities': ', '.join(f'{skill} {value:.2f}' for skill, value
                                       in zip(SKILLS, mistake.probabilities))}


def _comparison(name: str, part: Mapping[str, Any]) -> dict[str, Any]:
    rows = []
    for system in part['systems']:
        against = system['against']
        rows.append({
            'name': system['name'],
            'exact_match': f'{system["exact_match"]["value"]:.3f}',
            'macro_f1': f'{system["macro_f1"]["value"]:.3f}',
            'hamming_loss': f'{system["hamming_loss"]:.4f}',
            'only_first': against['only_first'] if against else '',
            'only_second': against['only_second'] if against else '',
            'p': f'{against["p_value"]:.2g}' if against else ''})
    svg = plots.intervals(
        {system['name']: tuple(system['exact_match'][key] for key in ('value', 'low', 'high'))
         for system in part['systems']}, 'exact match')
    return {'name': f'{name}, {len(part["tasks"]):,} tasks', 'rows': rows, 'svg': svg}
