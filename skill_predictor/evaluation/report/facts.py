"""The figures of a report as text, for whatever form it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...dataset.records import TaskRecord
from .. import breakdown
from ..calibration import coverage_curve, expected_calibration_error
from ..metrics import score
from ..comparison import named, shown_p, signed
from ..significance import bootstrap, difference, exact_match, hamming_loss, Interval, macro_f1

MOST_DOMAINS = 12
"""With more of them a table by domain says little of each, and much in all."""
FORMS_NOTE = ('Clearly: decided otherwise although the reference was farther from the threshold than '
              'rounding explains.')
REVIEW_BANDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.45, 0.48)
"""Distances from the threshold of which the table of coverage tells."""


@dataclass(frozen=True)
class JudgedSplit:
    """Labelled tasks and what a model said.

    Attributes
    ----------
    name : str
    records : sequence of TaskRecord
    labels : numpy.ndarray, bool, shape (n, 6)
    probabilities : numpy.ndarray, float32 in 0..1, shape (n, 6)
        NaN for a text that the model refuses to read.
    thresholds : sequence of float
    robustness : mapping of str to numpy.ndarray, bool, shape (n,)
        Which tasks are answered right, by manner of writing, the plain one first; empty: not measured.
    errors : sequence of str
        Why a text is not read, per task, empty where it is; no entries: not known.
    """

    name: str
    records: Sequence[TaskRecord]
    labels: np.ndarray
    probabilities: np.ndarray
    thresholds: Sequence[float]
    robustness: Mapping[str, np.ndarray] = field(default_factory=dict)
    errors: Sequence[str] = ()

    @property
    def predicted(self) -> np.ndarray:
        """Decisions, bool, shape (n, 6); all wrong where the text is not read."""
        return decisions(self.labels, self.probabilities, self.thresholds)

    @property
    def read(self) -> JudgedSplit:
        """The tasks of which the model said something; what is of probabilities is of these."""
        kept = ~np.isnan(self.probabilities).any(axis=1)
        if kept.all():
            return self
        return replace(self, labels=self.labels[kept], probabilities=self.probabilities[kept],
                       errors=(), records=[record for record, keep in zip(self.records, kept) if keep])

    @property
    def not_read(self) -> list[tuple[TaskRecord, str]]:
        """The tasks that are not read, and why; empty where that is not known."""
        refused = np.flatnonzero(np.isnan(self.probabilities).any(axis=1))
        return [(self.records[index], self.errors[index] if self.errors else '')
                for index in refused]

    @property
    def moved(self) -> np.ndarray:
        """Probabilities moved so that every skill's threshold is 0.5, which a curve knows alone."""
        return self.probabilities - np.asarray(self.thresholds, dtype=np.float32) + 0.5


def decisions(labels: np.ndarray, probabilities: np.ndarray,
              thresholds: Sequence[float]) -> np.ndarray:
    """What probabilities decide, bool, shape (n, 6); NaN is wrong, whatever the label."""
    required = probabilities >= np.asarray(thresholds, dtype=np.float32)
    return np.where(np.isnan(probabilities), ~labels, required)


Row = dict[str, Any]


def overall(split: JudgedSplit) -> list[Row]:
    """Name, value and 95 % interval (empty where there is none) of each overall figure."""
    groups = [record.group for record in split.records]
    found: dict[str, Interval] = {
        'exact match': bootstrap(split.labels, split.predicted, exact_match, groups=groups),
        'macro F1': bootstrap(split.labels, split.predicted, macro_f1, groups=groups),
        'Hamming loss': bootstrap(split.labels, split.predicted, hamming_loss, groups=groups)}
    rows = [{'name': name, 'value': f'{value.value:.4f}',
             'interval': f'{value.low:.4f} to {value.high:.4f}'} for name, value in found.items()]
    read = split.read
    error = expected_calibration_error(read.labels, read.probabilities)
    by_skill = [expected_calibration_error(read.labels[:, index], read.probabilities[:, index])
                for index in range(read.labels.shape[1])]
    refused = len(split.records) - len(read.records)
    if refused:
        rows.append({'name': 'texts that were not read, counted as wrong', 'value': f'{refused:,}',
                     'interval': ''})
    return [*rows,
            {'name': 'expected calibration error, all flags', 'value': f'{error:.4f}',
             'interval': ''},
            {'name': 'expected calibration error, worst skill', 'value': f'{max(by_skill):.4f}',
             'interval': ''}]


