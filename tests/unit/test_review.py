"""What the cheat review points at, and what it leaves alone."""

import pytest
from hypothesis import given, settings, strategies as st

from autoresearch_dagster.core.experiment import canonical_json
from autoresearch_dagster.core.limits import REVIEW_FINDINGS, REVIEW_LINE_CHARS, TRAIN_PY_BYTES
from autoresearch_dagster.evaluation.review import Finding, new_findings, review
from autoresearch_dagster.evaluation.review_rules import WHY
from autoresearch_dagster.reports.review import review_markdown, review_text
from tests.command_line import BASELINE

SOURCE = BASELINE.read_text(encoding="utf-8")
HONEST = "def run_training(config):\n    return config.max_steps\n"


def rules(code, parent=None):
    return [(one.rule, one.line) for one in review(f"{code}\n{HONEST}", parent)]


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("open('x')", "files"),
        ("import os\nos.listdir('.')", "files"),
        ("import os.path\nos.path.exists('x')", "files"),
        ("from pathlib import Path as P\nP('x').read_text()", "files"),
        ("import shutil as s\ns.copy('a', 'b')", "files"),
        ("import numpy as np\nnp.load('x')", "files"),
        ("import torch\ntorch.load('x')", "files"),
        ("import prepare\nprepare.bundle_folder()", "files"),
        ("a = '/proc/self/mem'", "path"),
        ("a = '../trusted'", "path"),
        ("a = f'/data/{1}'", "path"),
        ("import prepare\nprepare.evaluate_bpb = lambda *a: 0.0", "patch"),
        ("import prepare as p\np._on_step(3, 0.1)", "patch"),
        ("import prepare\nsetattr(prepare, 'MAX_SEQ_LEN', 2)", "patch"),
        ("import torch.nn.functional as F\nF.cross_entropy = None", "patch"),
        ("import torch\ntorch.nn.Module.__call__ = None", "patch"),
        ("from autoresearch_types import ExperimentResult\nExperimentResult.model = 1", "patch"),
        ("import time\ntime.time()", "clock"),
        ("from time import perf_counter as now\nnow()", "clock"),
        ("import datetime\ndatetime.datetime.now()", "clock"),
        ("import subprocess\nsubprocess.run(['ls'])", "process"),
        ("import os\nos.fork()", "process"),
        ("import os\nos.execv('a', [])", "process"),
        ("import threading\nthreading.Thread()", "process"),
        ("import torch.multiprocessing as mp\nmp.spawn(f)", "process"),
        ("import atexit\natexit.register(f)", "process"),
        ("import socket\nsocket.socket()", "network"),
        ("import urllib.request\nurllib.request.urlopen('x')", "network"),
        ("from requests import *", "network"),
        ("eval('1')", "code"),
        ("exec('1')", "code"),
        ("__import__('x')", "code"),
        ("import importlib\nimportlib.import_module('x')", "code"),
        ("import pickle\npickle.loads(b'')", "code"),
        ("import ctypes\nctypes.CDLL('x')", "code"),
        ("class M:\n    def __reduce__(self):\n        return f, ()", "code"),
        ("f.__globals__", "introspection"),
        ("import sys\nsys.modules['prepare']", "introspection"),
        ("import inspect\ninspect.stack()", "introspection"),
        ("a = next(loader('val'))", "validation"),
        ("a = load(split='val')", "validation"),
        ("a = 'rows/validation.npy'", "validation"),
        ("import torch\ntorch.manual_seed(1234)", "seed"),
        ("import torch\nSEED = 7\ntorch.manual_seed(SEED)", "seed"),
        ("import random\nrandom.seed(3)", "seed"),
        ("import numpy as np\nnp.random.default_rng(0)", "seed"),
        ("import torch\ng = torch.Generator()\ng.manual_seed(6 * 7)", "seed"),
        ("import os\nos.environ['HOME']", "environment"),
        ("from os import getenv\ngetenv('HOME')", "environment"),
        ("class M:\n    def forward(self, x):\n        self.last = x", "state"),
        ("class M:\n    def forward(self, x):\n        self.rows[0], y = x, 1", "state"),
        ("class M:\n    def forward(self, x):\n        self.table.add_(x)", "state"),
        ("class M:\n    def forward(self, x):\n        global seen\n        seen = x", "state"),
        ("class M:\n    def forward(self, x):\n        setattr(self, 'last', x)", "state"),
        ("class M:\n    def forward(self, x):\n        first, *self.rest = x", "state"),
        (
            "class M:\n    def forward(self, x):\n        self.at(x)\n    def at(self, x):\n        self.n += 1",
            "state",
        ),
        ("class M:\n    def forward(self, x):\n        loss.backward()", "learning"),
        ("import torch.nn.functional as F\nF.scaled_dot_product_attention(q, k, v)", "attention"),
        ("import torch.nn.functional as F\nF.scaled_dot_product_attention(q, k, v, is_causal=False)", "attention"),
        ("import torch.nn as nn\nnn.MultiheadAttention(8, 2)", "attention"),
        ("import torch.nn as nn\nnn.LSTM(8, 8, bidirectional=True)", "future"),
        ("y = x.roll(-1, 1)", "future"),
    ],
)
def test_it_points_at(code, rule):
    assert rule in {found for found, _ in rules(code)}, code


