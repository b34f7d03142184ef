"""Write the report of a session: one HTML file in the home's `reports`, or where a person wants it.

It is a projection: it may be deleted, and research goes on where it cannot be written.
"""

import logging
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.core.folders import write_whole
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments.history import History, history_of
from autoresearch_dagster.reports.page.build import report_html
from autoresearch_dagster.reports.page.view import ReportView
from autoresearch_dagster.store.journal import utc_now
from autoresearch_dagster.store.store import Store

logger = logging.getLogger(__name__)


def report_file(settings: Settings, session_id: str) -> Path:
    """Say where the report of a session is kept."""
    return settings.home.resolve() / "reports" / f"{session_id}.html"


def write_report(
    settings: Settings,
    store: Store,
    session_id: str,
    output: Path | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> Path:
    """Write the report as the session stands now; a reader finds the whole file, or the one before.

    Args:
        settings: of this machine.
        store: where the session is.
        session_id: as `s01`.
        output: another file than the usual one, as others may read what this person writes.
        clock: the wall clock.

    Raises:
        UserError: what stands at `output` is no plain file.
    """
    path = report_file(settings, session_id) if output is None else _plain_file(output)
    while True:
        found = history_of(store, session_id)
        write_whole(path, report_html(view_of(found, clock())).encode())
        if output is not None:
            path.chmod(_usual_mode())
        if store.journal.state(session_id).status == found.state.status:
            return path  # else this may have replaced the page that another process wrote of its end


def _plain_file(output: Path) -> Path:
    """Follow links to the file that would be replaced; a folder or a device never is."""
    path = output.resolve()
    if path.exists() and not path.is_file():
        raise UserError(f"{output} is no plain file; choose another with --output.")
    return path


def _usual_mode() -> int:
    mask = os.umask(0)  # there is no other way to ask for it
    os.umask(mask)
    return 0o666 & ~mask


def view_of(found: History, now: datetime) -> ReportView:
    """Return what the page is made from."""
    return ReportView(found.state, found.events, found.code, found.baseline, now)


def keep_report(settings: Settings, store: Store, session_id: str, *, stale_s: float = 0.0) -> str:
    """Write the report while research goes on; return why it could not be written, or ''.

    Args:
        settings: of this machine.
        store: where the session is.
        session_id: as `s01`.
        stale_s: leave a report alone that is younger than this, in seconds.
    """
    path = report_file(settings, session_id)
    if stale_s and path.exists() and utc_now().timestamp() - path.stat().st_mtime < stale_s:
        return ""
    try:
        write_report(settings, store, session_id)
    except Exception as fault:
        logger.warning("report of %s not written", session_id, exc_info=True)
        return f"The report {path} could not be written: {fault}"
    return ""


def freshen_report(settings: Settings, store: Store, session_id: str) -> str:
    """Write the report in the middle of a dispatch, now and then; return why it could not be written, or ''."""
    return keep_report(settings, store, session_id, stale_s=limits.REPORT_STALE_S)
