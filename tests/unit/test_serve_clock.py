"""Time that a candidate takes while it serves is paid from its training budget."""

import pytest

from autoresearch_dagster.evaluation.clock import ServeClock, ServeLimits


def served(load_s, *answers_s):
    """A clock after a load and some answers of these lengths."""
    now = [100.0]
    clock = ServeClock(lambda: now[0])
    clock.start()
    now[0] += load_s
    clock.loaded()
    for answer_s in answers_s:
        now[0] += answer_s
        clock.answered()
    return clock


def limits(used_s, budget_s=45.0):
    return ServeLimits(budget_s, used_s, batch_rows=4)


def test_an_honest_model_that_trained_to_its_deadline_has_time_to_serve():
    measured = served(0.06, *[0.85] * 17)  # the largest model of the workshop, on a busy machine

    assert limits(used_s=49.5).excess(measured) == ""


def test_an_honest_model_that_saw_few_rows_is_not_refused_for_many_scored_rows():
    few = served(0.1, *[4 * 45 / (3 * 20)] * 257)  # 20 rows at three passes each took the whole budget

    assert limits(used_s=42.0).excess(few) == ""


@pytest.mark.parametrize("where", ["load", "first", "second", "both"])
def test_training_while_serving_is_charged_wherever_it_hides(where):
    late = {"load": (9, 0.3, 0.3), "first": (0.1, 9, 0.3), "second": (0.1, 0.3, 9), "both": (0.1, 4.5, 4.5)}[where]

    assert "of the budget were left" in limits(used_s=45.0).excess(served(*late, *[0.3] * 15))


def test_answers_that_are_all_as_long_as_late_training_hide_nothing():
    assert "of the budget were left" in limits(used_s=45.0).excess(served(0.1, *[6.0] * 17))


def test_late_training_within_what_was_left_of_the_budget_is_no_gain_and_no_offence():
    assert limits(used_s=20.0).excess(served(15.0, 10.0, 0.3, 0.3)) == ""


def test_training_that_overran_its_deadline_owes_nothing_more():
    assert limits(used_s=60.0).allowed_s == pytest.approx(limits(used_s=49.5).allowed_s) == pytest.approx(3.0)


def test_a_small_budget_leaves_a_second():
    assert limits(used_s=2.0, budget_s=1.0).allowed_s == 1.0


def test_one_long_answer_among_short_ones_is_refused():
    assert "same work at each call" in limits(20.0).excess(served(0.1, 0.3, 0.3, 0.3, 5.0, 0.3))


@pytest.mark.parametrize("later", [(), (0.3,), (0.3, 0.3, 0.3)])
def test_a_first_answer_may_be_long_where_the_budget_allows(later):
    assert limits(20.0).excess(served(0.1, 6.0, *later)) == ""  # a module that compiles itself


def test_answers_that_no_trainable_model_needs_are_refused():
    assert "forward pass cheaper" in limits(1.0).excess(served(0.1, *[4.5] * 5))


def test_time_between_answers_counts():
    now = [0.0]
    clock = ServeClock(lambda: now[0])
    clock.start()
    clock.loaded()
    clock.answered()
    now[0] = 7.0  # a thread that goes on while nobody asks
    clock.answered()

    assert clock.charged_s == 7.0
