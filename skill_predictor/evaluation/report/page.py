"""Puts figures, plots and words together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...dataset.records import TaskRecord
from ...taxonomy import SKILLS
from .. import breakdown
from ..ablation import BASE, Effect, readable
from ..pages import render
from . import facts, plots
from .facts import JudgedSplit

MOST_NOT_READ = 30
"""So many texts that were not read are shown of a split."""
MOST_CHARACTERS = 300
"""And so much of each."""


def page(title: str, about: Mapping[str, str], splits: Sequence[JudgedSplit],
         comparisons: Mapping[str, Any] | None = None,
         ablations: Mapping[str, Sequence[Effect]] | None = None,
         agreement: Mapping[str, Any] | None = None) -> str:
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
    ablations
        By name, from :func:`skill_predictor.evaluation.ablation.effects`.
    agreement
        As ``skill-predictor verify --json`` writes it.

    Raises
    ------
    ImportError
        When jinja2, matplotlib or scikit-learn is not installed.
    """
    return render(
        'report.html', title=title, agreement=agreement and {
            'title': facts.forms_title(agreement), 'note': facts.FORMS_NOTE,
            'rows': facts.forms(agreement)},
        about=about.items(), splits=[_split(split) for split in splits],
        comparisons=[_comparison(name, part) for name, part in (comparisons or {}).items()],
        ablations=[_ablation(name, found) for name, found in (ablations or {}).items()])


def _split(split: JudgedSplit) -> dict[str, Any]:
    right = (split.predicted == split.labels).all(axis=1)
    overall = float(right.mean())
    read, not_read = split.read, split.not_read
    pairs = breakdown.confusions(read.records, read.predicted)
    return {
        'name': split.name, 'tasks': len(split.records),
        'figures': facts.overall(split), 'skills': facts.by_skill(split),
        'bands': facts.by_review_band(split),
        'plots': [{'svg': svg, 'caption': caption} for svg, caption in (
            (plots.precision_recall(read.labels, read.probabilities),
             'Precision and recall of each skill for every threshold.'),
            (plots.reliability_diagram(read.labels, read.probabilities),
             'What a probability is worth; bars: how many flags got such a one.'),
            (plots.coverage(read.labels, read.moved),
             'What a review band buys: tasks with a probability in the band go to a person.'),
            *([(plots.confusion(pairs), 'Labelled and predicted skill set of wrong answers, the twenty '
                'most frequent pairs.')]
              if pairs else []),
            *((plots.parts(by(split.records, right), overall), f'Exact match by {what}.')
              for what, by in (('skill set', breakdown.by_skill_set),
                               ('boundary of the guide', breakdown.by_boundary),
                               ('length', breakdown.by_length),
                               ('domain', breakdown.by_domain))))],
        'robustness': facts.by_manner(split),
        'not_read': [_not_read(record, error) for record, error in not_read[:MOST_NOT_READ]],
        'not_read_more': max(0, len(not_read) - MOST_NOT_READ),
        'mistakes': [_mistake(mistake) for mistake in breakdown.worst(
            read.records, read.labels, read.probabilities, read.thresholds)]}


def _task(record: TaskRecord) -> dict[str, str]:
    return {'text': record.text, 'id': record.id, 'boundary': record.boundary, 'domain': record.domain,
            'labelled': breakdown.set_name(record.label or ())}


def _not_read(record: TaskRecord, error: str) -> dict[str, str]:
    task = _task(record)
    # A text may be refused for its length.
    if len(record.text) > MOST_CHARACTERS:
        task['text'] = f'{record.text[:MOST_CHARACTERS]} …'
    return {**task, 'error': error}


def _mistake(mistake: breakdown.Mistake) -> dict[str, str]:
    return {**_task(mistake.record),
            'predicted': breakdown.set_name(mistake.predicted),
            'probabilities': ', '.join(f'{skill} {value:.2f}' for skill, value
                                       in zip(SKILLS, mistake.probabilities))}


def _comparison(name: str, part: Mapping[str, Any]) -> dict[str, Any]:
    svg = plots.intervals(
        {system['name']: tuple(system['exact_match'][key] for key in ('value', 'low', 'high'))
         for system in part['systems']}, 'exact match')
    return {'name': f'{name}, {len(part["tasks"]):,} tasks', 'rows': facts.systems(part), 'svg': svg}


def _ablation(name: str, found: Sequence[Effect]) -> dict[str, Any]:
    rows = readable(found)
    gains = {row['variant']: (effect.gain.value, effect.gain.low, effect.gain.high)
             for row, effect in zip(rows, found) if effect.variant != BASE}
    return {'name': name, 'columns': list(rows[0]), 'rows': [list(row.values()) for row in rows],
            'svg': plots.intervals(gains, 'gain of exact match over the recipe', 0.0)
            if gains else ''}