def by_skill(split: JudgedSplit) -> list[Row]:
    """Threshold, precision, recall, F1 with its 95 % interval and support of each skill."""
    rows = []
    for index, (skill, found) in enumerate(score(split.labels, split.predicted).skills.items()):
        column = slice(index, index + 1)
        f1 = bootstrap(split.labels[:, column], split.predicted[:, column], macro_f1,
                       groups=[record.group for record in split.records])
        rows.append({'skill': skill, 'threshold': f'{split.thresholds[index]:g}',
                     'precision': f'{found.precision:.3f}', 'recall': f'{found.recall:.3f}',
                     'f1': f'{found.f1:.3f}', 'interval': f'{f1.low:.3f} to {f1.high:.3f}',
                     'support': found.support})
    return rows


def by_manner(split: JudgedSplit) -> list[Row]:
    """Exact match of the same tasks written otherwise, and its change with the 95 % interval."""
    if not split.robustness:
        return []
    plain = next(iter(split.robustness.values()))
    groups = [record.group for record in split.records]
    return [{'name': name, 'value': f'{right.mean():.3f}', 'change': '' if right is plain else
             signed(difference(plain, right, groups=groups))}
            for name, right in split.robustness.items()]


def by_kind(split: JudgedSplit) -> dict[str, list[Row]]:
    """Tasks and exact match by kind of task, for each way to tell kinds apart that makes several."""
    right = (split.predicted == split.labels).all(axis=1)
    ways = {'boundary of the labelling guide': breakdown.by_boundary(split.records, right),
            'length': breakdown.by_length(split.records, right)}
    domains = breakdown.by_domain(split.records, right)
    if len(domains) <= MOST_DOMAINS:
        ways['domain'] = domains
    return {way: [{'name': part.name, 'tasks': part.tasks, 'exact_match': f'{part.exact_match:.3f}'}
                  for part in parts] for way, parts in ways.items() if len(parts) > 1}


def forms(found: Mapping[str, Any]) -> list[Row]:
    """How other forms of the model agree with the reference, as ``skill-predictor verify --json``.

    Of each form a row for all tasks, then one for each file where there are several.
    """
    parts = [{'file': 'all', 'tasks': found['tasks'], 'forms': found['forms']},
             *found.get('by_file', ())]
    return [_form(form, part) for form in found['forms'] for part in parts]


def _form(form: str, part: Mapping[str, Any]) -> Row:
    one = part['forms'][form]
    return {'form': form, 'file': part['file'], 'tasks': part['tasks'],
            'largest': f'{one["largest"]:.4f}', 'mean': f'{one["mean"]:.5f}',
            'changed': one['changed'], 'clearly': one.get('clearly_changed', ''),
            'exact_match': f'{one["exact_match"]:.4f}'}


def forms_title(found: Mapping[str, Any]) -> str:
    """What :func:`forms` are compared with, and on what."""
    reference = 'PyTorch in float32' if found['reference'] == 'torch' else found['reference']
    return f'Forms of the model beside {reference}, {found["tasks"]:,} tasks ({found["files"]})'


def by_review_band(split: JudgedSplit) -> list[Row]:
    """Coverage and exact match of what remains, by the width of the review band."""
    read = split.read
    return [{'band': f'{point.band:g}', 'coverage': f'{point.coverage:.3f}',
             'exact_match': f'{point.exact_match:.3f}' if point.coverage else ''}
            for point in coverage_curve(read.labels, read.moved, bands=REVIEW_BANDS)]


def systems(part: Mapping[str, Any]) -> list[Row]:
    """The systems of a comparison, as ``skill-predictor compare --json`` writes it per split."""
    rows = []
    for system in part['systems']:
        against = system['against']
        exact, macro, hamming = (Interval(**system[name]) for name in (
            'exact_match', 'macro_f1', 'hamming_loss'))
        rows.append({
            'name': named(system['name'], part.get('unanswered')), 'exact_match': f'{exact.value:.3f}',
            'interval': f'{exact.low:.3f} to {exact.high:.3f}', 'macro_f1': f'{macro.value:.3f}',
            'hamming_loss': f'{hamming.value:.4f}',
            'difference': signed(Interval(**system['difference'])) if against else '',
            'only_first': against['only_first'] if against else '',
            'only_second': against['only_second'] if against else '',
            'p': shown_p(against['p_value']) if against else ''})
    return rows
