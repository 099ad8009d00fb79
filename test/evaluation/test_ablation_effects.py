"""What an ablation says: each variant beside the recipe of its seed, p-values of many tests."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('scipy')

from skill_predictor.evaluation.ablation import (  # noqa: E402
    against, effects, packed, readable, unpacked)


def row(variant, right, seed=0, **more):
    return {'variant': variant, 'changes': '', 'seed': seed, 'exact match, other writers':
            float(np.mean(right)), 'exact match, validation': 0.5, 'seconds': 90,
            'right': packed(right), **more}


def test_a_variant_is_tested_against_the_recipe_on_the_same_tasks():
    first = np.array([True] * 10 + [False] * 3)
    second = np.array([False] * 4 + [True] * 9)
    found = against(packed(first), packed(second), 13)
    assert (found.only_first, found.only_second) == (4, 3) and found.p_value == 1.0
    np.testing.assert_array_equal(unpacked(packed(first), 13), first)


def test_effects_of_two_seeds():
    rng = np.random.default_rng(0)
    base = {seed: rng.random(200) < 0.5 for seed in (0, 1)}
    better, same = base[1].copy(), base[0].copy()
    better[np.flatnonzero(~better)[:30]] = True
    found = effects({'judging': 200, 'rows': [
        row('as it is', base[0]), row('same', same), row('as it is', base[1], 1),
        row('better', better, 1)]})
    assert [effect.gain.value for effect in found] == pytest.approx([0, 0, 0, 0.15])
    assert found[3].gain.low > 0.09 and found[3].p < 1e-6
    # Benjamini and Hochberg: the smallest of two is doubled, the other stays.
    assert found[3].adjusted_p == pytest.approx(2 * found[3].p) and found[1].adjusted_p == 1.0
    said = readable(found)
    assert [line['variant'] for line in said] == [
        'as it is, seed 0', 'same, seed 0', 'as it is, seed 1', 'better, seed 1']
    assert said[0]['gain (95 %)'] == '' and said[3]['gain (95 %)'].startswith('+0.150 (+0.')
    assert said[3]['minutes'] == '2'


@pytest.mark.parametrize('content, said', [
    ({'test': {}}, "'rows'"), ({'rows': [], }, "'judging'"),
    ({'judging': 8, 'rows': [row('wide', np.ones(8, bool))]}, 'lacks 0'),
    ({'judging': 80, 'rows': [row('as it is', np.ones(8, bool))]}, '8 answers for 80 tasks'),
    ({'judging': 8, 'rows': [{**row('as it is', np.ones(8, bool)), 'right': 'zz'}]}, 'hexadecimal')])
def test_what_is_no_ablation(content, said):
    with pytest.raises(ValueError, match=said):
        effects(content)
