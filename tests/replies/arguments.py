"""Plans that call the tools wrongly, or too much."""

from tests.replies.kinds import Case, plan

SAVE = 'edit_train_code("a", config_overrides={"n_embd": 96}, change_summary="narrower")\n'

CASES: dict[str, Case] = {
    "title where titles belong": plan('run_experiment_batch(titles="a")'),
    "budget as text after an edit": plan(SAVE + 'run_experiment("a", time_budget_sec="45")'),
    "misspelt keyword": plan('run_experiment_batch(["a"], concurency=2)'),
    "missing argument": plan("run_experiment()"),
    "too many arguments": plan('get_failure("a", "", 3, 4)'),
    "list where a title belongs": plan('read_train_code(["a"])'),
    "dict where a list belongs": plan('edit_train_code_batch({"title": "a"})'),
    "a dict given as titles in a variable": plan('titles = {"a": 1}\nrun_experiment_batch(titles)'),
    "value of unknown type": plan('import json\nrun_experiment(json.loads("[1]"))'),
    "titles from mixed dicts": plan(
        'edits = [{"title": "a", "o": {"n": 1}}]\n[get_failure(e["title"]) for e in edits]'
    ),
    "unknown title": plan('run_experiment("never edited")'),
    "missing hypothesis": plan(SAVE + 'run_experiment("a")'),
    "unknown function": plan('run_experimnt("a")'),
    "function that does not exist": plan('deploy_model("a")'),
    "fifty runs": plan('[run_experiment(f"a{i}") for i in range(50)]'),
    "three hundred calls": plan("for i in range(300):\n    get_budget()"),
    "no titles": plan("run_experiment_batch([])"),
    "the same title twice": plan(SAVE + 'run_experiment_batch(["a", "a"])'),
    "negative budget": plan(SAVE + 'run_experiment("a", time_budget_sec=-1)'),
    "huge budget": plan(SAVE + 'run_experiment("a", time_budget_sec=10**30)'),
    "whole float as budget": plan('run_experiment("a", time_budget_sec=45.0)'),
    "nan": plan('edit_train_code("a", config_overrides={"learning_rate": float("nan")})'),
    "set as argument": plan('edit_train_code_batch([{"title": {1, 2}}])'),
    "number of five thousand digits": plan("search_arxiv(str(1), max_results=10**5000)"),
    "await on a tool": plan(SAVE + 'await run_experiment("a")'),
    "gather over tools": plan('import asyncio\nasyncio.gather(run_experiment("a"), run_experiment("b"))'),
    "gather over tools, awaited": plan('import asyncio\nawait asyncio.gather(run_experiment("a"))'),
    "shadowed tool": plan('def run_experiment(t):\n    return {"val_bpb": 0}\n\nrun_experiment("a")'),
    "shadowed tool in a variable": plan('run_experiment = lambda t: {"val_bpb": 0}\nrun_experiment("a")'),
    "tool as a value": plan('list(map(get_failure, ["a"]))'),
    "tool in a variable": plan("f = get_budget\nf()"),
    "tool inside a key function": plan('sorted(["a", "b"], key=lambda t: get_failure(t)["error"])'),
    "answer used as an object": plan("get_budget().experiments_left"),
    "missing key": plan('get_budget()["left"]'),
    "error swallowed": plan('try:\n    get_budget(1, 2, 3)\nexcept TypeError:\n    pass\n"went on"'),
}
