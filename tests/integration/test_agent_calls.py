"""Whatever a plan passes to a tool is answered; and the documentation of the tools."""

from typing import Any

import pytest

from autoresearch_dagster.agent.code_mode import PlanCall
from autoresearch_dagster.agent.tools.dispatcher import TOOLBOX, call_tool
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import digest_of
from autoresearch_dagster.store import events as ev
from tests.agent_bench import BASELINE, begin_turn, bench, call

CODE = BASELINE.replace("weight_decay=0.01", "weight_decay=0.1")


@pytest.fixture
def desk(tmp_path):
    found = bench(tmp_path)
    begin_turn(found)
    return found


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("search_arxiv", {"query": 3}),
        ("search_arxiv", {"query": "x", "max_results": "many"}),
        ("inspect_dataset", {"num_shards": [1]}),
        ("read_train_code", {"title": None}),
        ("compare_experiments", {"title_a": 1, "title_b": {}}),
        ("get_batch_plan", {"batch_id": 7}),
        ("get_failure", {"title": ["a"]}),
        ("get_training_curve", {"title": 1.5}),
        ("record_hypothesis", {"title": "a", "hypothesis": 1, "expected_effect": "e"}),
        ("record_batch_hypotheses", {"experiments": "a"}),
        ("record_batch_hypotheses", {"experiments": ["a"]}),
        ("record_batch_plan", {"batch_id": "b", "experiments": {"title": "a"}}),
        ("edit_train_code", {"title": 3, "train_py": CODE}),
        ("edit_train_code", {"title": "a", "config_overrides": [1]}),
        ("edit_train_code_batch", {"edits": "a"}),
        ("run_experiment", {"title": ["a"]}),
        ("run_experiment", {"title": "a", "time_budget_sec": "long"}),
        ("run_experiment_batch", {"titles": "a"}),
        ("run_experiment_batch", {"titles": ["a", 1]}),
        ("run_experiment_batch", {"titles": ["a"], "concurrency": 1.5}),
        ("evaluate_batch_results", {"results": 3}),
    ],
)
def test_an_argument_of_a_wrong_kind_is_answered_with_its_name_and_the_signature(desk, function, arguments):
    answer = call(desk, function, **arguments)

    assert f"{function}(" in answer["error"]
    assert "argument" in answer["error"]
    last = desk.journal.events(desk.session)[-1].event
    assert isinstance(last, ev.CallRecorded)
    assert last.result == answer
    assert not desk.journal.state(desk.session).experiments


def test_none_stands_for_a_default(desk):
    assert call(desk, "edit_train_code", "a", None, None, None, {"n_layer": 2}, None)["saved"]
    rows = call(desk, "flyte_map", "run_experiment", ["a"], [None], [None], concurrency=None, group_name=None)
    assert rows[0]["success"]
    assert "title" in call(desk, "read_train_code", None)["error"]


def test_a_corpus_of_another_size_is_not_pretended(desk):
    assert "adjusted" not in call(desk, "inspect_dataset")
    assert "9 became 1" in call(desk, "inspect_dataset", num_shards=9)["adjusted"]["num_shards"]


def test_an_answer_that_is_too_large_says_that_the_call_took_effect(desk):
    long = "#" * 200_000
    sources = [CODE.replace("0.1", f"0.1{n}") + long for n in range(6)]
    answer = call(desk, "edit_train_code_batch", [{"title": f"e{n}", "train_py": s} for n, s in enumerate(sources)])
    assert "is written" in answer["error"]
    assert len(desk.journal.state(desk.session).edits) == 6


@pytest.mark.parametrize(
    "columns", [("a",), (5,), (["a"], 45), (["a"], [45], "key"), (["a"], ["x"]), (["a", "b"], [45]), ()]
)
def test_a_map_over_what_is_no_list_of_titles_is_answered(desk, columns):
    for name in ("flyte_map", "map_experiments"):
        assert call(desk, name, "run_experiment", *columns)["error"]


def test_only_experiments_are_mapped(desk):
    assert "run_experiment" in call(desk, "flyte_map", "read_train_code", ["a"])["error"]


def test_numbers_as_text_are_taken_as_numbers(desk):
    call(desk, "edit_train_code", "a", train_py=CODE)
    assert call(desk, "run_experiment", "a", time_budget_sec="20")["success"]


def without(*names: str) -> list[str]:
    return [name for name in TOOLBOX.names if name not in names]


