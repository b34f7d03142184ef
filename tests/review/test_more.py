"""Old journals, audit, bill, steering at odd moments."""
from decimal import Decimal
import pytest
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments.steering import ask_halt, steer
from autoresearch_dagster.experiments.session import lease_name
from autoresearch_dagster.reports.bill import bill
from autoresearch_dagster.reports.audit import audit_trail
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.leases import this_process
from tests.review.test_sessions import start, go
from tests.integration.test_ledger import asked, answered


def test_a_stop_is_not_weakened_by_a_later_pause(tmp_path):
    settings, store = start(tmp_path)
    with store.leases.hold(lease_name("s01"), this_process()):
        ask_halt(settings, "m", "stop", kill=True)
        ask_halt(settings, "m", "pause")
        now = store.journal.state("s01").asked
    assert (now.end, now.kill) == ("stop", True)


def test_a_halt_of_a_session_that_ended_meanwhile_is_said(tmp_path):
    settings, store = start(tmp_path)
    with store.leases.hold(lease_name("s01"), this_process()):
        with store.journal.transaction("s01") as tx:
            tx.append(ev.SessionFinished(reason="final answer", summary=""))
            tx.append(ev.HaltAsked(end="stop"))  # what ask_halt appends if it looked just before
        state = store.journal.state("s01")
    assert state.asked is None


def test_a_bill_names_the_models_that_answered(tmp_path):
    settings, store = start(tmp_path, researcher="claude", model="claude-opus-4-6")
    with store.journal.transaction("s01") as tx:
        tx.append(asked("t", Decimal(1)))
        tx.append(answered("t", Decimal("0.5")))
        tx.append(ev.SessionPaused(reason="x"))
        tx.append(ev.SessionResumed(config=tx.state.config.model_copy(update={"model": "claude-haiku-4-5"}), driver="cli"))
    assert "1 answers of claude-haiku-4-5" not in bill(store.journal.state("s01")), bill(store.journal.state("s01"))


def test_the_audit_tells_what_the_configuration_was_before_a_resume_by_the_daemon(tmp_path):
    settings, store = start(tmp_path)
    with store.journal.transaction("s01") as tx:
        tx.append(ev.SessionPaused(reason="x"))
        tx.append(ev.SessionResumed(config=tx.state.config, driver="daemon"))
    entries = [e for e in audit_trail(store.journal.events("s01"), b"") if "configuration" in e.what]
    assert entries[1].before == entries[0].after, [(e.what, e.before[:8], e.after[:8]) for e in entries]


def test_two_titles_with_other_blanks_are_two_in_the_audit(tmp_path):
    settings, store = start(tmp_path)
    with store.journal.transaction("s01") as tx:
        for title in ("a b", "a  b"):
            tx.append(ev.HypothesisRecorded(title=title, hypothesis=title, expected_effect=""))
    entries = [e for e in audit_trail(store.journal.events("s01"), b"") if "hypothesis" in e.what]
    assert entries[1].before == ""
