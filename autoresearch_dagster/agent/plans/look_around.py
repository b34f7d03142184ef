budget = get_budget()
history = get_code_edit_history()
data = inspect_dataset()
baseline = get_baseline_train_code()
{
    "experiments_left": budget["experiments_left"],
    "corpus": data,
    "baseline_lines": baseline["lines"],
    "best_title": history["best_title"],
    "best_val_bpb": history["best_val_bpb"],
    "tried": [trial["title"] for trial in history["trials"]],
}