REQUIRED: dict[str, dict[str, Any]] = {
    "search_arxiv": {"query": "q"},
    "read_train_code": {"title": "a"},
    "compare_experiments": {"title_a": "a", "title_b": "b"},
    "get_batch_plan": {"batch_id": "b"},
    "get_training_curve": {"title": "a"},
    "get_failure": {"title": "a"},
    "record_hypothesis": {"title": "a", "hypothesis": "h", "expected_effect": "e"},
    "record_batch_hypotheses": {"experiments": []},
    "record_batch_plan": {"batch_id": "b", "experiments": []},
    "edit_train_code": {"title": "a", "train_py": CODE},
    "edit_train_code_batch": {"edits": [{"title": "a", "train_py": CODE}]},
    "run_experiment": {"title": "a"},
    "run_experiment_batch": {"titles": ["a"]},
    "evaluate_batch_results": {"results": []},
}


@pytest.mark.parametrize("function", without("flyte_map", "map_experiments"))
def test_every_tool_refuses_the_memory_of_another_session(desk, function):
    before = desk.journal.state(desk.session)
    answer = call(desk, function, **REQUIRED.get(function, {}), memory_key="another-session")
    after = desk.journal.state(desk.session)

    assert "memory_key" in answer["error"]
    assert (len(after.edits), len(after.hypotheses), len(after.batches)) == (
        len(before.edits),
        len(before.hypotheses),
        len(before.batches),
    )


@pytest.mark.parametrize("key", [7, ["another"], {"a": 1}])
def test_a_memory_key_that_is_no_text_is_refused_too(desk, key):
    assert call(desk, "get_leaderboard", memory_key=key)["error"]


HUGE = "z" * (limits.CALL_ARGUMENT_BYTES + 1)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("record_hypothesis", {"title": "a", "hypothesis": HUGE, "expected_effect": "e"}),
        ("edit_train_code", {"title": "a", "train_py": HUGE}),
        ("run_experiment", {"title": HUGE}),
        ("read_train_code", {"title": HUGE}),
        ("evaluate_batch_results", {"results": [{"title": HUGE}]}),
    ],
    ids=["hypothesis", "train_py", "title to run", "title to read", "results"],
)
def test_huge_arguments_are_refused_and_not_kept(desk, function, arguments):
    answer = call(desk, function, **arguments)
    last = desk.journal.events(desk.session)[-1].event

    assert "pass less" in answer["error"]
    assert isinstance(last, ev.CallRecorded)
    assert len(last.model_dump_json()) < 2_000
    assert not desk.journal.state(desk.session).hypotheses


@pytest.mark.parametrize(
    "title", ["z" * 200_000, "a\n\tb", "'; DROP TABLE events; --", "ü" * 500, "{}{0}%s"], ids=range(5)
)
def test_odd_titles_are_unknown_and_no_more(desk, title):
    for function in ("read_train_code", "get_failure", "get_training_curve"):
        assert 0 < len(call(desk, function, title)["error"]) < 2_000


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (float("nan"), "nan"),
        ({1, 2}, "set"),
        ({1: 2}, "strings"),
        (10**30, "64 bits"),
        (-(10**5_000), "64 bits"),
    ],
    ids=["nan", "set", "keys", "large", "larger"],
)
def test_what_json_cannot_hold_is_a_type_error_in_the_plan(value, says):
    tool = TOOLBOX.get("evaluate_batch_results")
    assert tool is not None
    with pytest.raises(TypeError, match=says):
        tool.bind(([value],), {})


def test_data_nested_without_end_is_a_type_error_in_the_plan():
    nested: list[Any] = []
    for _ in range(5_000):
        nested = [nested]
    tool = TOOLBOX.get("evaluate_batch_results")
    assert tool is not None
    with pytest.raises(TypeError, match="nested"):
        tool.bind((nested,), {})


def test_a_tool_of_another_turn_is_answered(desk):
    made = PlanCall(0, digest_of(b"x"), "run_experiment", {"title": "a", "time_budget_sec": None, "memory_key": ""})
    answer = call_tool(desk, 1, TOOLBOX.without_running(), made)
    assert answer is not None
    assert "not available" in answer.result["error"]  # type: ignore[index, call-overload]


# --- documentation ------------------------------------------------------------------


def test_the_documentation_names_every_tool_with_its_arguments_and_its_docstring():
    page = TOOLBOX.markdown
    for tool in TOOLBOX:
        assert f"### `{tool.name}`" in page
        assert all(name in page for name in tool.parameters.parameters)
        assert (tool.function.__doc__ or "").strip().splitlines()[0] in page
    assert "search_arxiv(query: str, max_results: int = 4, memory_key: str = '')" in page
    assert "ctx" not in page
