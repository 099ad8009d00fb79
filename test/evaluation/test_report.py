"""The HTML page: everything is on it, nothing is fetched, texts stay texts."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

for module in ('sklearn', 'scipy', 'matplotlib', 'jinja2'):
    pytest.importorskip(module)

from skill_predictor.dataset.records import TaskRecord  # noqa: E402
from skill_predictor.evaluation.ablation import Effect  # noqa: E402
from skill_predictor.evaluation.comparison import compare  # noqa: E402
from skill_predictor.evaluation.report import facts  # noqa: E402
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


def test_cells_keep_to_their_place():
    assert table(['A', 'B'], [['x|y\nz', 1000], [True, None]]).splitlines() == [
        '| A | B |', '| --- | ---: |', '| x\\|y z | 1,000 |', '| True | None |']
