IDEAS = [
    {
        "title": "higher-learning-rate",
        "hypothesis": "So few steps leave the default learning rate far from its optimum.",
        "expected_effect": "decrease by 0.2",
        "config_overrides": {"learning_rate": 3e-3},
    },
    {
        "title": "wider-model",
        "hypothesis": "A wider residual stream learns more from each token than it costs in time.",
        "expected_effect": "decrease by 0.05",
        "config_overrides": {"n_embd": 192, "n_head": 6, "learning_rate": 2e-3},
    },
    {
        "title": "larger-batch",
        "hypothesis": "Twice the rows in a step give a less noisy gradient at a higher learning rate.",
        "expected_effect": "decrease by 0.1",
        "config_overrides": {"device_batch_size": 4, "learning_rate": 2e-3},
    },
    {
        "title": "deeper-model",
        "hypothesis": "One more pair of layers pays even in a short run.",
        "expected_effect": "decrease by 0.02",
        "config_overrides": {"n_layer": 5, "learning_rate": 2e-3},
    },
]

budget = get_budget()
saved = [trial["title"] for trial in get_code_edit_history()["trials"]]
room = min(budget["batch_size"], budget["experiments_left"], budget["override_only_edits"] - budget["saved_edits"])
batch = [idea for idea in IDEAS if idea["title"] not in saved][: max(0, room)]
outcome = {"note": "no config idea is left"}
if batch:
    batch_id = f"config-{budget['experiments_used'] + 1}"
    record_batch_plan(batch_id, [{"title": i["title"], "hypothesis": i["hypothesis"]} for i in batch])
    record_batch_hypotheses(
        [
            {"title": i["title"], "hypothesis": i["hypothesis"], "expected_effect": i["expected_effect"]}
            for i in batch
        ]
    )
    edits = edit_train_code_batch(
        [
            {
                "title": i["title"],
                "config_overrides": i["config_overrides"],
                "change_summary": f"overrides {i['config_overrides']}",
            }
            for i in batch
        ]
    )
    outcome = {"errors": edits["errors"]}
    if edits["titles"]:
        ran = run_experiment_batch(edits["titles"], concurrency=budget["batch_size"], batch_id=batch_id)
        print(f"ran {ran['batch_size']} experiment(s)")
        outcome = {"errors": edits["errors"], "evaluation": evaluate_batch_results(ran["results"], batch_id)}
outcome
