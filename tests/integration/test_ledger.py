"""The ledger: whatever interleaving, deaths included, nothing is spent beyond the caps."""

import random
import threading
from collections.abc import Callable
from decimal import Decimal
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from autoresearch_dagster.core.errors import BudgetExceeded
from autoresearch_dagster.core.experiment import (
    Digest,
    ExperimentKey,
    ExperimentResult,
    Outcome,
    PlannedExperiment,
    Purpose,
    TrainConfig,
    Verdict,
)
from autoresearch_dagster.reports.bill import bill
from autoresearch_dagster.store import events as ev, promotion_events as pe
from autoresearch_dagster.store.ledger import Ledger, ensure_gpu, ensure_usd, gpu_left_s, usd_left
from autoresearch_dagster.store.ledger_events import ModelAnswered, ModelAsked, ModelFailed, TokenUsage
from tests.agent_bench import bench

DIGEST = Digest("0" * 64)
WRITERS = 8
quick = settings(deadline=None, max_examples=200)
cents = st.integers(0, 300).map(lambda number: Decimal(number) / 1000)


class Caps:
    def __init__(self, max_usd=None, max_gpu_hours=None):
        self.max_usd, self.max_gpu_hours = max_usd, max_gpu_hours


def asked(ticket, usd):
    return ModelAsked(
        ticket=ticket, purpose="turn", turn=1, request=DIGEST, model="m", prices="p", reserved_usd=usd
    )


def answered(ticket, usd, output=3):
    return ModelAnswered(ticket=ticket, usage=TokenUsage(output_tokens=output), usd=usd)


def failed(ticket, *, charged):
    return ModelFailed(ticket=ticket, reason="cut", possibly_charged=charged)


def training(named):
    return PlannedExperiment(
        key=named, title="baseline", revision=0, train_py=DIGEST, config=TrainConfig(), purpose=Purpose.NOISE_FLOOR
    )


def key(number):
    return ExperimentKey(f"s01_d01_n{number:03}")


def result(seconds):
    return ExperimentResult(outcome=Outcome.CRASHED, verdict=Verdict.UNAUDITED, gpu_sec=seconds)


@given(
    st.lists(st.tuples(st.sampled_from(["answer", "fail", "charge", "die"]), cents, st.floats(0, 1)), max_size=30)
)
@quick
def test_reserving_first_keeps_any_sequence_within_the_cap(steps):
    ledger, caps = Ledger(), Caps(max_usd=1)
    for number, (end, usd, share) in enumerate(steps):
        ticket = str(number)
        try:
            ensure_usd(ledger, caps, usd)
        except BudgetExceeded:
            assert ledger.usd_committed + usd > 1
            continue
        ledger.ask(asked(ticket, usd))
        assert ledger.usd_committed <= 1
        match end:
            case "answer":
                ledger.answer(answered(ticket, usd * Decimal(str(share))))
            case "fail" | "charge":
                ledger.fail(failed(ticket, charged=end == "charge"))
            case _:
                pass
        assert ledger.usd_committed <= 1


def test_settling_twice_changes_nothing():
    ledger = Ledger()
    ledger.ask(asked("a", Decimal(1)))
    ledger.answer(answered("a", Decimal("0.5")))
    for again in (answered("a", Decimal("0.5")), failed("a", charged=True)):
        (ledger.answer if isinstance(again, ModelAnswered) else ledger.fail)(again)
        assert (ledger.usd_committed, ledger.calls, ledger.usage.output_tokens) == (Decimal("0.5"), 1, 3)


def test_failing_twice_or_answering_after_a_failure_changes_nothing():
    ledger = Ledger()
    ledger.ask(asked("a", Decimal(1)))
    ledger.fail(failed("a", charged=True))
    ledger.fail(failed("a", charged=True))
    ledger.answer(answered("a", Decimal("0.5")))
    assert (ledger.usd_possible, ledger.usd, ledger.calls) == (1, 0, 0)


def test_a_ticket_that_was_never_asked_settles_nothing():
    ledger = Ledger()
    ledger.answer(answered("stranger", Decimal(9)))
    ledger.fail(failed("stranger", charged=True))
    assert ledger == Ledger()


def test_a_reservation_of_a_dead_process_stays_counted_through_new_launches():
    ledger, caps = Ledger(), Caps(max_usd=1)
    ledger.ask(asked("dead", Decimal("0.75")))
    assert usd_left(ledger, caps) == Decimal("0.25")
    ledger.grant()
    ledger.ask(asked("next", Decimal("0.5")))
    ledger.answer(answered("next", Decimal("0.25")))
    assert ledger.usd_committed == 1
    assert usd_left(ledger, caps) == Decimal("0.75")


