"""What a person is told in the terminal of a session that goes on or was stopped."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.defs import terminal
from autoresearch_dagster.experiments.outlook import time_left_s
from autoresearch_dagster.experiments.watching import Watch
from autoresearch_dagster.reports.pulse import pulse
from autoresearch_dagster.store.journal import utc_now
from autoresearch_dagster.store.store import open_store
from tests.plans import finish, plan


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
