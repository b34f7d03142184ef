"""Failing tests of a review of what people see; each goes to the file it belongs to once it holds."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.defs import terminal
from autoresearch_dagster.experiments.outlook import time_left_s
from autoresearch_dagster.experiments.watching import Watch
from autoresearch_dagster.reports.page.build import report_html
from autoresearch_dagster.reports.pulse import pulse
from autoresearch_dagster.reports.standings import verdict
from autoresearch_dagster.reports.tables import plain
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.fold import fold
from autoresearch_dagster.store.journal import utc_now
from autoresearch_dagster.store.store import open_store
from tests.plans import finish, plan
from tests.reported import Research, researched


def test_watch_counts_the_slots_that_this_machine_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`run` and `watch` of one session tell the same time left."""
    settings = Settings(home=tmp_path / "home", slots=1)
    store = open_store(settings)
    first, *_ = plan(store, "one", "two", "three")
    finish(store, first)
    monkeypatch.setattr(
        "autoresearch_dagster.experiments.outlook._took_s", lambda one: 60.0 if one.result else None
    )
    state = store.journal.state("s01")

    assert Watch(settings, store, "s01").pulse() == pulse(state, time_left_s(state, utc_now(), slots=1))


@pytest.mark.parametrize("planned", [False, True])
def test_the_verdict_needs_no_column_that_is_elsewhere(planned: bool) -> None:
    """It is told in the report, in MLflow, on Dagster's page and in notes, where there is no column `state`."""
    research = Research()
    if planned:
        one = research.planned("e01", 1, "idea", "x = 1\n")
        research.turn(1).launch(1, (one,)).finish(one, research.result(None))

    assert "column" not in verdict(fold(research.recorded()))


@pytest.mark.parametrize("kind", ["attempt_resumed", "session_archived", "session_restored"])
def test_every_event_of_ours_is_told_in_words(kind: str) -> None:
    research = Research()
    one = research.planned("e01", 1, "idea", "x = 1\n")
    research.turn(1).launch(1, (one,))
    told: dict[str, ev.Event] = {
        "attempt_resumed": ev.AttemptResumed(key=one.key, attempt=1, owner="host:1:1", run_id="r", slot="core 0"),
        "session_archived": ev.SessionArchived(),
        "session_restored": ev.SessionRestored(),
    }
    research.add(told[kind])

    assert kind not in report_html(research.view())


@pytest.mark.parametrize("text", ["see http://evil.example.com/x", "www.evil.example.org", "a@evil.example.org"])
def test_an_agents_text_makes_no_link_in_markdown(text: str) -> None:
    """Dagster's Markdown has GitHub's: bare addresses become links."""
    assert text not in plain(text)


def test_an_impatient_second_ctrl_c_still_leaves_the_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report takes a second or more; whoever presses twice has to be told how to go on all the same."""
    settings = Settings(home=tmp_path / "home", mlruns=tmp_path / "mlruns", runner="plain")
    plan(open_store(settings), "one", driver="cli")
    config = open_store(settings).journal.state("s01").config

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(terminal, "drive", interrupted)
    monkeypatch.setattr(terminal, "keep_report", interrupted)
    out = Console(file=io.StringIO(), width=200)
    with pytest.raises(KeyboardInterrupt):
        terminal.research_in_terminal(config, settings, out)

    assert isinstance(out.file, io.StringIO)
    assert "goes on" in out.file.getvalue()


def test_a_list_of_the_summary_that_is_cut_says_so() -> None:
    page = report_html(researched(60).view())
    summary, memory = page.partition('id="activity"')[0], page.partition('id="memory"')[2]

    assert memory.count("idea-") > summary.count("Foretold")
    assert " more" in summary.partition("What was learnt")[2]