def test_a_new_launch_grants_the_whole_cap_again_and_its_own_spending_counts():
    ledger, caps = Ledger(), Caps(max_usd=1, max_gpu_hours=1)
    ledger.ask(asked("a", Decimal(1)))
    ledger.attempt(key(1), 3600.0)
    with pytest.raises(BudgetExceeded):
        ensure_usd(ledger, caps, Decimal("0.001"))
    with pytest.raises(BudgetExceeded):
        ensure_gpu(ledger, caps, 0.1)
    ledger.grant()
    ensure_usd(ledger, caps, Decimal(1))
    ensure_gpu(ledger, caps, 3600.0)
    with pytest.raises(BudgetExceeded):
        ensure_usd(ledger, caps, Decimal("1.001"))


def test_a_late_answer_of_an_earlier_launch_never_takes_from_the_new_one():
    ledger, caps = Ledger(), Caps(max_usd=1)
    ledger.ask(asked("early", Decimal("0.5")))
    ledger.grant()
    before = usd_left(ledger, caps)
    ledger.answer(answered("early", Decimal("0.1")))
    assert usd_left(ledger, caps) >= before


def test_a_copy_and_its_origin_do_not_share_reservations():
    ledger = Ledger()
    ledger.ask(asked("a", Decimal(1)))
    ledger.attempt(key(1), 60.0)
    other = ledger.clone()
    other.answer(answered("a", Decimal(1)))
    other.finish(key(1), result(5.0))
    other.ask(asked("b", Decimal(7)))
    assert (ledger.usd_committed, ledger.gpu_committed_s, set(ledger.asked)) == (1, 60, {"a"})
    assert (other.usd_committed, other.gpu_committed_s, set(other.asked)) == (8, 5, {"b"})


def test_without_a_cap_nothing_is_refused():
    ensure_usd(Ledger(), Caps(), Decimal(10**9))
    ensure_gpu(Ledger(), Caps(), 1e12)


def test_exactly_what_is_left_may_be_reserved():
    ensure_usd(Ledger(), Caps(max_usd=0.3), Decimal("0.3"))
    with pytest.raises(BudgetExceeded, match=r"max_usd=0.3 .*US\$ 0.3000 are left.*US\$ 0.3001"):
        ensure_usd(Ledger(), Caps(max_usd=0.3), Decimal("0.3001"))


def test_an_attempt_that_never_reported_counts_beside_the_next_one():
    ledger = Ledger()
    ledger.attempt(key(1), 60.0)
    assert ledger.gpu_committed_s == 60
    ledger.attempt(key(1), 60.0)
    assert ledger.gpu_committed_s == 120
    ledger.finish(key(1), result(10.0))
    assert (ledger.gpu_lost_s, ledger.gpu_s, ledger.gpu_committed_s) == (60, 10, 70)


@pytest.mark.parametrize("outcome", [Outcome.STOPPED, Outcome.LOST])
def test_gpu_time_of_an_attempt_that_was_ended_unreported_stays_counted(outcome):
    ledger = Ledger()
    ledger.attempt(key(1), 600.0)
    ledger.finish(key(1), ExperimentResult(outcome=outcome, error="killed"))
    assert ledger.gpu_committed_s == 600


def test_what_an_earlier_launch_reserved_too_much_is_not_granted_to_the_next_one():
    ledger, caps = Ledger(), Caps(max_usd=1, max_gpu_hours=1)
    for ticket in ("answers", "fails", "charged"):
        ledger.ask(asked(ticket, Decimal("0.5")))
    ledger.attempt(key(1), 600.0)
    ledger.grant()
    ledger.answer(answered("answers", Decimal("0.1")))
    ledger.fail(failed("fails", charged=False))
    ledger.fail(failed("charged", charged=True))
    ledger.finish(key(1), result(50.0))
    assert usd_left(ledger, caps) == 1
    assert gpu_left_s(ledger, caps) == 3600 - 50  # trained, in part, in this launch


def test_a_second_attempt_after_a_grant_is_the_new_launch_s_own():
    ledger, caps = Ledger(), Caps(max_gpu_hours=1)
    ledger.attempt(key(1), 600.0)
    ledger.grant()
    ledger.attempt(key(1), 600.0)
    ledger.finish(key(1), result(50.0))
    assert gpu_left_s(ledger, caps) == 3550


def test_requests_in_a_row_that_brought_nothing_are_counted_until_one_is_answered():
    ledger, counts = Ledger(), []
    for number, end in enumerate(["charged", "free", "charged", "dies", "answer", "charged"]):
        ticket = str(number)
        ledger.ask(asked(ticket, Decimal(1)))
        if end == "answer":
            ledger.answer(answered(ticket, Decimal(1)))
        elif end != "dies":
            ledger.fail(failed(ticket, charged=end == "charged"))
        counts.append(ledger.unanswered)
    assert counts == [1, 1, 2, 2, 0, 1]


def test_answers_are_counted_by_who_gave_them_in_old_journals_by_who_was_asked():
    ledger = Ledger()
    for ticket, model in (("a", ""), ("b", "other"), ("c", "other")):
        ledger.ask(asked(ticket, Decimal(1)))
        ledger.answer(answered(ticket, Decimal(1)).model_copy(update={"model": model}))
    assert ledger.models == {"m": 1, "other": 2}
    old = answered("a", Decimal(1)).model_dump(exclude={"model"})
    assert ModelAnswered.model_validate(old).model == ""


