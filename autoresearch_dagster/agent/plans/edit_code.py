STEP = ["optimizer.step()", "opt.step()"]
IDEAS = [
    {
        "title": "cosine-schedule",
        "hypothesis": "A learning rate that falls along a cosine settles the weights at the end of a short run.",
        "expected_effect": "decrease by 0.05",
        "insert": [
            "import math",
            "for group in {optimizer}.param_groups:",
            "    group['lr'] = config.learning_rate * (0.1 + 0.45 * (1 + math.cos(math.pi * steps / config.max_steps)))",
        ],
    },
    {
        "title": "adam-betas-and-decay",
        "hypothesis": "A shorter memory of the second moment follows the fast early change of the gradients.",
        "expected_effect": "decrease by 0.03",
        "replace": [["weight_decay=0.01", "weight_decay=0.1, betas=(0.9, 0.95)"]],
    },
    {
        "title": "squared-relu",
        "hypothesis": "Squared ReLU gives sparser features than GELU at the same cost.",
        "expected_effect": "decrease by 0.02",
        "replace": [
            ["F.gelu(self.fc1(x))", "F.relu(self.fc1(x)).square()"],
            ["F.gelu(", "F.silu("],
        ],
    },
    {
        "title": "small-embedding-init",
        "hypothesis": "Unit-variance embeddings drown the blocks' output at the start; smaller ones do not.",
        "expected_effect": "decrease by 0.1",
        "replace": [["self.ln_f = ", "nn.init.normal_(self.tok_emb.weight, std=0.02)\n        self.ln_f = "]],
    },
    {
        "title": "tighter-clipping",
        "hypothesis": "Clipping harder lets the higher learning rate survive its worst batches.",
        "expected_effect": "decrease by 0.01",
        "replace": [["model.parameters(), 1.0)", "model.parameters(), 0.5)"]],
    },
    {
        "title": "linear-warmup",
        "hypothesis": "A few warm-up steps keep the first Adam updates from being too large.",
        "expected_effect": "decrease by 0.02",
        "insert": [
            "for group in {optimizer}.param_groups:",
            "    group['lr'] = group['lr'] if steps >= 10 else config.learning_rate * (steps + 1) / 10",
        ],
    },
    {
        "title": "no-weight-decay",
        "hypothesis": "A run this short cannot overfit, so decay only slows it.",
        "expected_effect": "decrease by 0.005",
        "replace": [["weight_decay=0.01", "weight_decay=0.0"], ["weight_decay=0.1", "weight_decay=0.0"]],
    },
    {
        "title": "small-head-init",
        "hypothesis": "Starting from nearly uniform predictions saves the steps that undo a random head.",
        "expected_effect": "decrease by 0.03",
        "replace": [
            ["vocab_size, bias=False)", "vocab_size, bias=False)\n        nn.init.normal_(self.head.weight, std=0.002)"],
        ],
    },
    {
        "title": "looser-clipping",
        "hypothesis": "Clipping at 1.0 throws away useful step length early on.",
        "expected_effect": "decrease by 0.01",
        "replace": [
            ["model.parameters(), 1.0)", "model.parameters(), 4.0)"],
            ["model.parameters(), 0.5)", "model.parameters(), 4.0)"],
        ],
    },
]


def insert_before_step(code, lines):
    out = []
    done = False
    for line in code.split("\n"):
        if not done and line.strip() in STEP:
            indent = line[: len(line) - len(line.lstrip())]
            optimizer = line.strip().split(".")[0]
            out.extend([indent + new.replace("{optimizer}", optimizer) for new in lines])
            done = True
        out.append(line)
    return "\n".join(out)


def apply(code, idea):
    if "insert" in idea:
        return insert_before_step(code, idea["insert"])
    for anchor, replacement in idea["replace"]:
        if anchor in code:
            return code.replace(anchor, replacement, 1)
    return code


budget = get_budget()
history = get_code_edit_history()
saved = [trial["title"] for trial in history["trials"]]
parent = history["best_title"] or "baseline"
code = read_train_code(parent)["train_py"]
room = min(budget["batch_size"], budget["experiments_left"])
batch = []
skipped = []
for idea in IDEAS:
    if idea["title"] in saved or len(batch) >= room:
        continue
    changed = apply(code, idea)
    if changed == code:
        skipped.append(idea["title"])
    else:
        batch.append({"idea": idea, "train_py": changed})

outcome = {"note": "no code idea is left", "skipped": skipped}
if batch:
    batch_id = f"code-{budget['experiments_used'] + 1}"
    ideas = [entry["idea"] for entry in batch]
    record_batch_plan(
        batch_id,
        [{"title": i["title"], "hypothesis": i["hypothesis"], "parent_title": parent} for i in ideas],
    )
    record_batch_hypotheses(
        [
            {"title": i["title"], "hypothesis": i["hypothesis"], "expected_effect": i["expected_effect"]}
            for i in ideas
        ]
    )
    edits = edit_train_code_batch(
        [
            {
                "title": entry["idea"]["title"],
                "train_py": entry["train_py"],
                "parent_title": parent,
                "change_summary": f"{entry['idea']['title']} on {parent}",
            }
            for entry in batch
        ]
    )
    outcome = {"parent": parent, "errors": edits["errors"], "skipped": skipped}
    if edits["titles"]:
        ran = run_experiment_batch(edits["titles"], concurrency=budget["batch_size"], batch_id=batch_id)
        print(f"ran {ran['batch_size']} experiment(s) on top of {parent}")
        outcome = {
            "parent": parent,
            "errors": edits["errors"],
            "skipped": skipped,
            "evaluation": evaluate_batch_results(ran["results"], batch_id),
        }
outcome
