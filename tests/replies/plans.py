"""Plans that use the tools wrongly, or in ways that the rules forbid."""


def plan(code: str) -> str:
    return f"```python\n{code}\n```"


EDIT = "edit_train_code('a', config_overrides={'n_embd': 192})\n"
THREE = (
    "edit_train_code_batch([{'title': 'a', 'config_overrides': {'n_embd': 192}}, "
    "{'title': 'b', 'config_overrides': {'learning_rate': 0.002}}, "
    "{'title': 'c', 'config_overrides': {'dropout': 0.1}}])\n"
)

REPLIES: dict[str, str | tuple[str, str | None]] = {
    "unknown argument after an edit": plan(f"{EDIT}run_experiment_batch(['a'], concurency=2)"),
    "text for a number after an edit": plan(f"{EDIT}run_experiment('a', time_budget_sec='45')"),
    "text for a list after an edit": plan(f"{EDIT}run_experiment_batch('a')"),
    "missing argument after an edit": plan(f"{EDIT}run_experiment()"),
    "too many arguments": plan("get_budget('m', 1, 2)"),
    "awaits a tool": plan(f"{EDIT}r = await run_experiment('a')\nr"),
    "gathers tools": plan("import asyncio\nasyncio.gather(run_experiment('a'), run_experiment('b'))"),
    "passes a tool on": plan("f = run_experiment\nf('a')"),
    "maps a tool": plan("list(map(run_experiment, ['a', 'b']))"),
    "calls a tool in a sort key": plan("sorted(['a', 'b'], key=lambda t: run_experiment(t)['val_bpb'])"),
    "shadows a tool": plan("def run_experiment(t):\n    return {'val_bpb': 0}\n\nrun_experiment('a')"),
    "assigns to a tool": plan("get_budget = 3\nget_budget"),
    "unknown function": plan("run_experiments(['a'])"),
    "function of elsewhere": plan("torch.save(1)"),
    "unknown titles": plan("run_experiment_batch(['nope', 'neither'])['results']"),
    "near title": plan(f"{EDIT}read_train_code('aa')['error']"),
    "no titles": plan("run_experiment_batch([])"),
    "one title three times": plan(
        f"{EDIT}[r.get('error') for r in run_experiment_batch(['a', 'a', 'A '])['results']]"
    ),
    "edit that changes nothing": plan("edit_train_code('same')"),
    "edit of the baseline itself": plan("edit_train_code('baseline', config_overrides={'n_embd': 192})"),
    "edit without run_training": plan("edit_train_code('a', train_py='print(1)')"),
    "edit that does not compile": plan("edit_train_code('a', train_py='def run_training(:')"),
    "edits that are no dicts": plan("edit_train_code_batch(['a', 'b'])"),
    "overrides out of range": plan(
        "edit_train_code('a', config_overrides={'n_embd': 10**9, 'colour': 3})['adjusted']"
    ),
    "negative budget": plan(f"{EDIT}run_experiment('a', time_budget_sec=-5).get('adjusted')"),
    "budget beyond the session's": plan(f"{EDIT}run_experiment('a', time_budget_sec=10**6).get('adjusted')"),
    "nan as an argument": plan(f"{EDIT}run_experiment('a', time_budget_sec=float('nan'))"),
    "huge integer as an argument": plan("search = 10**5000\nget_batch_plan(search)"),
    "set as an argument": plan("run_experiment_batch({'a', 'b'})"),
    "no hypothesis": plan(f"{EDIT}run_experiment('a')['outcome']"),
    "hypothesis without a title": plan("record_batch_hypotheses([{'hypothesis': 'x'}])"),
    "a loop of fifty launches": plan(
        f"{THREE}done = []\nfor n in range(50):\n    done.append(run_experiment('abc'[n % 3]).get('error'))\n"
        "[len(done), done[:3], done[20:22]]"
    ),
    "fifty new edits": plan(
        "[edit_train_code(f'e{n}', config_overrides={'n_embd': 8 * n})['saved'] for n in range(2, 8)]"
    ),
    "more titles than a batch": plan(
        f"{THREE}base = get_baseline_train_code()['train_py']\n"
        "edit_train_code('d', train_py=base.replace('weight_decay=0.01', 'weight_decay=0.1'))\n"
        "[r.get('error') for r in run_experiment_batch(['a', 'b', 'c', 'd'])['results']]"
    ),
    "batch on one axis": plan(
        "edit_train_code_batch([{'title': 'a', 'config_overrides': {'n_embd': 192}}, "
        "{'title': 'b', 'config_overrides': {'n_embd': 96}}])\n"
        "[r['error'] for r in run_experiment_batch(['a', 'b'])['results']]"
    ),
    "another session's memory": plan("get_leaderboard(memory_key='somebody-else')"),
    "map over another task": plan("flyte_map('train', ['a'])"),
    "map with unequal lists": plan("flyte_map('run_experiment', ['a', 'b'], [10])"),
    "title with markdown and markup": plan(
        "edit_train_code('| x | <script>alert(1)</script> ```', config_overrides={'n_embd': 192})['title']"
    ),
    "title of a megabyte": plan("edit_train_code('t' * 1_000_000, config_overrides={'n_embd': 192})['saved']"),
    "result that is no result": plan("evaluate_batch_results(['x', 3, None])"),
    "error in the middle of a plan": plan(f"{EDIT}record_hypothesis('a', 'wider', '-0.1')\n1 / 0"),
    "error that the plan catches": plan(
        "try:\n    1 / 0\nexcept ZeroDivisionError as fault:\n    seen = str(fault)\nseen"
    ),
    "mixed values in dicts": plan(
        "edits = [{'title': 'a', 'config_overrides': {'n_embd': 192}, 'n': 1}]\n"
        "edit_train_code_batch(edits)\n"
        "[r['outcome'] for r in run_experiment_batch([e['title'] for e in edits])['results']]"
    ),
}