def test_the_bill_names_who_answered_although_the_session_asks_another_now(tmp_path):
    one = bench(tmp_path, researcher="claude", model="claude-opus-4-6")
    with one.transaction() as tx:
        for ticket, model in (("a", ""), ("b", "claude-opus-4-6-20260205"), ("c", "claude-opus-4-6-20260205")):
            tx.append(asked(ticket, Decimal(1)).model_copy(update={"model": "claude-opus-4-6"}))
            tx.append(answered(ticket, Decimal("0.5")).model_copy(update={"model": model}))
        tx.append(ev.SessionPaused(reason="x"))
        config = tx.state.config.model_copy(update={"model": "claude-haiku-4-5"})
        tx.append(ev.SessionResumed(config=config, driver="cli"))
    assert bill(one.journal.state(one.session)) == (
        "US$ 1.50 for 1 answer of claude-opus-4-6 and 2 answers of claude-opus-4-6-20260205"
    )


def in_parallel(work: Callable[[random.Random], None], seed: int) -> None:
    """Let eight writers work at once; the first fault of any is raised."""
    faults: list[BaseException] = []
    start = threading.Barrier(WRITERS)

    def writer(number: int) -> None:
        try:
            start.wait()
            work(random.Random(seed * WRITERS + number))
        except BaseException as fault:  # noqa: BLE001 (raised below)
            faults.append(fault)

    threads = [threading.Thread(target=writer, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]


@given(seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_eight_writers_never_commit_more_dollars_than_the_cap(tmp_path_factory, seed):
    one, tickets = bench(tmp_path_factory.mktemp("home"), max_usd=0.5), count()
    refused = []

    def work(chance: random.Random) -> None:
        for _ in range(4):
            ticket, usd = str(next(tickets)), Decimal(chance.randrange(1, 200)) / 1000
            try:
                with one.transaction() as tx:
                    ensure_usd(tx.state.ledger, tx.state.config, usd)
                    tx.append(asked(ticket, usd))
            except BudgetExceeded:
                refused.append(ticket)
                continue
            ends = (answered(ticket, usd / 2), failed(ticket, charged=True), failed(ticket, charged=False), None)
            end = chance.choice(ends)
            with one.transaction() as tx:
                assert tx.state.ledger.usd_committed - tx.state.ledger.granted_at_usd <= Decimal("0.5")
                if end is not None:
                    tx.append(end)

    in_parallel(work, seed)
    ledger = one.journal.state(one.session).ledger
    assert 0 < ledger.usd_committed <= Decimal("0.5")
    assert refused


@given(seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_eight_writers_never_commit_more_gpu_time_than_the_cap(tmp_path_factory, seed):
    one, numbers = bench(tmp_path_factory.mktemp("home"), max_gpu_hours=0.1), count(1)
    refused = []

    def work(chance: random.Random) -> None:
        for _ in range(4):
            this, reserve_s = key(next(numbers)), float(chance.randrange(10, 120))
            try:
                with one.transaction() as tx:
                    tx.append(pe.FloorPlanned(planned=(training(this),)))
                    ensure_gpu(tx.state.ledger, tx.state.config, reserve_s)
                    tx.append(ev.AttemptStarted(key=this, attempt=1, owner="h:1:1", gpu_reserve_s=reserve_s))
            except BudgetExceeded:
                refused.append(this)
                continue
            with one.transaction() as tx:
                assert tx.state.ledger.gpu_committed_s - tx.state.ledger.granted_at_gpu_s <= 360
                if chance.random() < 0.5:
                    tx.append(ev.ExperimentFinished(key=this, result=result(reserve_s / 2)))

    in_parallel(work, seed)
    ledger = one.journal.state(one.session).ledger
    assert 0 < ledger.gpu_committed_s <= 360
    assert refused


@given(st.lists(st.tuples(st.floats(1, 500), st.floats(0, 1), st.booleans()), max_size=20))
@quick
def test_reserving_gpu_time_first_keeps_any_sequence_within_the_cap(steps):
    ledger, caps = Ledger(), Caps(max_gpu_hours=0.2)
    for number, (seconds, share, reports) in enumerate(steps):
        try:
            ensure_gpu(ledger, caps, seconds)
        except BudgetExceeded:
            continue
        ledger.attempt(key(number), seconds)
        if reports:
            ledger.finish(key(number), result(seconds * share))
        assert gpu_left_s(ledger, caps) >= -1e-9


def test_a_launch_never_has_more_left_than_its_cap():
    ledger, caps = Ledger(), Caps(max_gpu_hours=1)
    ledger.attempt(key(1), 600.0)
    ledger.grant()
    ledger.finish(key(1), ExperimentResult(outcome=Outcome.TRAINED, gpu_sec=50.0))
    assert gpu_left_s(ledger, caps) == 3600.0 - 50.0
