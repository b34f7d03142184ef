"""Who is stopped early, and above all who is not."""

import math
from statistics import median

import pytest
from hypothesis import assume, given, settings, strategies as st

from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.core.experiment import CurvePoint
from autoresearch_dagster.core.presets import PRESETS
from autoresearch_dagster.experiments.early_stop import EarlyStop, behind, curve_of, is_on
from autoresearch_dagster.store.events import SessionConfig

BUDGET_S = 100.0
LOSSES = st.lists(st.floats(0.01, 100, allow_nan=False), min_size=0, max_size=60)


def points(losses, every_s=1.0):
    return [CurvePoint(step=n, loss=loss, elapsed_s=every_s * n) for n, loss in enumerate(losses, 1)]


def learning(speed=1.0, seconds=BUDGET_S, every_s=1.0):
    """A loss that falls from 9 to 3 nats, `speed` times as fast as the baseline's."""
    times = [every_s * n for n in range(1, int(seconds / every_s) + 1)]
    return [3 + 6 * math.exp(-speed * at / 25) for at in times]


BASELINE = curve_of("baseline", points(learning()), 1.0)
CHAMPION = curve_of("champion", points(learning(speed=1.3)), 1.0)
BOTH = (BASELINE, CHAMPION)


def watch(losses, others=BOTH, every_s=1.0, budget_s=BUDGET_S):
    """Play a training; return the second at which it is stopped and what is said, or (None, '')."""
    rule = EarlyStop(budget_s, others)
    for point in points(losses, every_s):
        if said := rule(point, point.elapsed_s):
            return point.elapsed_s, said
    return None, ""


def test_a_training_that_does_not_learn_is_stopped_and_told_with_the_figures():
    at_s, said = watch([9.0] * 100)
    assert at_s == pytest.approx(lim.EARLY_STOP_FROM * BUDGET_S, abs=6)
    third = at_s / 3
    assert said == (
        f"Stopped early, after {at_s:.0f} of 100 s: its training loss was 9, "
        f"and after {third:.0f} s, a third of that, the baseline {BASELINE.loss_at(third):.3g} "
        f"and the champion {CHAMPION.loss_at(third):.3g}."
    )


@pytest.mark.parametrize(
    ("speed", "stopped"), [(0.2, True), (0.28, True), (0.4, False), (0.5, False), (1.0, False)]
)
def test_who_is_more_than_three_times_slower_is_stopped_and_who_is_twice_as_slow_is_not(speed, stopped):
    assert (watch(learning(speed))[0] is not None) is stopped


def test_a_warm_up_of_a_third_of_the_time_is_forgiven():
    slow_start = [9.0] * 20 + learning(speed=1.5, seconds=80)
    assert watch(slow_start)[0] is None


@settings(deadline=None)
@given(LOSSES, st.floats(0, 1))
def test_nothing_is_stopped_before_its_time(losses, share):
    used_s = share * lim.EARLY_STOP_FROM * BUDGET_S * 0.999
    assert behind(losses, used_s, BUDGET_S, BOTH) is None


@settings(deadline=None)
@given(LOSSES, st.floats(0, 200))
def test_who_has_nobody_to_be_compared_with_is_never_stopped(losses, used_s):
    assert behind(losses, used_s, BUDGET_S, ()) is None
    assert watch(losses, others=())[0] is None


@settings(deadline=None, max_examples=200)
@given(st.lists(st.floats(5, 11), min_size=50, max_size=100), st.lists(st.floats(0.5, 9), min_size=30, max_size=50))
def test_who_is_stopped_was_worse_than_everybody_had_been_at_a_third_of_the_time(losses, theirs):
    losses, theirs = [9.0, *losses], [9.0, *theirs]
    at_s, _ = watch(losses, (BASELINE, curve_of("champion", points(theirs), 1.0)))
    assume(at_s is not None)
    mine = median(losses[: int(at_s)][-lim.EARLY_STOP_POINTS :])
    assert mine > median(theirs[: int(at_s / 3)][-lim.EARLY_STOP_POINTS :])
    assert mine > BASELINE.loss_at(at_s / 3)
    assert at_s >= lim.EARLY_STOP_FROM * BUDGET_S


