"""Asking the model: what is in the ledger after each fault, when it is asked again, and when the session sleeps."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

import pytest
from pydantic import SecretStr

from autoresearch_dagster.agent.llm import Claude
from autoresearch_dagster.agent.model.asking import Asked, Sleep, ask, sleep_s
from autoresearch_dagster.agent.model.prices import given_prices, prices_of
from autoresearch_dagster.agent.model.wire import Request
from autoresearch_dagster.agent.researcher import Message
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import BudgetExceeded, ModelFault
from autoresearch_dagster.core.experiment import canonical_json
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.store import open_store
from tests.agent_bench import bench
from tests.anthropic_script import MODEL, BrokenOff, Cut, Held, Raw, Refused, Reply
from tests.anthropic_server import AnthropicServer

KEY = SecretStr("sk-ant-test")
PRICES = given_prices("3,15")
REQUEST = Request("You are a researcher.", (Message("user", "Begin."),), 1000)
BUSY = Refused(529, "overloaded_error", "Overloaded")
START = datetime(2026, 1, 1, tzinfo=UTC)


class Time:
    """A clock that only waiting moves."""

    def __init__(self):
        self.now, self.waits = START, []

    def sleep(self, seconds):
        self.waits.append(seconds)
        self.now += timedelta(seconds=seconds)


class Asking:
    """A session, a server with a script, and the time."""

    def __init__(self, home, server, **config):
        self.home = home
        self.bench, self.server, self.time = bench(home, researcher="claude", **config), server, Time()
        self.tickets = count(1)

    def __call__(self, model=None, prices=PRICES):
        return ask(
            self.bench,
            model or Claude(MODEL, KEY, self.server.url),
            prices,
            REQUEST,
            "turn",
            1,
            clock=lambda: self.time.now,
            sleep=self.time.sleep,
            ticket=lambda: f"t{next(self.tickets)}",
        )

    @property
    def state(self):
        return self.bench.journal.state(self.bench.session)

    @property
    def events(self):
        """What asking wrote, in order: kind, ticket."""
        found = [record.event for record in self.bench.journal.events(self.bench.session)]
        return [(one.kind, one.ticket) for one in found if hasattr(one, "ticket")]

    def append(self, event):
        with self.bench.transaction() as tx:
            tx.append(event)


@pytest.fixture
def asking(tmp_path):
    """Begin a session whose model plays a script."""
    servers = []

    def begin(script, *, counts=True, **config):
        server = AnthropicServer(script, otherwise=BUSY, counts=counts).__enter__()
        servers.append(server)
        return Asking(tmp_path, server, **config)

    yield begin
    for server in servers:
        server.__exit__()


def test_an_answer_settles_its_reservation_when_the_caller_uses_it(asking):
    one = asking(["print(1)"])
    asked = one()
    assert isinstance(asked, Asked)
    assert one.events == [("model_asked", "t1")]
    reserved = one.state.ledger.asked["t1"].reserved_usd
    assert one.state.ledger.usd_committed == reserved > asked.settled.usd
    one.append(asked.settled)
    ledger = one.state.ledger
    assert ledger.usd_committed == ledger.usd == PRICES.cost(asked.answer.usage) > 0
    assert (ledger.calls, ledger.usage) == (1, asked.answer.usage)


def test_the_journal_says_what_was_asked_of_whom_at_which_prices(asking):
    one = asking(["print(1)"])
    one()
    event = one.state.ledger.asked["t1"]
    assert (event.purpose, event.turn, event.model, event.prices) == ("turn", 1, MODEL, "given 3,15")
    kept = one.bench.blobs.get(event.request)
    assert kept == canonical_json(REQUEST.body(MODEL))
    assert kept == canonical_json({name: it for name, it in one.server.sent[0].body.items() if name != "stream"})


@pytest.mark.parametrize("step", [BUSY, Refused(429, "rate_limit_error", "slow"), BrokenOff(at_once=True)])
def test_a_busy_server_is_asked_again_and_has_cost_nothing(asking, step):
    one = asking([step, "print(1)"])
    assert one().answer.text == "print(1)"
    assert one.events == [("model_asked", "t1"), ("model_failed", "t1"), ("model_asked", "t2")]
    assert one.state.ledger.usd_possible == 0
    assert set(one.state.ledger.asked) == {"t2"}


@pytest.mark.parametrize("step", [Cut(), Cut("at once"), Cut(plain=True), BrokenOff(), Refused(504)])
def test_a_reply_that_was_cut_is_asked_for_again_and_stays_counted(asking, step):
    one = asking([step, "print(1)"])
    assert one().answer.text == "print(1)"
    assert one.events == [("model_asked", "t1"), ("model_failed", "t1"), ("model_asked", "t2")]
    assert one.state.ledger.usd_possible == one.state.ledger.asked["t2"].reserved_usd > 0


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (Refused(401, "authentication_error", "bad key"), "fatal"),
        (Refused(400, "invalid_request_error", "no"), "fatal"),
        (Refused(400, "invalid_request_error", "prompt is too long: 3 > 2"), "too_long"),
    ],
)
def test_what_asking_again_cannot_help_is_raised_at_once_and_has_cost_nothing(asking, step, kind):
    one = asking([step])
    with pytest.raises(ModelFault) as caught:
        one()
    assert caught.value.kind == kind
    assert one.events == [("model_asked", "t1"), ("model_failed", "t1")]
    assert one.state.ledger.usd_committed == 0


def test_waits_grow_and_the_server_is_left_alone_as_long_as_it_asks(asking):
    one = asking([BUSY, BUSY, replace(BUSY, retry_after="40"), BUSY, "print(1)"])
    one()
    first, second, named, fourth = one.time.waits
    assert 1 <= first <= 2 <= second <= 3
    assert named == 40
    assert 8 <= fourth <= 9


def test_a_server_that_stays_busy_puts_the_session_to_sleep_within_the_patience(asking):
    one = asking([])
    asleep = one()
    assert isinstance(asleep, Sleep)
    assert "Overloaded" in asleep.reason
    assert 240 < sum(one.time.waits) < 300
    assert asleep.until == one.time.now + timedelta(seconds=60)
    assert one.state.ledger.usd_committed == 0
    assert one.state.asleep_until is None  # the caller writes it down


def test_every_further_sleep_is_twice_as_long_until_an_answer_comes(asking):
    one = asking([])
    lengths = []
    for _ in range(3):
        asleep = one()
        lengths.append((asleep.until - one.time.now).total_seconds())
        one.append(ev.SessionSlept(until=asleep.until, reason=asleep.reason))
    assert lengths == [60, 120, 240]


def test_sleeps_have_a_longest_and_a_named_one_too():
    assert [sleep_s(number, None) for number in (4, 5, 2000)] == [960, 1800, 1800]
    assert sleep_s(0, 3600) == 3600
    assert sleep_s(0, 365 * 24 * 3600) == 6 * 3600
    assert sleep_s(3, 5) == 480  # asking for little again and again is no reason to come back at once


UNREADABLE = Raw(b"data: no json\n\n")


def sleep_through(one):
    """Ask; sleep as long as that says, and ask again, until a fault is raised; how long each sleep was."""
    slept = []
    while True:
        try:
            asleep = one()
        except ModelFault as fault:
            return slept, fault
        slept.append((asleep.until - one.time.now).total_seconds())
        one.append(ev.SessionSlept(until=asleep.until, reason=asleep.reason))
        one.time.now = asleep.until


def test_replies_that_are_never_whole_are_not_paid_for_ever(asking):
    one = asking([UNREADABLE] * 60)
    slept, fault = sleep_through(one)
    assert len(one.server.sent) == limits.MODEL_CHARGED_IN_A_ROW
    assert slept == [60, 120, 240, 480, 960, 1800]  # a server that is down for an hour does not end the night
    assert (fault.kind, str(fault)) == (
        "fatal",
        "8 requests in a row may have been charged and brought no answer (the last: The model's reply cannot be "
        "read.); see to the model's server, then resume the session.",
    )


def test_a_new_process_does_not_begin_to_count_anew_but_a_person_who_resumes_does(asking):
    one = asking([UNREADABLE] * 60)
    sleep_through(one)
    one.bench = replace(one.bench, journal=open_store(Settings(home=one.home)).journal)
    for _ in range(2):
        with pytest.raises(
            ModelFault, match=rf"{limits.MODEL_CHARGED_IN_A_ROW} requests in a row .* brought no answer; see to"
        ):
            one()
    assert len(one.server.sent) == limits.MODEL_CHARGED_IN_A_ROW
    one.append(ev.SessionResumed(config=one.state.config, driver="cli"))
    assert isinstance(one(), Sleep)
    assert len(one.server.sent) == limits.MODEL_CHARGED_IN_A_ROW + 2


def test_an_answer_between_or_what_was_not_charged_does_not_count_as_paid_for_nothing(asking):
    one = asking([UNREADABLE, "a", UNREADABLE, BUSY, "b", UNREADABLE, "c", UNREADABLE, "d", UNREADABLE, "e"])
    for text in "abcde":
        asked = one()
        assert asked.answer.text == text
        one.append(asked.settled)
        assert one.state.ledger.unanswered == 0


@pytest.mark.parametrize(
    ("named", "slept"),
    [("3600", 3600), ("31536000", 6 * 3600), ("61", 61), ("1e300", 6 * 3600), ("9" * 20, 6 * 3600)],
)
def test_a_server_that_names_a_long_time_is_not_waited_for(asking, named, slept):
    one = asking([replace(BUSY, retry_after=named)])
    asleep = one()
    assert asleep.until == START + timedelta(seconds=slept)
    assert one.time.waits == []
    assert len(one.server.sent) == 1


def test_the_cap_refuses_before_anything_is_sent(asking):
    one = asking(["print(1)"], max_usd=0.001)
    with pytest.raises(BudgetExceeded, match="max_usd"):
        one()
    assert one.server.sent == []
    assert one.events == []


def test_retries_stop_at_the_cap_when_cut_replies_may_have_been_charged(asking):
    one = asking([Cut()] * 10, max_usd=0.06)  # a sending reserves 0.021
    assert isinstance(one(), Sleep)
    with pytest.raises(BudgetExceeded):
        one()
    assert len(one.server.sent) == 2
    assert one.state.ledger.usd_committed <= Decimal("0.06")


def test_busy_retries_do_not_use_the_cap_up(asking):
    one = asking([BUSY] * 5 + ["print(1)"], max_usd=0.03)
    assert one().answer.text == "print(1)"


def test_tokens_are_counted_only_where_there_is_a_cap(asking):
    one = asking(["print(1)"])
    one()
    assert [seen.path for seen in one.server.requests] == ["/v1/messages"]


def test_a_count_reserves_less_than_bytes_but_bytes_do_where_nobody_counts(asking):
    one = asking(["print(1)", "print(2)"], max_usd=10)
    one()
    one.server.counts = False
    one()
    counted, by_bytes = (one.state.ledger.asked[ticket].reserved_usd for ticket in ("t1", "t2"))
    size = len(canonical_json(REQUEST.body(MODEL)))
    assert counted < by_bytes == PRICES.most(size + 1000, 1000)


def test_no_answer_costs_more_than_was_reserved(asking):
    one = asking(["x" * 3000], counts=False, max_usd=10)
    asked = one()
    assert asked.settled.usd <= one.state.ledger.asked["t1"].reserved_usd


def test_an_answer_that_does_not_say_what_it_used_costs_all_that_was_reserved(asking):
    nothing = {"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_creation": None, "output_tokens": 0}
    one = asking([Reply("print(1)", usage=nothing)])
    assert one().settled.usd == one.state.ledger.asked["t1"].reserved_usd


@pytest.mark.parametrize(
    "usage",
    [
        {"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_creation": None},
        {"input_tokens": None, "cache_creation_input_tokens": None, "cache_creation": None},
        {"output_tokens": None},
        {"output_tokens": 0},
        {"output_tokens": -1},
    ],
)
def test_an_answer_that_says_a_part_of_what_it_used_costs_all_that_was_reserved(asking, usage):
    one = asking([Reply("print(1)", usage=usage)])
    assert one().settled.usd == one.state.ledger.asked["t1"].reserved_usd


OPUS, HAIKU = "claude-opus-4-6", "claude-haiku-4-5"


@pytest.mark.parametrize(
    ("asked", "answers", "dearer"),
    [
        (HAIKU, OPUS, OPUS),
        (OPUS, HAIKU, OPUS),
        (HAIKU, f"{HAIKU}-20251001", HAIKU),
        (HAIKU, "a-model-of-the-gateway", HAIKU),
        (HAIKU, "", HAIKU),
    ],
)
def test_an_answer_of_another_model_costs_the_dearer_of_both_and_names_it(asking, asked, answers, dearer):
    one = asking([Reply("print(1)", model=answers)])
    settled = one(Claude(asked, KEY, one.server.url), prices_of(asked, "", START)).settled
    assert settled.usd == prices_of(dearer, "", START).cost(settled.usage)
    assert settled.model == answers


def test_an_answer_of_another_model_that_is_not_counted_costs_the_most_of_the_dearer(asking):
    one = asking([Reply("print(1)", model=OPUS, usage={"output_tokens": None})])
    settled = one(Claude(HAIKU, KEY, one.server.url), prices_of(HAIKU, "", START)).settled
    assert settled.usd == one.state.ledger.asked["t1"].reserved_usd * 5


def test_prices_that_a_person_gave_hold_for_whatever_answers(asking):
    one = asking([Reply("print(1)", model=OPUS)])
    settled = one(prices=given_prices("0,0")).settled
    assert (settled.usd, settled.model) == (0, OPUS)


def test_the_name_of_who_answered_is_one_printable_line(asking):
    one = asking([Reply("print(1)", model="a\n\x1b[31mb" + "x" * 9000)])
    name = one().settled.model
    assert name.isprintable()
    assert len(name) < 400


def test_what_a_process_reserved_before_it_died_stays_counted(asking):
    class Dies:
        model = MODEL

        def count(self, request):
            return None

        def send(self, request):
            raise KeyboardInterrupt

    one = asking([])
    with pytest.raises(KeyboardInterrupt):
        one(Dies())
    assert one.events == [("model_asked", "t1")]
    assert one.state.ledger.usd_committed == one.state.ledger.asked["t1"].reserved_usd > 0


def test_no_transaction_is_open_while_the_model_thinks(asking, tmp_path):
    def steer(_):
        journal = open_store(Settings(home=tmp_path)).journal
        with journal.transaction("s01") as tx:
            tx.append(ev.Steered(note="meanwhile"))
        return "print(1)"

    one = asking([steer])
    assert one().answer.text == "print(1)"
    assert one.state.notes[0][0].note == "meanwhile"


def test_the_reservation_stands_while_the_request_is_under_way(asking):
    one, found = asking([Held("print(1)")]), []
    thread = threading.Thread(target=lambda: found.append(one()))
    thread.start()
    assert one.server.held.acquire(timeout=30)
    assert one.events == [("model_asked", "t1")]
    assert one.state.ledger.usd_committed > 0
    one.server.release.set()
    thread.join()
    assert found[0].answer.text == "print(1)"
