"""The command line `autoresearch`: its commands, and how errors reach a person."""

import errno
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from cyclopts import App, CycloptsError, Group, Parameter
from pydantic import ValidationError

from autoresearch_dagster import __version__
from autoresearch_dagster.commands import (
    data,
    generate,
    keys,
    look,
    machine,
    report,
    research,
    sessions,
    single,
    steering,
    watch,
)
from autoresearch_dagster.commands.console import DONE, FAILED, INTERRUPTED, WRONG_USE, say
from autoresearch_dagster.core.errors import AutoresearchError, UserError

app = App(
    name="autoresearch",
    version=__version__,
    help="An agent does machine-learning research; Dagster runs it; a trusted evaluator decides what is real.",
    help_format="plaintext",
    help_epilogue="Exit codes: 0 done; 1 failed; 2 wrong use; 130 interrupted. "
    "`autoresearch COMMAND --help` has examples.",
    result_action="return_value",
    default_parameter=Parameter(negative=()),
    suppress_keyboard_interrupt=False,
)
RESEARCH = Group("Research", sort_key=1)
STEER = Group("Steer research", sort_key=2)
LOOK = Group("Look at research", sort_key=3)
DATA = Group("Data and image", sort_key=4)
UPKEEP = Group("Upkeep", sort_key=5)


def register(to: App, function: Callable[..., Any], group: Group | None = None, name: str | None = None) -> None:
    """Add a command whose docstring is its help: its paragraphs, and its examples at the end."""
    text, _, examples = inspect.cleandoc(function.__doc__ or "").partition("\nExample:\n")
    paragraphs = text.partition("\nArgs:\n")[0].strip().split("\n\n")
    to.command(
        function,
        name=name,
        group=group,
        help="\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs),
        help_epilogue=f"Examples:\n{examples}" if examples else None,
    )


for group, functions in {
    RESEARCH: (research.demo, research.run, single.evaluate, single.rerun, single.verify),
    STEER: (steering.steer, steering.pause, steering.resume, steering.stop),
    LOOK: (
        look.status,
        look.leaderboard,
        look.history,
        watch.watch,
        report.report,
        generate.generate,
        machine.dev,
    ),
    DATA: (data.bundle, data.image),
    UPKEEP: (machine.doctor, machine.project, sessions.gc),
}.items():
    for function in functions:
        register(app, function, group)

key = App(name="key", help="Keep the model key where only you can read it.", group=UPKEEP)
register(key, keys.set_key, name="set")
register(key, keys.show)
register(key, keys.remove)
app.command(key)

session = App(name="session", help="List sessions, put them away, move them to another home.", group=UPKEEP)
register(session, sessions.list_sessions, name="list")
register(session, sessions.archive)
register(session, sessions.restore)
register(session, sessions.export)
register(session, sessions.import_archive, name="import")
app.command(session)

app.register_install_completion_command(
    group=UPKEEP,
    help="Install completion for bash, zsh or fish: `autoresearch --install-completion --shell zsh`.",
)
for flag in ("--help", "--version"):
    app[flag].group = UPKEEP


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; errors reach a person as one sentence."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="replace")  # a terminal without UTF-8 gets a question mark, not a traceback
    try:
        code = app(arguments, exit_on_error=False, print_error=False)
    except (CycloptsError, ValidationError, AutoresearchError, OSError) as fault:
        code = _tell(fault)
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code if isinstance(code, int) else DONE)


def _tell(fault: Exception) -> int:
    """Say what went wrong in one sentence; the exit code that belongs to it."""
    match fault:
        case CycloptsError():
            say(f"{' '.join(str(fault).split())} See `autoresearch --help`.")
            return WRONG_USE
        case ValidationError():
            first = fault.errors()[0]
            say(f"{'.'.join(map(str, first['loc']))}: {first['msg']}. See `autoresearch --help`.")
            return WRONG_USE
        case UserError():
            say(str(fault))
            return WRONG_USE
        case BrokenPipeError():
            # Whoever read our output has closed it; Python would complain once more at its exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED
        case OSError():
            say(_about_the_disk(fault))
            return FAILED
        case _:
            say(str(fault))
            return FAILED


def _about_the_disk(fault: OSError) -> str:
    where = f" ({fault.filename})" if fault.filename else ""
    if fault.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full{where}; free some space and give the same command again, nothing is lost."
    if fault.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"It cannot be written{where}: {fault.strerror}; set AUTORESEARCH_HOME to a folder that can."
    return f"The system refused{where}: {fault.strerror or fault}; `autoresearch doctor` looks at this machine."


if __name__ == "__main__":
    main()
