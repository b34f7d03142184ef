"""Looks at a candidate: what is promoted, what is not, and what it costs in error rate."""

import pytest
from hypothesis import given, settings, strategies as st

from autoresearch_dagster.core.errors import EvaluationFault
from autoresearch_dagster.core.experiment import canonical_json
from autoresearch_dagster.core.judgement import PromotionDecision
from autoresearch_dagster.core.limits import SESSION_ERROR_RATE
from autoresearch_dagster.evaluation.noise import measure_noise_floor
from autoresearch_dagster.evaluation.paired import paired_difference as compare
from autoresearch_dagster.evaluation.promotion import choose_champion, confirm
from autoresearch_dagster.evaluation.readings import readings
from autoresearch_dagster.evaluation.spending import (
    FLOOR_SEEDS,
    FULL_PLAN,
    PLANS,
    ConfirmationPlan,
    candidate_error_rate,
    look_error_rate,
)
from benchmarks.promotion_simulation import DEMO, null_session
from benchmarks.promotion_world import World
from tests.arms import better_by, made_arm
from tests.unit.test_noise_floor import same_at_every_seed

quick = settings(deadline=None, max_examples=50)
SEEDS = st.integers(0, 2**32 - 1)
FLOOR = measure_noise_floor(made_arm(0, 3), FULL_PLAN)
FIRST, LAST = FULL_PLAN.seeds[0], FULL_PLAN.seeds[-1]


def looked(champion, candidate, *, floor=FLOOR, plan=FULL_PLAN, number=1, looks=0):
    return confirm(champion, candidate, floor, plan, number=number, looks=looks)


def test_a_large_gain_is_confirmed_at_the_first_look():
    decision = looked(made_arm(1), made_arm(2, gain=0.3))

    assert decision.outcome == "confirmed"
    assert 0 < decision.assured_gain_bpb < decision.gain_bpb
    assert decision.next_seeds is None
    assert "fresh seeds" in decision.reason


def test_a_hopeless_candidate_gets_no_further_seeds():
    decision = looked(made_arm(1), made_arm(2, gain=-0.05))

    assert decision.outcome == "within_noise"
    assert decision.next_seeds is None
    assert decision.reason.startswith("Not better")


def test_a_promising_candidate_gets_more_seeds_and_at_the_last_look_an_answer():
    champion, candidate = made_arm(1, LAST), better_by(made_arm(1, LAST, own=0.1), 0.04)
    noise = measure_noise_floor(made_arm(0, 3, sd=0.02), FULL_PLAN)

    first = looked(made_arm(1), better_by(made_arm(2), 0.04), floor=noise, number=30)
    last = looked(champion, candidate, floor=noise, number=10_000)

    assert (first.outcome, first.next_seeds) == ("undecided", LAST)
    assert (last.outcome, last.next_seeds) == ("within_noise", None)
    assert "luck can explain" in last.reason


@quick
@given(SEEDS, st.sampled_from([2, 3, 5]), st.integers(1, 200))
def test_the_champion_itself_is_never_promoted(seed, n_seeds, number):
    champion = made_arm(seed, n_seeds)
    plan = ConfirmationPlan((n_seeds,), (1.0,))

    decision = looked(champion, champion, plan=plan, number=number)

    assert decision.outcome == "within_noise"
    assert decision.gain_bpb == 0
    assert decision.p == 1


@quick
@given(SEEDS, st.floats(0, 0.1), st.floats(0, 0.1), st.integers(1, 50), st.sampled_from([FIRST, LAST]))
def test_a_larger_gain_never_turns_a_promotion_into_a_refusal(seed, gain, more, number, n_seeds):
    order = ["within_noise", "undecided", "confirmed"]
    champion, candidate = made_arm(1, n_seeds), made_arm(seed, n_seeds)
    small = looked(champion, better_by(candidate, gain), number=number)
    large = looked(champion, better_by(candidate, gain + more), number=number)

    assert order.index(large.outcome) >= order.index(small.outcome)
    assert large.p <= small.p + 1e-12


@quick
@given(SEEDS, st.floats(-0.1, 0.2), st.integers(1, 50))
def test_decision_assured_gain_and_p_value_agree(seed, gain, number):
    decision = looked(made_arm(1), better_by(made_arm(seed), gain), number=number)

    if abs(decision.p / decision.error_rate - 1) > 1e-6:
        assert (decision.outcome == "confirmed") == (decision.p < decision.error_rate)
    assert (decision.outcome == "confirmed") == (decision.assured_gain_bpb > 0)


@quick
@given(SEEDS, st.integers(0, 1000))
def test_every_look_is_counted(seed, looks):
    assert looked(made_arm(1), made_arm(seed), looks=looks).looks == looks + 1


