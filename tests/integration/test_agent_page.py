"""docs/agent.md tells of every tool and every number as the code has them."""

from autoresearch_dagster.agent.tools.dispatcher import TOOLBOX
from autoresearch_dagster.core import limits
from tests.agent_page import PAGE, with_tools

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_page_lists_every_tool_as_the_dispatcher_has_it() -> None:
    assert with_tools(TEXT) == TEXT, "run `python -m tests.agent_page`"


def test_the_page_has_every_tool_of_the_tutorial() -> None:
    tutorial = [
        "search_arxiv",
        "inspect_dataset",
        "get_baseline_train_code",
        "read_train_code",
        "get_code_edit_history",
        "get_promising_code",
        "get_leaderboard",
        "compare_experiments",
        "get_batch_plan",
        "record_hypothesis",
        "record_batch_hypotheses",
        "record_batch_plan",
        "edit_train_code",
        "edit_train_code_batch",
        "run_experiment",
        "run_experiment_batch",
        "evaluate_batch_results",
        "flyte_map",
    ]
    assert set(tutorial) <= set(TOOLBOX.names)
    assert all(f"### `{name}`" in TEXT for name in TOOLBOX.names)


def test_the_page_states_the_limits_that_hold() -> None:
    for said in (
        f"{limits.OBSERVATION_CHARS:,} characters",
        f"{limits.TRANSCRIPT_TOKENS:,} tokens",
        f"{limits.PLAN_ERRORS_IN_A_ROW} in a row end",
        f"{limits.IDLE_TURNS} in a row that launch nothing",
        f"after {limits.PLATEAU_BATCHES} batches",
        f"after {limits.CONFIG_ONLY_EDIT_LIMIT} saved edits",
    ):
        assert said in TEXT, said
