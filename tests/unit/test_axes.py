import ast
from pathlib import Path

import pytest

from autoresearch_dagster.agent.axes.judge import Axis, axes_of, form_of
from autoresearch_dagster.agent.scripted import recorded_plan

BASELINE = (Path(__file__).parents[2] / "trainer_image" / "train.py").read_text()
STEP = "        optimizer.step()\n"
ADAMW = "torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=0.01, fused=True)"
MAKE_LOADER = "    loader = prepare"
CLIP = "        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)\n"
BACKWARD = "            loss.backward()\n"
LN_F = "        self.ln_f = nn.LayerNorm(config.n_embd)\n"
LOSS = "        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction=reduction)\n"


def edited(*pairs: tuple[str, str]) -> str:
    """The baseline with replacements, each of the first place where its text stands."""
    source = BASELINE
    for old, new in pairs:
        assert old in source, old
        source = source.replace(old, new, 1)
    compile(source, "train.py", "exec")
    return source


def before_step(*lines: str) -> str:
    return edited((STEP, "".join(f"        {line}\n" for line in lines) + STEP))


EDITS: dict[str, tuple[str, set[str]]] = {
    "a comment and a docstring": (
        edited(("LOG_EVERY = 5  # steps", "LOG_EVERY = 5"), ('"""Train one', '"""Do one')),
        set(),
    ),
    "annotations": (edited(("x: torch.Tensor) -> torch.Tensor", "x)")), set()),
    "a renamed variable": (BASELINE.replace("optimizer", "opt"), set()),
    "a renamed class and method field": (
        BASELINE.replace("MLP", "FeedForward").replace("self.fc1", "self.up"),
        set(),
    ),
    "an import that nothing uses": (edited(("import prepare\n", "import math\nimport prepare\n")), set()),
    "more logging": (before_step("prepare.log_step(steps, 0.0)", "print(steps)"), set()),
    "another name of the model": (edited(("TinyGPT-L", "Better-L")), set()),
    "a renamed variable and a learning rate": (
        edited(("lr=config.learning_rate", "lr=3e-3")).replace("optimizer", "opt"),
        {"learning_rate"},
    ),
    "a learning rate": (edited(("lr=config.learning_rate", "lr=config.learning_rate * 3")), {"learning_rate"}),
    "a learning rate through a variable": (
        edited(("    optimizer = ", "    rate = 2e-3\n    optimizer = "), ("lr=config.learning_rate", "lr=rate")),
        {"learning_rate"},
    ),
    "a learning rate through a constant": (
        edited(("LOG_EVERY = 5", "RATE = 2e-3\nLOG_EVERY = 5"), ("lr=config.learning_rate", "lr=RATE")),
        {"learning_rate"},
    ),
    "weight decay": (edited(("weight_decay=0.01", "weight_decay=0.1")), {"regularisation"}),
    "betas": (edited(("weight_decay=0.01", "weight_decay=0.01, betas=(0.9, 0.95)")), {"optimizer"}),
    "another optimizer": (
        edited((ADAMW, "torch.optim.RMSprop(model.parameters(), lr=config.learning_rate, weight_decay=0.01)")),
        {"optimizer"},
    ),
    "an optimizer of its own": (
        edited(
            (
                "def run_training",
                "class Signs(torch.optim.Optimizer):\n    def step(self):\n        for g in self.param_groups:\n"
                "            for p in g['params']:\n                p.data -= g['lr'] * p.grad.sign()\n\n\n"
                "def run_training",
            ),
            (ADAMW, "Signs(model.parameters(), {'lr': config.learning_rate})"),
        ),
        {"optimizer"},
    ),
    "groups without decay": (
        edited(
            (
                "    optimizer = torch.optim.AdamW(model.parameters(),",
                "    big = [p for p in model.parameters() if p.dim() > 1]\n"
                "    small = [p for p in model.parameters() if p.dim() < 2]\n"
                "    optimizer = torch.optim.AdamW([{'params': big, 'weight_decay': 0.1},"
                " {'params': small, 'weight_decay': 0.0}],",
            )
        ),
        {"optimizer", "regularisation"},
    ),
    "a cosine in the loop": (
        before_step(
            "progress = steps / config.max_steps",
            "for group in optimizer.param_groups:",
            "    group['lr'] = config.learning_rate * (1 + math.cos(math.pi * progress)) / 2",
        ),
        {"schedule"},
    ),
    "a cosine in a function": (
        edited(
            (
                "def run_training",
                "def factor(step, total):\n    return 0.5 * (1 + step / total)\n\n\ndef run_training",
            ),
            (STEP, f"        for g in optimizer.param_groups:\n            g['lr'] = factor(steps, 100)\n{STEP}"),
        ),
        {"schedule"},
    ),
    "a scheduler": (
        edited(
            (
                MAKE_LOADER,
                f"    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, 100)\n{MAKE_LOADER}",
            ),
            (STEP, f"{STEP}        scheduler.step()\n"),
        ),
        {"schedule"},
    ),
    "a scheduler with a function": (
        edited(
            (
                MAKE_LOADER,
                "    def ramp(step):\n        warm = 10\n        return min(1.0, (step + 1) / warm)\n\n"
                f"    plan = torch.optim.lr_scheduler.LambdaLR(optimizer, ramp)\n{MAKE_LOADER}",
            ),
            (STEP, f"{STEP}        plan.step()\n"),
        ),
        {"schedule"},
    ),
    "clipping": (edited(("model.parameters(), 1.0)", "model.parameters(), 0.5)")), {"regularisation"}),
    "no clipping": (
        edited(("        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)\n", "")),
        {"regularisation"},
    ),
    "label smoothing": (
        edited(("reduction=reduction)", "reduction=reduction, label_smoothing=0.1)")),
        {"regularisation"},
    ),
    "a penalty on the loss": (
        edited((LOSS, f"{LOSS}        loss = loss + 1e-4 * logits.logsumexp(-1).square().mean()\n")),
        {"loss"},
    ),
    "a penalty in the loop": (
        edited((BACKWARD, f"            loss = loss + 1e-4 * x.float().var()\n{BACKWARD}")),
        {"loss"},
    ),
    "another activation": (edited(("F.gelu(self.fc1(x))", "F.relu(self.fc1(x)).square()")), {"architecture"}),
    "another norm": (edited(("self.ln1 = nn.LayerNorm", "self.ln1 = nn.RMSNorm")), {"architecture"}),
    "another norm under another name": (
        BASELINE.replace("ln1", "norm1").replace("self.norm1 = nn.LayerNorm", "self.norm1 = nn.RMSNorm"),
        {"architecture"},
    ),
    "norms behind the sums": (
        edited(
            ("x = x + self.attn(self.ln1(x))", "x = self.ln1(x + self.attn(x))"),
            ("x + self.mlp(self.ln2(x))", "self.ln2(x + self.mlp(x))"),
        ),
        {"architecture"},
    ),
    "two statements of a forward in another order": (
        edited(
            (
                "        x = x + self.attn(self.ln1(x))\n        return x + self.mlp(self.ln2(x))",
                "        x = self.mlp(x)\n        x = self.attn(x)\n        return x",
            )
        ),
        {"architecture"},
    ),
    "a softcap": (
        edited(
            (
                "        if targets is None:\n",
                "        logits = 30 * torch.tanh(logits / 30)\n        if targets is None:\n",
            )
        ),
        {"architecture"},
    ),
    "a new module": (
        edited(
            (
                "class Block(",
                "class Gate(nn.Module):\n    def __init__(self, n):\n        super().__init__()\n"
                "        self.w = nn.Linear(n, n)\n\n    def forward(self, x):\n"
                "        return x * self.w(x).sigmoid()\n\n\nclass Block(",
            ),
            ("self.attn(self.ln1(x))", "self.gate(self.attn(self.ln1(x)))"),
            ("        self.ln2 =", "        self.gate = Gate(n_embd)\n        self.ln2 ="),
        ),
        {"architecture"},
    ),
    "a wider MLP": (
        edited(("4 * n_embd)", "8 * n_embd)"), ("nn.Linear(4 * n_embd", "nn.Linear(8 * n_embd")),
        {"architecture"},
    ),
    "more layers in code": (edited(("range(config.n_layer)", "range(config.n_layer + 2)")), {"size"}),
    "dropout at the end": (
        edited(
            (LN_F, f"{LN_F}        self.last = nn.Dropout(0.1)\n"), ("self.ln_f(x))", "self.last(self.ln_f(x)))")
        ),
        {"regularisation"},
    ),
    "dropout in the attention": (edited(("p = self.p if self.training else 0.0", "p = 0.1")), {"regularisation"}),
    "an embedding's init": (
        edited((LN_F, f"        nn.init.normal_(self.tok_emb.weight, std=0.02)\n{LN_F}")),
        {"initialisation"},
    ),
    "an init of all modules": (
        edited(
            (
                "    def forward(\n",
                "    def _start(self, module):\n        if isinstance(module, nn.Linear):\n            std = 0.02\n"
                "            nn.init.normal_(module.weight, std=std)\n\n    def forward(\n",
            ),
            (LN_F, f"{LN_F}        self.apply(self._start)\n"),
        ),
        {"initialisation"},
    ),
    "tied weights": (
        edited(
            (
                "vocab_size, bias=False)\n",
                "vocab_size, bias=False)\n        self.head.weight = self.tok_emb.weight\n",
            )
        ),
        {"architecture"},
    ),
    "shorter rows": (
        edited(("config.device_batch_size, MAX_SEQ_LEN,", "config.device_batch_size, 128,")),
        {"data"},
    ),
    "larger micro-batches": (
        edited(("config.device_batch_size, MAX", "2 * config.device_batch_size, MAX")),
        {"batch"},
    ),
    "accumulation": (edited(("range(config.grad_accum_steps)", "range(4)")), {"batch"}),
    "a curriculum of lengths": (
        edited(("            loss = model", "            x, y = x[:, :128], y[:, :128]\n            loss = model")),
        {"data"},
    ),
    "fewer steps": (edited(("steps < config.max_steps", "steps < 50")), {"length"}),
    "half precision": (
        edited(
            (
                "            loss = model(x, y) / config.grad_accum_steps\n",
                "            with torch.autocast(device.type):\n"
                "                loss = model(x, y) / config.grad_accum_steps\n",
            ),
        ),
        {"loop"},
    ),
    "an average of weights": (
        edited(
            (STEP, f"{STEP}        kept = [p.detach().clone() for p in model.parameters()]\n"),
        ),
        {"loop"},
    ),
    "rotary positions": (
        edited(
            (
                "class MLP",
                "def turned(x):\n    a, b = x.chunk(2, -1)\n    return torch.cat((-b, a), -1)\n\n\nclass MLP",
            ),
            ("        y = F.scaled", "        q, k = q + turned(q), k + turned(k)\n        y = F.scaled"),
        ),
        {"architecture"},
    ),
    "small residual branches": (
        edited(
            (
                LN_F,
                f"{LN_F}        with torch.no_grad():\n            for block in self.blocks:\n"
                "                block.attn.proj.weight.zero_()\n",
            )
        ),
        {"initialisation"},
    ),
    "an init behind the model": (
        edited(("    optimizer = ", "    model.tok_emb.weight.data.normal_(std=0.02)\n    optimizer = ")),
        {"initialisation"},
    ),
    "a schedule over time": (
        before_step(
            "share = prepare.used_s() / config.time_budget_sec",
            "rate = config.learning_rate * (1 - share)",
            "for group in optimizer.param_groups:",
            "    group['lr'] = rate",
        ),
        {"schedule"},
    ),
    "a compiled model": (
        edited(("    model.train()", "    model = torch.compile(model)\n    model.train()")),
        {"loop"},
    ),
    "a second optimizer": (
        edited(
            (MAKE_LOADER, f"    second = torch.optim.SGD(model.head.parameters(), lr=0.1)\n{MAKE_LOADER}"),
            (STEP, f"{STEP}        second.step()\n"),
        ),
        {"optimizer"},
    ),
    "rates by group": (
        edited(("AdamW(model.parameters()", "AdamW([{'params': model.parameters(), 'lr': 0.01}]")),
        {"optimizer", "learning_rate"},
    ),
    "accumulation through a variable": (
        edited(
            ("        for _ in range(config.grad_accum_steps)", "        n = 4\n        for _ in range(n)"),
            ("model(x, y) / config.grad_accum_steps", "model(x, y) / n"),
        ),
        {"batch"},
    ),
    "a config of its own": (
        edited(
            (
                "    device = torch",
                "    config = dataclasses.replace(config, n_layer=2, learning_rate=1e-3)\n    device = torch",
            )
        ),
        {"size", "learning_rate"},
    ),
    "a field of the config": (
        edited(("    device = torch", "    config.max_steps = 50\n    device = torch")),
        {"length"},
    ),
    "clipping behind the step": (
        edited((CLIP, ""), ("        steps += 1\n", f"        steps += 1\n{CLIP}")),
        {"regularisation"},
    ),
    "an activation and a schedule": (
        edited(
            ("F.gelu(", "F.silu("),
            (STEP, f"        optimizer.param_groups[0]['lr'] = 1e-3 / (steps + 1)\n{STEP}"),
        ),
        {"architecture", "schedule"},
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_the_axes_of_an_edit_follow_from_its_structure(name):
    source, expected = EDITS[name]
    assert axes_of(source, {}, BASELINE, {}) == {Axis(axis) for axis in expected}


def ideas(plan: str) -> list[dict]:
    """The IDEAS of a shipped plan."""
    assigned = [node for node in ast.parse(recorded_plan(plan)).body if isinstance(node, ast.Assign)]
    return next(ast.literal_eval(node.value) for node in assigned if ast.unparse(node.targets[0]) == "IDEAS")


def applied(idea: dict) -> str:
    """The baseline with an idea of the plan `edit_code`, as the plan applies it."""
    if "insert" in idea:
        return before_step(*[line.replace("{optimizer}", "optimizer") for line in idea["insert"]])
    return edited(next(tuple(pair) for pair in idea["replace"] if pair[0] in BASELINE))


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("cosine-schedule", {"schedule"}),
        ("adam-betas-and-decay", {"optimizer", "regularisation"}),
        ("squared-relu", {"architecture"}),
        ("small-embedding-init", {"initialisation"}),
        ("linear-warmup", {"schedule"}),
        ("tighter-clipping", {"regularisation"}),
        ("small-head-init", {"initialisation"}),
        ("no-weight-decay", {"regularisation"}),
        ("looser-clipping", {"regularisation"}),
    ],
)
def test_the_axes_of_the_shipped_code_ideas(title, expected):
    idea = next(idea for idea in ideas("edit_code") if idea["title"] == title)
    assert axes_of(applied(idea), {}, BASELINE, {}) == {Axis(axis) for axis in expected}


