"""The shapes of engines."""

from __future__ import annotations

import pytest

from skill_predictor.inference.tensorrt.profiles import fitting, MOST_TASKS, profiles


def test_every_shape_that_comes_up_is_covered():
    shapes = profiles(256)
    assert shapes[0].shapes == ((1, 3), (1, 24), (1, 256))
    assert shapes[-1].tasks[2] == MOST_TASKS
    for tasks, index in ((1, 0), (2, 1), (8, 1), (9, 2), (64, 2)):
        assert fitting(shapes, tasks) == index
    with pytest.raises(ValueError, match='65 tasks do not fit, at most 64 do'):
        fitting(shapes, 65)


def test_limits_are_in_order_for_a_short_model():
    for profile in profiles(16):
        for least, expected, most in (profile.tasks, profile.tokens):
            assert least <= expected <= most
