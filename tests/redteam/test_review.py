"""What the cheat review says of candidates that cheat; and that it says it to people alone."""

import ast
from pathlib import Path

import pytest

import autoresearch_dagster
from autoresearch_dagster.core.experiment import Outcome, Verdict
from autoresearch_dagster.evaluation.review import review
from tests.command_line import BASELINE
from tests.judging import judged
from tests.redteam.test_redteam import lab  # noqa: F401 (fixture)
from tests.redteam_table import CANDIDATES as HERE

CANDIDATES = (
    "forged_print",
    "functional_dropout",
    "honest_cache",
    "honest_lstm",
    "late_first_answer",
    "late_import",
    "late_unpickling",
    "learns_while_answering",
    "look_ahead_soft",
    "marker",
    "mask_removed",
    "memory",
    "recognises_development",
)
PACKAGE = Path(autoresearch_dagster.__file__).parent
SHOWS = {"evaluation/review.py", "reports/", "tracking/", "defs/", "experiments/dossier.py"}
WORTH_A_LOOK = '''
import os
import time


def unused():
    """Never called."""
    eval("1")
    open("/proc/self/mem")
    os.fork()
    time.time()
    torch.manual_seed(1234)
    prepare.evaluate_bpb = None
    return os.environ
'''


@pytest.mark.parametrize("name", CANDIDATES)
def test_what_a_person_is_shown(name, snapshot):
    found = review((HERE / f"{name}.py").read_text(), BASELINE.read_text())

    assert [f"{one.line} {one.rule}: {one.text}" for one in found if one.new] == snapshot


def test_a_file_full_of_findings_is_scored_like_its_honest_twin(lab):  # noqa: F811
    honest = (HERE / "forged_print.py").read_text()
    full = honest + WORTH_A_LOOK

    results = [judged(lab, "forged_print", code=code, seconds=20)[0] for code in (honest, full)]

    assert (len(review(honest)), len(review(full))) == (0, 8)
    assert {(one.outcome, one.verdict, one.standing) for one in results} == {
        (Outcome.TRAINED, Verdict.ACCEPTED, results[0].standing)
    }
    assert results[0].val_bpb == results[1].val_bpb
    assert results[0].val_bpb is not None


def test_nothing_that_scores_knows_of_reviews():
    importing = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").endswith(("review", "review_tree")):
                importing.add(path.relative_to(PACKAGE).as_posix())

    assert importing
    assert {name for name in importing if not name.startswith(tuple(SHOWS))} == set()
