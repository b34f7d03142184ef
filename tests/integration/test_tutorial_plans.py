"""Plans as the tutorial's agent wrote them run unchanged: names, arguments and answers of the tools."""

import json
from typing import Any

import pytest

from autoresearch_dagster.agent.loop import advance
from autoresearch_dagster.agent.tools.dispatcher import TOOLBOX
from tests.agent_bench import BASELINE, Says, bench, train_one

SEED = {
    "search_arxiv": ["query", "max_results"],
    "inspect_dataset": ["num_shards"],
    "get_baseline_train_code": [],
    "read_train_code": ["title", "memory_key"],
    "get_code_edit_history": ["memory_key"],
    "get_promising_code": ["memory_key"],
    "get_leaderboard": ["memory_key"],
    "compare_experiments": ["title_a", "title_b", "memory_key"],
    "get_batch_plan": ["batch_id", "memory_key"],
    "record_hypothesis": ["title", "hypothesis", "expected_effect", "memory_key"],
    "record_batch_hypotheses": ["experiments", "memory_key"],
    "record_batch_plan": ["batch_id", "experiments", "memory_key"],
    "edit_train_code": ["title", "train_py", "change_summary", "memory_key", "config_overrides", "parent_title"],
    "edit_train_code_batch": ["edits", "memory_key"],
    "run_experiment": ["title", "time_budget_sec", "memory_key"],
    "run_experiment_batch": ["titles", "time_budget_sec", "memory_key", "concurrency", "batch_id"],
    "evaluate_batch_results": ["results", "batch_id"],
}
"""Arguments of the tutorial's tools, in their order."""


@pytest.mark.parametrize("name", SEED)
def test_arguments_have_the_names_and_places_of_the_tutorials(name):
    tool = TOOLBOX.get(name)
    assert tool is not None
    ours = list(tool.parameters.parameters)
    assert ours[: len(SEED[name])] == SEED[name]
    assert ours[len(SEED[name]) :] in ([], ["memory_key"], ["confirm"])


KEY = '"parallelized-autoresearch"'

LOOK = f"""
baseline = get_baseline_train_code()
data = inspect_dataset(num_shards=1)
past = get_code_edit_history(memory_key={KEY})
board = get_leaderboard({KEY})
{{"lines": baseline["lines"], "vocab": data["vocab_size"], "seq": data["max_seq_len"],
 "best": past["best_val_bpb"], "n": board["count"], "trials": len(past["trials"])}}
"""

PLAN_AND_EDIT = f"""
code = get_baseline_train_code()["train_py"]
record_batch_plan("batch-1", [{{"title": "decay", "hypothesis": "h", "change_summary": "c"}}], memory_key={KEY})
saved = edit_train_code_batch(edits=[
    {{"title": "decay", "train_py": code.replace("weight_decay=0.01", "weight_decay=0.1"), "change_summary": "m"}},
    {{"title": "deep", "config_overrides": {{"n_layer": 4}}, "change_summary": "4 layers"}},
    {{"title": "fork", "config_overrides": {{"n_layer": 2}}, "parent_title": "decay"}},
], memory_key={KEY})
{{"count": saved["count"], "titles": saved["titles"], "errors": saved["errors"],
 "plan": get_batch_plan(batch_id="batch-1", memory_key={KEY})["found"]}}
"""

RUN = f"""
titles = ["decay", "deep"]
record_batch_hypotheses(
    experiments=[{{"title": t, "hypothesis": "h " + t, "expected_effect": "decrease ~5%"}} for t in titles],
    memory_key={KEY},
)
out = run_experiment_batch(titles=titles, time_budget_sec=45, memory_key={KEY}, concurrency=4, batch_id="batch-1")
ranked = evaluate_batch_results(out["results"], batch_id="batch-1")
errors = [row["error"] for row in out["results"] if row["error"]]
{{"size": out["batch_size"], "group": out["group_name"], "best": ranked["best"]["title"], "same": ranked["best"] ==
 out["evaluation"]["best"], "first": out["results"][0]["title"], "errors": errors}}
"""

MAP = f"""
results = flyte_map("run_experiment", ["fork", "deep"], [45, 45], [{KEY}, {KEY}],
                    concurrency=2, group_name="batch-2", return_exceptions=True)
summary = "\\n".join([r["title"] + ": " + (f"{{r['val_bpb']:.3f}}"
                     if r["success"] else r["error"]) for r in results])
{{"titles": [r["title"] for r in results], "cached": results[1].get("cached", False), "summary": summary,
 "compared": compare_experiments(title_a="fork", title_b="deep", memory_key={KEY})["missing"]}}
"""

ONE = f"""
record_hypothesis("one", "a hypothesis", "decrease", memory_key={KEY})
edit_train_code(title="one", train_py="", change_summary="s", memory_key={KEY}, config_overrides={{"n_head": 2}},
                parent_title="decay")
edit_train_code("two", read_train_code("decay", {KEY})["train_py"].replace("0.1", "0.2"), "s", {KEY})
r = run_experiment("two", 45, {KEY})
best = get_promising_code(memory_key={KEY})
{{"ok": r["success"], "steps": r["steps"], "best": best["best_title"], "count": best["count"]}}
"""


def observed(home, *plans: str, **config: Any) -> tuple[Any, list[Any]]:
    """Run plans, a turn each; the session and the values that they ended with."""
    desk = bench(home, **config)
    researcher = Says(*[f"```python\n{plan}\n```" for plan in plans])
    while advance(desk, researcher) == "waiting":
        while train_one(desk):
            pass
    state = desk.journal.state(desk.session)
    assert not [turn.finished.observation for turn in state.turns if turn.finished and turn.finished.failed]
    said = [turn.finished.observation for turn in state.turns if turn.finished]
    return state, [json.loads(text.removeprefix("Execution result:\n")) for text in said if text]


def test_plans_as_the_tutorials_agent_wrote_them_run_unchanged(tmp_path):
    state, (look, edited, ran, mapped, one) = observed(
        tmp_path, LOOK, PLAN_AND_EDIT, RUN, MAP, ONE, n_experiments=8
    )

    assert look == {
        "lines": len(BASELINE.splitlines()),
        "vocab": 8192,
        "seq": 512,
        "best": None,
        "n": 0,
        "trials": 0,
    }
    assert edited == {"count": 3, "titles": ["decay", "deep", "fork"], "errors": [], "plan": True}
    assert (ran["size"], ran["group"], ran["same"], ran["first"]) == (2, "batch-1", True, "decay")
    assert ran["errors"] == []
    assert mapped["titles"] == ["fork", "deep"]
    assert mapped["cached"]
    assert mapped["compared"] == []
    assert mapped["summary"].startswith("fork: 2.")
    assert one["ok"]
    assert one["count"] == 4
    assert state.summary == "Done."
