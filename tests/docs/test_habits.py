"""The developer habits are what CONTRIBUTING says: hooks, sizes of files, thresholds, targets of make."""

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from autoresearch_dagster.core.settings import PROJECT_ROOT
from docs.scripts import coverage, hygiene

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


def test_what_a_package_lacks_is_counted_in_lines_and_branches() -> None:
    file = {
        "summary": {"covered_lines": 8, "num_statements": 10, "covered_branches": 1, "num_branches": 2},
        "missing_lines": [3, 4],
        "missing_branches": [[1, 3]],
    }

    percent, missing = coverage.reached({"a/b.py": file, "c/d.py": file}, "a/")

    assert percent == 75.0
    assert missing == {"a/b.py": [3, 4, [1, 3]]}


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