@pytest.mark.parametrize(
    "code",
    [
        "import torch\ntorch.manual_seed(config.seed)",
        "import random\nSEED = 1\nrandom.seed(SEED + config.seed)",
        "import numpy as np\nnp.random.default_rng(config.seed + 1)",
        "import torch\ntorch.backends.cuda.matmul.allow_tf32 = True",
        "import torch\ntorch._dynamo.config.suppress_errors = True",
        "model.eval()",
        "model.open()",
        "time = 3.0\nprint(time)",
        "import math\nmath.sqrt(2)",
        "import gc\ngc.collect()",
        "'''The file /proc/self is not read, nor the split val.'''",
        "print(f'{tokens}/sec, val_bpb {x}, ~5% better, evaluation')",
        "import torch.nn.functional as F\nF.scaled_dot_product_attention(q, k, v, is_causal=True)",
        "import torch.nn.functional as F\nF.scaled_dot_product_attention(q, k, v, attn_mask=m)",
        "import torch.nn.functional as F\nF.scaled_dot_product_attention(q, k, v, is_causal=m is None)",
        "import torch.nn.functional as F\nF.scaled_dot_product_attention(q, k, v, m)",
        "import torch.nn as nn\nnn.MultiheadAttention(8, 2)(x, x, x, attn_mask=m)",
        "y = x.roll(1, 1)",
        "class M:\n    def __init__(self):\n        self.a = 1",
        "class M:\n    def fit(self):\n        self.a = 1\n    def forward(self, x):\n        x[0] = 1",
        "class M:\n    def forward(self, x):\n        x = x.clone()\n        x.add_(1)\n        return self.a",
    ],
)
def test_it_leaves_alone(code):
    assert rules(code) == []


def test_the_baseline_has_nothing_to_look_at():
    assert review(SOURCE) == ()


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ("config.n_layer", "budget"),
        ("prepare.used_s() < config.time_budget_sec", "steps"),
        ("config.max_steps", None),
    ],
)
def test_whether_it_keeps_to_its_budget(body, rule):
    found = [
        (one.rule, one.line) for one in review(f"import prepare\ndef run_training(config):\n    return {body}\n")
    ]

    assert found == ([(rule, 2)] if rule else [])


def test_what_the_parent_has_too_is_not_new():
    parent = f"import time\nwhile time.time() < end:\n    pass\n{HONEST}"
    child = f"import time\nx = 1\nif x:\n    while time.time()  <  end:\n        pass\nt = time.time()\n{HONEST}"

    assert [(one.line, one.new) for one in review(child, parent)] == [(4, False), (6, True)]
    assert [one.line for one in new_findings(review(child, parent))] == [6]
    assert all(one.new for one in review(child))


def test_what_is_said_of_a_whole_file_is_new_once():
    parent, child = "def run_training(config):\n    pass\n", "def run_training(config: int) -> None:\n    pass\n"

    assert [(one.rule, one.new) for one in review(child, parent)] == [("budget", False)]


def test_lines_that_begin_alike_are_not_the_same():
    long = f"a = open('{'x' * 200}"

    (found,) = new_findings(review(f"{long}2')\n{HONEST}", f"{long}1')\n{HONEST}"))

    assert len(found.text) == REVIEW_LINE_CHARS
    assert found.text.endswith("…")


@pytest.mark.parametrize("text", ["def f(:", "x = '\0'", "(" * 5000, "  x", "-" * 100_000 + "1"])
def test_a_file_that_does_not_parse_is_one_finding(text):
    assert [one.rule for one in review(text)] == ["syntax"]


def test_the_line_is_that_of_the_parser_and_cannot_move_a_cursor():
    (found,) = review(f"x = 1\x0c\ny = 'a\x1cb'; open('\x1b[2J')\n{HONEST}")

    assert (found.line, found.text) == (2, "y = 'a\\x1cb'; open('\\x1b[2J')")


def test_a_file_full_of_findings_has_so_many():
    assert len(review("eval('1')\n" * (TRAIN_PY_BYTES // 10))) == REVIEW_FINDINGS


@settings(deadline=None, max_examples=60)
@given(
    st.text(max_size=60), st.lists(st.sampled_from([*SOURCE.splitlines(), "eval('1')", "import os", "os.fork()"]))
)
def test_any_text_is_reviewed_the_same_way_each_time(text, lines):
    for source in (text, "\n".join(lines)):
        once = review(source, SOURCE)

        assert once == review(source, SOURCE)
        assert [one.line for one in once] == sorted(one.line for one in once)
        assert all(one.why == WHY[one.rule] for one in once)
        assert not new_findings(review(source, source))


def test_nothing_of_a_candidate_is_run(tmp_path):
    review(f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\n")

    assert not (tmp_path / "ran").exists()


def test_a_document_of_findings_cannot_be_ended_by_a_line_of_code():
    findings = review(f"open('```') # </pre> **x**\n{HONEST}")

    assert "\n    open('```') # </pre> **x**\n" in review_markdown(findings)
    assert "decides nothing" in review_markdown(findings)
    assert review_text(()) == ""
    assert review_text(findings).startswith("worth a look: 1 new line\n     1 files: open(")


def test_a_finding_survives_its_canonical_form():
    (found,) = review(f"eval('1')\n{HONEST}")

    assert Finding.model_validate_json(canonical_json(found.model_dump(mode="json"))) == found