def test_the_rates_of_all_candidates_add_up_to_the_session_s():
    spent = sum(candidate_error_rate(number) for number in range(1, 20_000))

    assert spent < SESSION_ERROR_RATE
    assert spent + 2 * 20_000 * candidate_error_rate(20_000) == pytest.approx(SESSION_ERROR_RATE, rel=1e-3)


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_the_looks_at_a_candidate_spend_what_it_has_and_no_more(plan):
    rates = [look_error_rate(plan, 3, look) for look in range(len(plan.seeds))]

    assert sum(rates) == pytest.approx(candidate_error_rate(3))
    for look, n_seeds in enumerate(plan.seeds):
        decision = looked(made_arm(1, n_seeds), made_arm(2, n_seeds), plan=plan, number=3)
        assert decision.error_rate == rates[look]
        assert decision.error_spent == pytest.approx(sum(rates[: look + 1]))


def test_later_candidates_need_more():
    champion, candidate = made_arm(1), made_arm(2, gain=0.3)

    assured = [looked(champion, candidate, number=number).assured_gain_bpb for number in (1, 2, 10, 100)]

    assert assured == sorted(assured, reverse=True)


def test_a_candidate_that_fixes_its_seed_is_not_promoted():
    decision = looked(made_arm(1), better_by(same_at_every_seed(3), 0.5))

    assert decision.identical
    assert decision.outcome == "within_noise"
    assert "config.seed" in decision.reason


def test_arms_that_share_their_luck_are_confirmed_by_the_pairs_alone():
    champion = made_arm(1, LAST, sd=0.05)
    candidate = better_by(made_arm(1, LAST, sd=0.0502), 0.01)
    noisy = measure_noise_floor(made_arm(0, 3, sd=0.05), FULL_PLAN)

    assert looked(champion, candidate, floor=noisy).outcome == "confirmed"


def test_where_no_training_shows_noise_the_pairs_alone_are_read():
    champion, candidate = same_at_every_seed(3), better_by(same_at_every_seed(3), 0.5)
    silent = measure_noise_floor(same_at_every_seed(3), FULL_PLAN)

    assert silent.identical
    assert len(readings(champion, candidate, silent, compare(champion, candidate))) == 1
    assert len(readings(champion, candidate, FLOOR, compare(champion, candidate))) == 2


def test_the_noise_floor_makes_two_seeds_worth_something():
    plan, champion, candidate = PLANS["demo"], made_arm(1, 2), made_arm(2, 2, gain=0.1)
    known = measure_noise_floor(made_arm(0, FLOOR_SEEDS["demo"]), plan)
    unknown = measure_noise_floor(same_at_every_seed(3), plan)

    with_floor = looked(champion, candidate, plan=plan, floor=known)
    without = looked(champion, candidate, plan=plan, floor=unknown)

    assert with_floor.outcome == "confirmed"
    assert with_floor.p < without.p


def test_the_best_of_the_confirmed_becomes_champion():
    champion = made_arm(1)
    decisions = [
        looked(champion, made_arm(2, gain=gain), number=place + 1) for place, gain in enumerate((0.3, 0.5, 0))
    ]

    crowned = choose_champion(decisions)

    assert [decision.outcome for decision in crowned] == ["confirmed", "champion", "within_noise"]
    assert "new champion" in crowned[1].reason


def test_without_a_confirmed_candidate_nothing_is_crowned():
    decisions = (looked(made_arm(1), made_arm(1)),)

    assert choose_champion(decisions) == decisions


def test_a_decision_survives_its_canonical_form():
    decision = looked(made_arm(1), made_arm(2, gain=0.02))

    assert PromotionDecision.model_validate_json(canonical_json(decision.model_dump(mode="json"))) == decision


def test_a_number_of_seeds_that_the_plan_does_not_look_at_is_a_mistake():
    with pytest.raises(ValueError, match="not at 4"):
        looked(made_arm(1, 4), made_arm(2, 4))


def test_trainings_on_other_rows_are_refused():
    with pytest.raises(EvaluationFault):
        looked(made_arm(1), made_arm(2, documents=30))


@pytest.mark.parametrize(
    ("seeds", "shares"),
    [
        ((3, 2), (0.5, 0.5)),
        ((1, 2), (0.5, 0.5)),
        ((2,), (0.5, 0.5)),
        ((2, 3), (0.6, 0.6)),
        ((2, 3), (1, 0)),
        ((), ()),
    ],
)
def test_a_plan_that_spends_too_much_or_looks_backwards_is_a_mistake(seeds, shares):
    with pytest.raises(ValueError):
        ConfirmationPlan(seeds, shares)


@pytest.mark.parametrize("world", [World(), DEMO], ids=["workshop", "demo"])
def test_a_short_session_without_gains_promotes_nothing_where_the_running_minimum_does(world):
    ours, theirs, session = null_session(world, 0, fits=False, candidates=40)

    assert ours == 0
    assert theirs > 0
    assert session.trainings < 3 * 40
