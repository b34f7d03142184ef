"""What counts as code that cannot change a training, and what does not."""

import pytest

from autoresearch_dagster.agent.axes.judge import axes_of, form_of
from tests.agent_bench import BASELINE

STEP = "        optimizer.step()\n"
SEED = "    model.train()\n"


def before_training(*lines: str) -> str:
    return BASELINE.replace(SEED, "".join(f"    {line}\n" for line in lines) + SEED)


def at_the_end(text: str) -> str:
    return f"{BASELINE}\n\n{text}\n"


def in_the_loop(*lines: str) -> str:
    return BASELINE.replace(STEP, "".join(f"        {line}\n" for line in lines) + STEP)


DEAD = {
    "constant": at_the_end("_TAG = 'v2'"),
    "local constant": before_training("tag = ('v2', 3)"),
    "declared": before_training("tag: int"),
    "arithmetic of constants": at_the_end("_TAG = 3 * 4"),
    "function": at_the_end("def _f(x=1):\n    return _f(x)"),
    "functions that call each other's constants": at_the_end(
        "_A = 1\n\n\ndef _f():\n    return _A\n\n\ndef _g():\n    return _f()"
    ),
    "class": at_the_end("class _M(nn.Module):\n    def forward(self, x):\n        return x"),
    "import": at_the_end("import math\nfrom collections import deque"),
    "if False": in_the_loop("if False:", "    lr = 3"),
    "while 0": in_the_loop("while 0:", "    steps += 1"),
    "if True": in_the_loop("if True:", "    pass"),
    "assert": in_the_loop("assert True"),
    "print": in_the_loop("print('a step', 3)"),
    "renamed and dead": at_the_end("_TAG = 'v2'").replace("optimizer", "opt").replace("'v2'", "'v3'"),
}
LIVE = {
    "constant that is read": before_training("k = 3", "model.k = k"),
    "read as a field": at_the_end("LIMIT = 3").replace("model.train()", "prepare.LIMIT"),
    "read by name": at_the_end("LIMIT = 3").replace("model.train()", "getattr(prepare, 'LIMIT')"),
    "counted": before_training("n = 0", "n += 1"),
    "call": before_training("torch.manual_seed(1)"),
    "result of a call": before_training("state = torch.get_rng_state()"),
    "variable": before_training("rate = config.learning_rate"),
    "print of a call": in_the_loop("print(next(loader))"),
    "own print": at_the_end("def print(*_):\n    return torch.rand(1)").replace(STEP, "        print(1)\n" + STEP),
    "branch": in_the_loop("if steps > 3:", "    pass"),
    "branch that makes a generator": before_training("if False:", "    yield 1"),
    "power": at_the_end("_TAG = 10 ** 10"),
    "decorated": at_the_end("@torch.compile\ndef _f():\n    return 1"),
    "default that is computed": at_the_end("def _f(x=torch.rand(1)):\n    return x"),
    "class of another kind": at_the_end("class _M(Block):\n    pass"),
    "field of a class": BASELINE.replace(
        "    def __init__(self, n_embd: int, dropout", "    k = 3\n\n    def __init__(self, n_embd: int, dropout"
    ),
    "method that torch may call": BASELINE.replace(
        "    def forward(self, x: torch.Tensor) -> torch.Tensor:\n        return self.dropout(self.fc2",
        "    def train(self, mode=True):\n        return self\n\n"
        "    def forward(self, x: torch.Tensor) -> torch.Tensor:\n        return self.dropout(self.fc2",
    ),
    "import of torch's own": at_the_end("import torch._dynamo"),
    "file that looks at itself": at_the_end("_TAG = 3").replace("model.train()", "globals().get('_T' + 'AG')"),
}


@pytest.mark.parametrize("name", DEAD)
def test_what_cannot_change_a_training_is_no_change(name: str) -> None:
    assert DEAD[name] != BASELINE
    assert form_of(DEAD[name]) == form_of(BASELINE)
    assert axes_of(DEAD[name], {}, BASELINE, {}) == frozenset()


@pytest.mark.parametrize("name", LIVE)
def test_what_may_change_a_training_is_a_change(name: str) -> None:
    assert LIVE[name] != BASELINE
    assert form_of(LIVE[name], numbers=False) != form_of(BASELINE, numbers=False)


def test_dead_code_adds_no_axis_to_an_edit() -> None:
    edit = BASELINE.replace("weight_decay=0.01", "weight_decay=0.1")
    dead = f"{edit}\n\nclass _M(nn.Module):\n    def forward(self, x):\n        return x\n"
    assert axes_of(dead, {}, BASELINE, {}) == axes_of(edit, {}, BASELINE, {})
