"""The audit trail: who changed what, when, why, and its digest before and after."""

from datetime import UTC, datetime, timedelta
from typing import Any

from autoresearch_dagster.core.experiment import digest_of
from autoresearch_dagster.reports.audit import PERSON, PLATFORM, AuditEntry, audit_trail
from autoresearch_dagster.store import events as ev

BASELINE = b"def run_training(config): ...\n"
BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def trail(*events: ev.Event) -> list[AuditEntry]:
    records = [
        ev.Recorded(session="s01", sequence=number, at=BEGAN + timedelta(seconds=number), event=event)
        for number, event in enumerate(events)
    ]
    return list(audit_trail(records, BASELINE))


def edit(title: str, code: bytes = BASELINE, revision: int = 1, **more: Any) -> ev.EditSaved:
    told: dict[str, Any] = {
        "config_overrides": {}, "adjusted": {}, "change_summary": f"why {title}", "parent_title": None,
        "slug": title, "lines": 1, "signature": title,
    }  # fmt: skip
    return ev.EditSaved(title=title, revision=revision, train_py=digest_of(code), **(told | more))


def started(**config: Any) -> ev.SessionStarted:
    return ev.SessionStarted(number=1, config=ev.SessionConfig(**config), driver="cli", bundle="b")


def test_an_edit_names_who_why_and_what_it_was_before() -> None:
    _, first, again, fork = trail(
        started(researcher="claude", model="claude-x"),
        edit("a", b"one"),
        edit("A ", b"two", revision=2),
        edit("b", b"three", parent_title="a"),
    )
    assert (first.who, first.why) == ("claude-x", "why a")
    assert first.before == trail(edit("same"))[0].after  # the baseline's code and config
    assert again.before == first.after != again.after
    assert fork.before == again.after


def test_an_edit_of_the_config_alone_is_a_change() -> None:
    (entry,) = trail(edit("wider", config_overrides={"n_embd": 192}))
    assert entry.before != entry.after


def test_a_resumed_configuration_is_compared_with_the_one_before() -> None:
    config = ev.SessionConfig(max_usd=5)
    begun, resumed = trail(started(), ev.SessionResumed(config=config, driver="daemon"))
    assert (begun.who, begun.before) == (PERSON, "")
    assert resumed.before == begun.after != resumed.after


def test_notes_and_halts_name_the_person_and_the_platform_is_named_for_its_own() -> None:
    note, halt, end = trail(
        ev.Steered(note="be bold", by="ann"),
        ev.HaltAsked(end="stop", kill=True),
        ev.SessionFinished(reason="stopped", summary=""),
    )
    assert (note.who, note.why) == ("ann", "be bold")
    assert (halt.who, halt.what) == (PERSON, "asked to stop, running experiments too")
    assert (end.who, end.what, end.why) == (PLATFORM, "finished", "stopped")
