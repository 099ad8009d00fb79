"""The report in short, as Markdown: what stands beside a released model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...markdown import table
from ..ablation import Effect, readable
from . import facts
from .facts import JudgedSplit, Row


FORMS = {'form': 'form', 'file': 'file', 'tasks': 'tasks',
         'largest': 'largest difference of a probability', 'mean': 'mean',
         'changed': 'decided otherwise', 'clearly': 'clearly', 'exact_match': 'exact match'}


def summary(title: str, about: Mapping[str, str], splits: Sequence[JudgedSplit],
            comparisons: Mapping[str, Any] | None = None,
            ablations: Mapping[str, Sequence[Effect]] | None = None,
            agreement: Mapping[str, Any] | None = None, coverage: str = '') -> str:
    """The report as Markdown, without single errors and with one picture.

    Parameters
    ----------
    title, about, splits, comparisons, ablations, agreement
        See :func:`skill_predictor.evaluation.report.page.page`.
    coverage
        Name of a picture file beside it, see
        :func:`skill_predictor.evaluation.report.plots.coverages`; empty: none.
    """
    parts = [f'# {title}', '\n'.join(f'- {name}: {value}' for name, value in about.items())]
    if coverage:
        parts += ['What a review band buys: tasks with a probability in the band go to a person.',
                  f'![exact match by share of tasks answered without review]({coverage})']
    if agreement:
        parts += [f'## {facts.forms_title(agreement)}', facts.FORMS_NOTE,
                  _table(facts.forms(agreement), FORMS)]
    for split in splits:
        parts += _split(split)
    for name, part in (comparisons or {}).items():
        parts += [f'## Comparison on {name}, {len(part["tasks"]):,} tasks', _table(
            facts.systems(part), {
                'name': 'system', 'exact_match': 'exact match', 'interval': '95 %',
                'macro_f1': 'macro F1', 'hamming_loss': 'Hamming loss',
                'difference': 'minus the first (95 %)', 'only_first': 'only the first right', 'only_second': 'only this right',
                'p': 'p (McNemar)'})]
    for name, effects in (ablations or {}).items():
        rows = readable(effects)
        parts += [f'## Ablation: {name}', _table(rows, {column: column for column in rows[0]})]
    return '\n\n'.join(parts) + '\n'


def _split(split: JudgedSplit) -> list[str]:
    parts = [
        f'## {split.name}, {len(split.records):,} tasks',
        _table(facts.overall(split), {'name': 'figure', 'value': 'value', 'interval': '95 %'}),
        _table(facts.by_skill(split), {
            'skill': 'skill', 'threshold': 'threshold', 'precision': 'precision',
            'recall': 'recall', 'f1': 'F1', 'interval': '95 %', 'support': 'tasks'}),
        'With a review band: tasks with a probability this near to the threshold go to a person.',
        _table(facts.by_review_band(split), {
            'band': 'band', 'coverage': 'answered', 'exact_match': 'exact match of those'})]
    parts += [_table(rows, {'name': way, 'tasks': 'tasks', 'exact_match': 'exact match'})
              for way, rows in facts.by_kind(split).items()]
    manners = facts.by_manner(split)
    if manners:
        parts += ['The same tasks, written otherwise:', _table(manners, {
            'name': 'manner', 'value': 'exact match', 'change': 'change (95 %)'})]
    return parts


def _table(rows: Sequence[Row], columns: Mapping[str, str]) -> str:
    """A table of values by key, with the headings of the keys."""
    return table(list(columns.values()), [[row[key] for key in columns] for row in rows])
