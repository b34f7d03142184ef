"""The report of a session as a file for a browser: `report`."""

import time
import webbrowser
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from autoresearch_dagster.commands.console import DONE, how_to_go_on, say, tell
from autoresearch_dagster.commands.look import NO_SESSION, MemoryKey
from autoresearch_dagster.core.limits import REPORT_REFRESH_S
from autoresearch_dagster.core.settings import load_settings


def report(
    memory_key: MemoryKey = "",
    *,
    open: Annotated[bool, Parameter(help="Show it in the browser.")] = False,
    output: Path | None = None,
    watch: bool = False,
) -> int:
    """Write the report of a session: one HTML file that needs no network. Prints where it is.

    Research writes it too, after every dispatch and about once a minute in between. While the session goes on, an
    open page looks for news by itself.

    Args:
        memory_key: The session.
        open: Show it in the browser.
        output: Another file than `reports/SESSION.html` in the home; it is replaced.
        watch: Write it again when something happened, until the session is at its end or paused.

    Example:
        autoresearch report --open
        autoresearch report my-research --output report.html
    """
    from autoresearch_dagster.experiments.overview import find
    from autoresearch_dagster.experiments.report import write_report
    from autoresearch_dagster.store.store import open_store

    settings = load_settings()
    store = open_store(settings)
    found = find(store, memory_key)
    if found is None:
        tell(NO_SESSION)
        return DONE
    told = store.journal.state(found.session)
    path = write_report(settings, store, found.session, output)
    tell(str(path))
    if open and not webbrowser.open(path.resolve().as_uri()):
        say("There is no browser to open it with; open the file yourself.")
    with how_to_go_on("The report stays as it was last written."):
        while watch and told.status == "active":
            time.sleep(REPORT_REFRESH_S)
            now = store.journal.state(found.session)
            if now.sequence != told.sequence:
                write_report(settings, store, found.session, output)
            told = now
    return DONE
