"""The HTML page: everything is on it, nothing is fetched, texts stay texts."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest

for module in ('sklearn', 'scipy', 'matplotlib', 'jinja2'):
    pytest.importorskip(module)

from skill_predictor.dataset.records import TaskRecord  # noqa: E402
from skill_predictor.evaluation.ablation import Effect  # noqa: E402
from skill_predictor.evaluation.breakdown import Part  # noqa: E402
from skill_predictor.evaluation.comparison import compare  # noqa: E402
from skill_predictor.evaluation.report import facts, plots  # noqa: E402
from skill_predictor.evaluation.report.facts import JudgedSplit  # noqa: E402
from skill_predictor.evaluation.report.page import page  # noqa: E402
from skill_predictor.evaluation.report.summary import summary  # noqa: E402
from skill_predictor.evaluation.significance import Interval  # noqa: E402
from skill_predictor.markdown import table  # noqa: E402
from skill_predictor.taxonomy import from_flags  # noqa: E402

RNG = np.random.default_rng(0)
LABELS = RNG.random((80, 6)) < 0.4
PROBABILITIES = np.clip(LABELS + RNG.normal(0, 0.35, LABELS.shape), 0, 1).astype(np.float32)
RECORDS = [TaskRecord(f't-{index}', f'<script>alert({index})</script> & go', from_flags(row),
                      domain='port', boundary='height' if index % 2 else '')
           for index, row in enumerate(LABELS.tolist())]


RIGHT = ((PROBABILITIES >= 0.5) == LABELS).all(axis=1)
FEWER = RIGHT.copy()
FEWER[np.flatnonzero(RIGHT)[:4]] = False  # four of eighty
AGREEMENT = {'reference': 'torch', 'tasks': 80, 'files': 'test.jsonl', 'forms': {'int8 form': {
    'largest': 0.0789, 'mean': 0.001, 'changed': 2, 'exact_match': 0.9}}}
BY_FILE = [{'file': f'part-{name}.jsonl', 'tasks': 40, 'forms': {'int8 form': {
    'largest': 0.05, 'mean': 0.001, 'changed': changed, 'clearly_changed': 1, 'exact_match': 0.875}}}
    for name, changed in (('a', 0), ('b', 2))]
ODD = r'a $5 \x$ b'


def split(**changes):
    return JudgedSplit(**{'name': 'test', 'records': RECORDS, 'labels': LABELS,
                          'probabilities': PROBABILITIES, 'thresholds': [0.5] * 6, **changes})


def everything(form):
    decisions = PROBABILITIES >= 0.5
    rows = compare({'ours': decisions, 'other': ~decisions}, LABELS, 'ours')
    comparisons = {'test': {'tasks': [record.id for record in RECORDS],
                            'systems': [row.to_dict() for row in rows]}}
    return form('m: evaluation', {'model': 'm+123'},
                [split(robustness={'as written': RIGHT, 'typos': FEWER})], comparisons,
                {'minilm': [Effect(name, changes, 0, 0.9, 0.8, Interval(gain, gain - 0.1, gain + 0.1),
                                   0.04, 0.08, 5.0)
                            for name, changes, gain in (('as it is', '', 0.0),
                                                        ('no adapters', 'adapter_rank=0', 0.02))]},
                AGREEMENT)


@pytest.fixture(scope='module')
def html():
    return everything(page)


EXACT = ((PROBABILITIES >= 0.5) == LABELS).all(axis=1).mean()
SAID = ('m+123', f'{EXACT:.4f}', 'expected calibration error', 'test, 80 tasks', 'other',
        'no adapters', '+0.020 (-0.080 to +0.120)', 'typos', '-5.0 points (-', 'int8 form', '0.0789', 'beside PyTorch in float32, 80 tasks', 'Comparison o', 'p (McNemar)', 'review band')


def test_everything_is_on_it(html):
    for said in SAID:
        assert said in html, said
    # precision-recall, reliability, review band, confusion, four breakdowns, comparison, ablation
    assert html.count('<svg') == html.count('</svg>') == 10


def test_texts_are_not_markup(html):
    assert '<script' not in html and '&lt;script&gt;alert(' in html


def test_nothing_is_fetched(html):
    assert not re.search(r'(src|href)="(?!#|data:)', html)
    assert '@import' not in html and 'url(http' not in html


def test_pictures_are_well_formed(html):
    pictures = re.findall(r'<svg.*?</svg>', html, flags=re.DOTALL)
    assert pictures
    for picture in pictures:
        ElementTree.fromstring(picture)


def test_the_same_figures_give_the_same_page():
    assert page('t', {}, [split()]) == page('t', {}, [split()])


def test_a_model_without_a_mistake():
    html = page('t', {}, [split(probabilities=LABELS.astype(np.float32))])
    assert '<p>None.</p>' in html and html.count('<svg') == 7


def test_everything_is_in_the_summary():
    text = everything(summary)
    for said in SAID:
        assert said in text, said
    for line in text.splitlines():
        assert '<script' not in line
        assert not line or line[0] in '#-|' or line[-1] in '.:'


def test_the_review_band_follows_each_threshold():
    moved = split(thresholds=[0.7] * 6, probabilities=np.clip(PROBABILITIES + 0.2, 0, 1))
    first = facts.by_review_band(moved)[0]
    assert first['coverage'] == '1.000'
    assert first['exact_match'] == f'{(moved.predicted == LABELS).all(axis=1).mean():.3f}'


@pytest.mark.parametrize('form', (page, summary))
def test_forms_are_shown_by_file_where_they_are_known(form):
    told = form('t', {}, [split()], agreement={**AGREEMENT, 'by_file': BY_FILE})
    assert 'part-a.jsonl' in told and 'part-b.jsonl' in told and '0.8750' in told
    assert 'part-a.jsonl' not in form('t', {}, [split()], agreement=AGREEMENT)


def test_forms_have_a_row_each_for_all_tasks_and_for_each_file():
    rows = facts.forms({**AGREEMENT, 'by_file': BY_FILE})
    assert [(row['file'], row['tasks'], row['changed'], row['clearly']) for row in rows] == [
        ('all', 80, 2, ''), ('part-a.jsonl', 40, 0, 1), ('part-b.jsonl', 40, 2, 1)]


def test_the_summary_breaks_down_by_boundary_length_and_few_domains():
    right = ((PROBABILITIES >= 0.5) == LABELS).all(axis=1)

    def told(domains):
        return summary('t', {}, [split(records=[
            replace(record, domain=f'domain-{index % domains}', text='go ' * (1 + index % 2 * 9))
            for index, record in enumerate(RECORDS)])])
    text = told(12)
    for row in (f'| height | 40 | {right[1::2].mean():.3f} |', f'| 9 to 13 | 40 | {right[1::2].mean():.3f} |',
                f'| up to 8 words | 40 | {right[::2].mean():.3f} |',
                f'| domain-3 | 7 | {right[3::12].mean():.3f} |',
                '| boundary of the labelling guide | tasks | exact match |'):
        assert row in text, row
    assert 'domain-' not in told(13) and '| height | 40 |' in told(13)
    assert '| domain |' not in told(1), 'one kind says what all say'


def test_texts_that_were_not_read_come_before_the_worst_errors():
    probabilities = PROBABILITIES.copy()
    probabilities[[3, 5]] = np.nan
    records = list(RECORDS)
    records[5] = replace(records[5], text='far ' * 500)
    errors = ['it has <no> word' if index == 3 else '' for index in range(len(RECORDS))]
    html = page('t', {}, [split(probabilities=probabilities, records=records, errors=errors)])
    refused, worst = html[html.index('Texts that were not read'):].split('The worst errors')
    assert refused.count('>not read<') == 2 and 'it has &lt;no&gt; word' in refused
    assert 'alert(3)' in refused and 'alert(3)' not in worst
    assert refused.count('far ') < 100
    assert 'Texts that were not read' not in page('t', {}, [split()])


def test_of_many_texts_that_were_not_read_the_first_are_listed():
    probabilities = PROBABILITIES.copy()
    probabilities[:40] = np.nan
    html = page('t', {}, [split(probabilities=probabilities)])
    assert html.count('>not read<') == 30 and 'And 10 more.' in html


@pytest.mark.parametrize('picture', [
    lambda: plots.parts([Part(ODD, 2, 0.5), Part('$', 1, 1.0)], 0.5),
    lambda: plots.intervals({ODD: (0.5, 0.4, 0.6)}, 'exact match'),
    lambda: plots.coverages({ODD: (LABELS, PROBABILITIES), 'b': (LABELS, PROBABILITIES)}),
    lambda: plots.over_time({ODD: [(0, 1), (1, 2)], 'b': [(0, 1)]}, 'ms'),
    lambda: plots.cumulative({ODD: [1.0, 2.0]}, 'ms')],
    ids=('parts', 'intervals', 'coverages', 'over_time', 'cumulative'))
def test_names_with_dollars_are_no_mathematics(picture):
    assert ODD in ''.join(ElementTree.fromstring(picture()).itertext())


def test_cells_keep_to_their_place():
    assert table(['A', 'B'], [['x|y\nz', 1000], [True, None]]).splitlines() == [
        '| A | B |', '| --- | ---: |', '| x\\|y z | 1,000 |', '| True | None |']
