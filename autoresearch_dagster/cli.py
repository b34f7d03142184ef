"""The command line `autoresearch`: its commands, and how errors reach a person."""

import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError
from pydantic import ValidationError

from autoresearch_dagster import __version__
from autoresearch_dagster.commands import look, machine, research, sessions, single
from autoresearch_dagster.commands.console import DONE, FAILED, INTERRUPTED, WRONG_USE, say
from autoresearch_dagster.core.errors import AutoresearchError, UserError

app = App(
    name="autoresearch",
    version=__version__,
    help="An agent does machine-learning research; Dagster runs it; a trusted evaluator decides what is real.",
    result_action="return_value",
)
for command in (
    research.demo,
    research.run,
    look.status,
    look.leaderboard,
    single.evaluate,
    machine.dev,
    machine.doctor,
):
    app.command(command)
app.command(sessions.app)
app.command(sessions.gc)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; errors reach a person as one sentence."""
    try:
        code = app(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as fault:
        say(f"{fault} See `autoresearch --help`.")
        code = WRONG_USE
    except ValidationError as fault:
        first = fault.errors()[0]
        say(f"{'.'.join(map(str, first['loc']))}: {first['msg']}. See `autoresearch --help`.")
        code = WRONG_USE
    except UserError as fault:
        say(str(fault))
        code = WRONG_USE
    except AutoresearchError as fault:
        say(str(fault))
        code = FAILED
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code if isinstance(code, int) else DONE)


if __name__ == "__main__":
    main()
