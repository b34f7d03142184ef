"""What `--help` and docs/command_line.md promise."""

import io
import re
import shlex
import subprocess
import sys

import pytest
from rich.console import Console

from autoresearch_dagster.cli import app
from autoresearch_dagster.core.settings import PROJECT_ROOT

DOCUMENT = (PROJECT_ROOT / "docs" / "command_line.md").read_text(encoding="utf-8")
README = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
HEAVY = ("dagster", "mlflow", "torch", "docker", "anthropic", "huggingface_hub", "sqlalchemy", "numpy")
LOADED = f"""
import sys
from autoresearch_dagster import cli
try:
    cli.main(sys.argv[1:])
except SystemExit as ended:
    assert ended.code == 0, ended.code
print([name for name in {HEAVY} if name in sys.modules])
"""


def leaves(parent=app, path=()):
    """Every command with its words."""
    for name in parent:
        if not name.startswith("-"):
            child = parent[name]
            if any(not sub.startswith("-") for sub in child):
                yield from leaves(child, (*path, name))
            else:
                yield (*path, name)


COMMANDS = list(leaves())


def help_of(words, width=100):
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False)
    app.help_print(list(words), console=console)
    return console.file.getvalue()


def examples(text):
    """Commands in a text: the lines that begin with `autoresearch` after blanks or a pipe."""
    return [line.partition("#")[0] for line in re.findall(r"(?m)^(?:\s*|.*\| *)(autoresearch .*)$", text)]


def test_help_is_grouped_and_names_every_command():
    text = help_of(())

    groups = [text.index(f"╭─ {name} ") for name in ("Research", "Look at research", "Data and image", "Upkeep")]
    assert groups == sorted(groups)
    for words in COMMANDS:
        assert f"│ {words[0]} " in text


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_an_example_that_is_understood(words):
    found = examples(help_of(words))

    assert found
    for line in found:
        assert line.startswith(" ".join(("autoresearch", *words)))
        app.parse_args(shlex.split(line)[1:], exit_on_error=False, print_error=False)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_is_documented_with_an_example(words):
    assert any(line.startswith(" ".join(("autoresearch", *words))) for line in examples(DOCUMENT)), words


@pytest.mark.parametrize("line", [*examples(DOCUMENT), *examples(README)])
def test_every_documented_example_is_understood(line):
    app.parse_args(shlex.split(line)[1:], exit_on_error=False, print_error=False)


def test_help_of_run_says_what_a_person_asks():
    text = help_of(("run",))

    for said in ("`sample`", "`climbmix`", "`climbmix@REVISION`", "folder", "goes on", "Exit codes", "--dry-run"):
        assert said in text


@pytest.mark.parametrize("words", [(), *COMMANDS], ids=" ".join)
@pytest.mark.parametrize("width", [40, 80])
def test_help_fits_into_the_terminal(words, width):
    shown = help_of(words, width).partition("Examples:")[0]  # a command is not wrapped

    assert all(len(line) <= width for line in shown.splitlines())


@pytest.mark.parametrize("words", [("--help",), ("run", "--help"), ("--version",), ("key", "set", "--help")])
def test_help_loads_nothing_heavy(words):
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *words], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_command(shell):
    script = app.generate_completion(shell=shell)

    assert all(words[-1] in script for words in COMMANDS)
    assert "workshop" in script
