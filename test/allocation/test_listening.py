"""Which time counts for the ledger, by the clock of a computer and by that of a simulation."""

from allocation_helpers import fliers, fly, short
import pytest

from skill_predictor.allocation.listening import Listening
from skill_predictor.allocation.tasks import Status


def run(listening, *events):
    """Let events happen; give the step to the last."""
    for now, steady in events:
        step = listening.event(now, steady)
    return step


@pytest.mark.parametrize('simulated, events, shift, set_by', [
    (False, [(100.0, 0.0)], 0.0, 0.0),                               # the first one
    (False, [(100.0, 0.0), (100.5, 0.5)], 0.0, 0.0),
    (False, [(100.0, 0.0), (101.9, 0.5)], 0.0, 0.0),                 # adjusted, not set
    (False, [(100.0, 0.0), (3700.5, 0.5)], 3600.0, 3600.0),
    (False, [(3700.0, 0.0), (100.5, 0.5)], -3600.0, -3600.0),
    (False, [(100.0, 0.0), (160.0, 60.0)], 59.5, 0.0),               # nobody listened
    (False, [(3700.0, 0.0), (160.0, 60.0)], -3540.5, -3600.0),       # and the clock was set
    (True, [(100.0, 0.0), (100.5, 5.0)], 0.0, 0.0),                  # a slow simulation
    (True, [(100.0, 0.0), (102.0, 0.02)], 0.0, 0.0),                 # a fast one
    (True, [(0.0, 0.0), (5000.0, 0.1)], 4999.5, 0.0),                # a leap
    (True, [(300.0, 0.0), (5.0, 0.1)], -295.0, -295.0),              # it starts again
    (True, [(3.0, 0.0), (1.0, 60.0)], -2.0, -2.0)])
def test_the_time_that_does_not_count(simulated, events, shift, set_by):
    step = run(Listening(simulated, 0.5, 5.0), *events)
    assert step == pytest.approx((shift, set_by))


def test_a_pause_is_longer_than_robots_may_be_silent_by_half_and_than_three_ticks():
    assert run(Listening(False, 0.5, 5.0), (0.0, 0.0), (2.5, 2.5)).shift_s == 0.0
    assert run(Listening(False, 0.5, 5.0), (0.0, 0.0), (2.6, 2.6)).shift_s == pytest.approx(2.1)
    assert run(Listening(False, 2.0, 5.0), (0.0, 0.0), (6.0, 6.0)).shift_s == 0.0


@pytest.mark.parametrize('rate, step_s', [(0.05, 0.5), (1.0, 0.5), (20.0, 2.0), (200.0, 20.0)])
def test_a_silent_robot_of_a_simulation_is_lost_however_fast_it_runs(rate, step_s):
    ledger, listening = fliers('a', robot_timeout_s=5.0), Listening(True, 0.5, 5.0)
    listening.event(0.0, 0.0)
    ledger.submit(fly('1'), 0.0)
    for number in range(1, 100):
        now = number * step_s
        ledger.shift(listening.event(now, now / rate).shift_s)
        decisions = ledger.tick(now)
        if decisions:
            break
    assert short(decisions) == [('1', Status.WAITING, ())]
    # By the simulation's time; where its steps are longer than a tick, each counts as one.
    assert number == (3 if step_s == 2.0 else 11)
