"""Pictures are real PNG files with something on them."""

from __future__ import annotations

import struct

import pytest

pytest.importorskip('matplotlib')

from skill_predictor.dataset.audit.agreement import agreement_by_reason  # noqa: E402
from skill_predictor.dataset.audit.records import AuditEntry  # noqa: E402
from skill_predictor.dataset.pictures import draw, draw_curve  # noqa: E402
from skill_predictor.dataset.records import TaskRecord  # noqa: E402
from skill_predictor.dataset.statistics import statistics  # noqa: E402


def size(path) -> tuple[int, int]:
    """Width and height by the file's header."""
    content = path.read_bytes()
    assert content.startswith(b'\x89PNG\r\n\x1a\n')
    return struct.unpack('>II', content[16:24])


@pytest.fixture
def splits():
    labels = [(), ('fly',), ('wheels', 'hands')]
    return {'train': [TaskRecord(f't{n}', 'word ' * (n % 9 + 4), labels[n % 3], f'domain {n % 70}',
                                 'w', boundary='carry' if n % 2 else '') for n in range(300)],
            'validation': [], 'test': [TaskRecord('x', 'one more test task', (), 'd', 'w')]}


def test_all_pictures_are_drawn(tmp_path, splits):
    audit = [AuditEntry('a', 'sample', ('fly',), ('fly',)), AuditEntry('b', 'boundary', (), ('fly',))]
    paths = draw(tmp_path / 'new', splits, statistics(splits), agreement_by_reason(audit))
    assert [path.stem for path in paths] == ['skill_sets', 'domains', 'lengths', 'boundaries',
                                             'agreement']
    heights = {path.stem: size(path)[1] for path in paths}
    assert heights['domains'] > 900, 'a row for each domain'
    assert all(size(path)[0] == 800 for path in paths)


def test_same_data_same_file(tmp_path, splits):
    first, second = (draw(tmp_path / name, splits, statistics(splits)) for name in 'ab')
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert 'agreement' not in [path.stem for path in first]


def test_of_many_domains_the_largest_are_drawn(tmp_path, splits):
    heights = []
    for domains in (70, 100, 150):
        splits['train'] = [TaskRecord(f't{n}', f'task {n}', (), f'domain {n % domains}', 'w')
                           for n in range(300)]
        heights.append(size(draw(tmp_path, splits, statistics(splits))[1])[1])
    assert heights[0] < heights[1] == heights[2]


def test_learning_curve_is_drawn(tmp_path):
    draw_curve(tmp_path / 'curve.png', {'probe': {1000: 0.3, 2000: 0.5}, 'tuned': {2000: 0.9}}, 'T')
    assert size(tmp_path / 'curve.png') == (800, 450)


def test_no_curve_is_left_out(tmp_path):
    curves = {f'{name}': {1000: 0.1 * name, 2000: 0.1 * name} for name in range(9)}
    seen = set()
    for count in range(4, 10):
        path = tmp_path / f'{count}.png'
        draw_curve(path, dict(list(curves.items())[:count]), 'T')
        seen.add(path.read_bytes())
    assert len(seen) == 6
