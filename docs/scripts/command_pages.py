"""The page of every command, from the command line itself."""

from collections.abc import Iterator
from itertools import groupby

from cyclopts import App, Parameter
from cyclopts.argument import Argument

from autoresearch_dagster.cli import app
from docs.scripts.tables import code, table

SLOW, BUILDS = "slow", "not run: builds an image"
MARKS = {
    "autoresearch run --researcher claude": "claude",
    "autoresearch run --preset demo --dry-run": "",
    "autoresearch bundle --source climbmix": "not run: needs the network",
    "autoresearch dev": "starts a server",
    "autoresearch image": BUILDS,
    "autoresearch report --open": "not run: opens a browser",
    "autoresearch generate": "run by tests/integration/test_cli_generate.py",
    "autoresearch resume": "run by tests/integration/test_cli_steering.py",
    **dict.fromkeys(
        [f"autoresearch {name}" for name in ("demo", "run", "evaluate", "rerun", "verify", "bundle")],
        SLOW,
    ),
}
"""How examples are tried, by how they begin; the first that fits counts."""


def commands() -> str:
    """Every command with its arguments, defaults and examples."""
    sections = "\n".join(_section(name, command) for name, command in _all(app))
    return (
        "# Every command\n\n[The command line](../command_line.md) tells how they work together. Every command has "
        "`--help`. Exit codes: 0 done; 1 failed; 2 wrong use; 130 interrupted.\n\n" + sections
    )


def _all(of: App, before: str = "autoresearch") -> Iterator[tuple[str, App]]:
    for name in of:
        command = of[name]
        if name.startswith("-"):
            continue
        if command.default_command is not None:
            yield f"{before} {name}", command
        yield from _all(command, f"{before} {name}")


def _section(name: str, command: App) -> str:
    arguments = command.assemble_argument_collection(parse_docstring=True, default_parameter=Parameter(negative=()))
    rows = [_row(argument) for argument in arguments if argument.show]
    epilogue = command.help_epilogue if isinstance(command.help_epilogue, str) else ""
    examples = [line.strip() for line in epilogue.removeprefix("Examples:").splitlines() if line.strip()]
    parts = [
        f"## {name}\n\n{(command.help or '').rstrip()}\n",
        table(("argument", "default", "meaning"), rows) if rows else "",
        *(_block(mark, list(lines)) for mark, lines in groupby(examples, _mark_of)),
    ]
    return "\n".join(part for part in parts if part)


def _mark_of(example: str) -> str:
    """How the tests of the documents run an example; `tests/docs/blocks.py` has the words."""
    return next((mark for begin, mark in MARKS.items() if example.startswith(begin)), "")


def _block(mark: str, lines: list[str]) -> str:
    return "\n".join([*([f"<!-- {mark} -->"] if mark else []), "```bash", *lines, "```\n"])


def _row(argument: Argument) -> tuple[str, str, str]:
    names = [name for name in argument.names if name.startswith("--")]
    if argument.index is not None:
        names = [name.upper().strip("-") for name in names[:1]] or list(argument.names)
    choices = argument.get_choices()
    meaning = (argument.parameter.help or "").rstrip()
    if choices:
        meaning = f"{meaning} One of {', '.join(code(choice) for choice in choices)}."
    return ", ".join(code(name) for name in names), _default(argument), meaning


def _default(argument: Argument) -> str:
    if argument.required:
        return "required"
    match argument.field_info.default:
        case None | "" | False:
            return ""
        case True:
            return "on"
        case value if isinstance(value, str | int | float):
            return code(str(value))
        case _:
            return ""