def test_the_innermost_argument_decides():
    parent = edited(("cross_entropy(logits.flatten", "cross_entropy(F.dropout(logits, p=0.1).flatten"))
    assert axes_of(parent.replace("p=0.1", "p=0.2"), {}, parent, {}) == {Axis.REGULARISATION}


def test_an_edit_is_judged_relative_to_its_parent():
    parent = EDITS["another activation"][0]
    child = parent.replace("weight_decay=0.01", "weight_decay=0.1")
    assert axes_of(child, {"n_layer": 2}, parent, {"n_layer": 2}) == {Axis.REGULARISATION}
    assert axes_of(parent, {"n_layer": 2}, parent, {"n_layer": 4, "dropout": 0.1}) == {
        Axis.SIZE,
        Axis.REGULARISATION,
    }
    assert axes_of(BASELINE, {}, parent, {}) == {Axis.ARCHITECTURE}


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"n_layer": 2, "n_embd": 64, "n_head": 2}, {"size"}),
        ({"learning_rate": 1e-3}, {"learning_rate"}),
        ({"device_batch_size": 4, "max_steps": 50}, {"batch", "length"}),
        ({"time_budget_sec": 10}, {"length"}),
        ({"dropout": 0.1}, {"regularisation"}),
    ],
)
def test_overrides_map_to_axes(overrides, expected):
    assert axes_of(BASELINE, overrides, BASELINE, {}) == {Axis(axis) for axis in expected}


@pytest.mark.parametrize(
    ("source", "micro"),
    [
        (BASELINE, True),
        (edited(("weight_decay=0.01", "weight_decay=0.1"), ("parameters(), 1.0)", "parameters(), -2)")), True),
        (edited(("weight_decay=0.01", "weight_decay=0.1")).replace("optimizer", "opt"), True),
        (edited(("lr=config.learning_rate", "lr=3e-3")), False),
        (edited(("weight_decay=0.01", "weight_decay=0.1, betas=(0.9, 0.95)")), False),
        (edited(("fused=True", "fused=False")), False),
        (EDITS["another activation"][0], False),
    ],
)
def test_a_sweep_of_literal_numbers_is_told_from_an_edit(source, micro):
    assert (form_of(source, numbers=False) == form_of(BASELINE, numbers=False)) is micro


def test_what_nests_too_deep_to_be_compared_touches_nothing_and_is_no_sweep():
    deep = BASELINE + "x = " + "+".join(["y"] * 400) + "\n"
    assert axes_of(deep, {}, BASELINE, {}) == frozenset()
    assert form_of(deep) == form_of(deep, numbers=False) == ""