@settings(deadline=None)
@given(st.lists(st.floats(0.5, 12), min_size=3, max_size=100))
def test_nobody_is_stopped_who_is_as_fast_as_one_of_the_others(losses):
    losses.sort(reverse=True)
    assert watch(losses, (BASELINE, curve_of("champion", points(losses), 1.0)))[0] is None


@settings(deadline=None)
@given(LOSSES)
def test_a_champion_with_a_forged_curve_stops_nobody_who_keeps_up_with_the_baseline(forged):
    liar = curve_of("champion", points([9.0, *[0.001] * 99]), 1.0)
    assert watch(learning(speed=0.5), (BASELINE, liar))[0] is None
    other = curve_of("champion", points(forged), 1.0)
    assert watch(learning(speed=0.5), (BASELINE, other) if other else (BASELINE,))[0] is None


def test_one_bad_stretch_that_ends_does_not_stop_a_training():
    losses = learning()
    for begin in range(40, 90, 10):  # and others after it: only what follows at once adds up
        losses[begin : begin + 3] = [50.0] * 3
    assert watch(losses)[0] is None


@pytest.mark.parametrize("scale", [1 / math.log(2), 512.0, 0.01, -1.0])
def test_a_loss_in_other_units_is_not_compared(scale):
    assert watch([scale * loss for loss in learning(speed=0.2)])[0] is None


def test_a_training_that_diverged_before_its_first_report_is_stopped_and_told():
    at_s, said = watch([140.0, *[150.0, 130.0, 170.0] * 30])
    assert at_s is not None
    assert said.endswith("its training loss was 150, no better than the 140 that it began with.")
    assert watch([140.0, *[150.0, 130.0, 120.0] * 30])[0] is None


def test_a_training_that_reports_nothing_or_little_is_not_stopped():
    rule = EarlyStop(BUDGET_S, BOTH)
    assert [rule(None, float(at)) for at in range(100)] == [""] * 100
    point = CurvePoint(step=1, loss=9.0, elapsed_s=1.0)
    assert [rule(point, float(at)) for at in range(100)] == [""] * 100  # the same point again and again


def test_a_look_needs_a_new_point_and_some_time_since_the_last():
    often = [9.0] * 1000
    at_s, _ = watch(often, every_s=0.1)
    assert at_s >= BUDGET_S * (lim.EARLY_STOP_FROM + (lim.EARLY_STOP_LOOKS - 1) * lim.EARLY_STOP_EVERY)


def test_a_curve_of_wall_time_is_brought_to_the_metered_time():
    half = curve_of("champion", points(learning()), 0.5)
    assert half.loss_at(10) == BASELINE.loss_at(20)
    assert BASELINE.loss_at(2.5) is None
    assert curve_of("champion", points([1.0, 2.0]), 1.0) is None


def test_points_that_go_back_in_time_are_left_out():
    there = points(learning(seconds=5))
    back = [there[0], there[2], there[1], there[3], there[4]]
    found = curve_of("champion", back, 1.0)
    assert list(found.at_s) == sorted(found.at_s)
    assert found.at_s[-1] == 5


@pytest.mark.parametrize(
    ("preset", "asked", "on"),
    [
        ("demo", None, False),
        ("workshop", None, False),
        ("gpu", None, True),
        ("workshop", True, True),
        ("gpu", False, False),
    ],
)
def test_only_the_gpu_preset_stops_early_unless_a_session_says_otherwise(preset, asked, on):
    assert is_on(SessionConfig(preset=preset, early_stop=asked)) is on
    assert is_on(SessionConfig(preset=preset, early_stop=asked), PRESETS[preset]) is on
