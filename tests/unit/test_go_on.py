"""The command that a person is told goes on with a session."""

import shlex

import pytest

from autoresearch_dagster.cli import app
from autoresearch_dagster.reports.story import go_on
from autoresearch_dagster.store.events import SessionConfig


@pytest.mark.parametrize("early_stop", [None, False, True])
@pytest.mark.parametrize("wanted", [False, True])
def test_the_command_that_goes_on_keeps_what_the_session_was_started_with(
    wanted: bool, early_stop: bool | None
) -> None:
    config = SessionConfig(
        memory_key="a b",
        preset="demo",
        time_budget_sec=20,
        scale_transfer=wanted,
        batch_size=5,
        early_stop=early_stop,
    )
    words = shlex.split(go_on(config))
    _, bound, _ = app.parse_args(words[1:])
    assert bound.arguments["memory_key"] == "a b"
    assert bound.arguments["batch_size"] == 5
    assert bound.arguments.get("scale_transfer", False) is wanted
    assert bound.arguments.get("early_stop") is early_stop
