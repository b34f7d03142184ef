"""The developer habits are what CONTRIBUTING says: hooks, sizes of files, coverage, targets of make."""

import ast
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from autoresearch_dagster.core.settings import PROJECT_ROOT
from docs.scripts import hygiene

CONFIG = PROJECT_ROOT / ".pre-commit-config.yaml"
MAKEFILE = (PROJECT_ROOT / "Makefile").read_text(encoding="utf-8")


def hooks() -> list[dict[str, str]]:
    return [hook for repo in yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["repos"] for hook in repo["hooks"]]


def test_the_hooks_are_valid_and_download_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pre_commit", "validate-config", str(CONFIG)], capture_output=True, check=False
    )

    assert done.returncode == 0, done.stdout
    assert [repo["repo"] for repo in yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["repos"]] == ["local"]
    assert {hook["language"] for hook in hooks()} == {"system"}


@pytest.mark.parametrize("hook", hooks(), ids=lambda hook: hook["id"])
def test_the_command_of_every_hook_exists(hook: dict[str, str]) -> None:
    program, *arguments = shlex.split(hook["entry"])

    assert (PROJECT_ROOT / program).exists()
    for named in (one for one in arguments if one.startswith("tests/")):
        assert (PROJECT_ROOT / named).exists()


def test_all_files_are_as_long_as_they_may_be() -> None:
    assert hygiene.main() == 0


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("autoresearch_dagster/new.py", b"\n" * 251, "251 lines"),
        ("trainer_image/harness.py", b"\n" * 251, "250 are allowed"),
        ("docs/pictures/large.png", b"x" * 300_001, "bytes"),
        ("examples/night/report.html", b"x" * 1_500_001, "bytes"),
        ("notes.txt", b"-----BEGIN " + b"RSA PRIVATE KEY-----", "private key"),
        ("notes.txt", b"sk-ant-" + b"api03-" + b"a" * 40, "private key"),
    ],
)
def test_a_file_that_must_not_be_there_is_named(name: str, data: bytes, said: str) -> None:
    (found,) = hygiene.problems_of(name, data)

    assert name in found
    assert said in found


def test_what_is_excused_as_a_table_has_nothing_but_constants() -> None:
    for name in hygiene.TABLES:
        body = ast.parse((PROJECT_ROOT / name).read_text(encoding="utf-8")).body
        assert {type(node) for node in body} <= {ast.Expr, ast.ImportFrom, ast.AnnAssign}


def test_core_evaluation_and_every_module_of_the_ledger_are_measured_under_their_names() -> None:
    config = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["coverage"]
    package = PROJECT_ROOT / "autoresearch_dagster"
    ledger = {f"store.{path.stem}" for path in (package / "store").glob("ledger*")}

    assert (package / "core" / "errors.py").exists()
    assert (package / "evaluation" / "evaluator.py").exists()
    assert "store.ledger" in ledger
    wanted = {"core", "evaluation", *ledger}
    assert set(config["run"]["source"]) == {f"autoresearch_dagster.{name}" for name in wanted}


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        ((0, 1), 0, "Required test coverage of 99.9% reached"),
        ((1,), 1, "not reached"),  # every line, not every branch
        ((), 1, "not reached"),
    ],
)
def test_a_branch_that_no_test_takes_fails_the_run_that_measures(
    asked: tuple[int, ...], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(PROJECT_ROOT / "pyproject.toml", tmp_path)
    core, tests = tmp_path / "autoresearch_dagster" / "core", tmp_path / "tests"
    core.mkdir(parents=True)
    tests.mkdir()
    (core.parent / "__init__.py").touch()
    (core / "__init__.py").write_text("def double(n):\n    if n:\n        n += n\n    return n\n")
    calls = [f"    assert double({n}) == {2 * n}\n" for n in asked]
    import_line = "    from autoresearch_dagster.core import double\n"
    (tests / "test_it.py").write_text(f"def test_it():\n{import_line}{''.join(calls)}")
    monkeypatch.delenv("COVERAGE_FILE", raising=False)

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--cov", "--cov-report=term"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == code, done.stdout
    assert said in done.stdout


def test_check_runs_the_tests_once_and_measures_them() -> None:
    plan = subprocess.run(["make", "-n", "check"], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    runs = [line for line in plan.stdout.splitlines() if "-m pytest" in line]

    assert len(runs) == 1
    assert "--cov" in runs[0]


def test_every_target_of_make_is_explained_and_phony() -> None:
    explained = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)

    assert phony
    assert explained | {"dev-tools"} == set(phony[1].split())


def test_contributing_names_targets_that_there_are() -> None:
    text = (PROJECT_ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))

    assert set(re.findall(r"`make ([a-z-]+)`", text)) <= targets


def test_the_changelog_keeps_its_form() -> None:
    lines = Path(PROJECT_ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    sections = [line for line in lines if line.startswith("### ")]

    assert lines[0] == "# Changelog"
    assert "## Unreleased" in lines
    kinds = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
    assert set(sections) <= {f"### {one}" for one in kinds}
    releases = [line for line in lines if line.startswith("## ")]
    assert all(re.match(r"## (Unreleased|\d+\.\d+\.\d+ - \d{4}-\d\d-\d\d)$", line) for line in releases)
