"""Bring MLflow up to date with the journal; research never waits for it, and never fails with it."""

from autoresearch_dagster.core.errors import AutoresearchError
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments.laboratory import BASELINE_FILE
from autoresearch_dagster.store.projections import Projections
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.store.store import Store


def project(settings: Settings, store: Store, session: str) -> str:
    """Project a session into MLflow; return '' or one sentence that says what is behind.

    The projection is computed from the journal, so whatever fails here is made up for by the next call.
    """
    from autoresearch_dagster.tracking.mlflow_projection import Projector  # imports MLflow: 2 s

    seen = store.journal.state(session).sequence
    try:
        Projector(settings, store, BASELINE_FILE.read_text(encoding="utf-8")).project(session)
    except AutoresearchError as fault:
        return f"MLflow is behind the journal: {fault}"
    except Exception as fault:  # noqa: BLE001 (whatever a tracking server does, research goes on)
        said = str(fault).partition("\n")[0]
        return f"MLflow is behind the journal ({type(fault).__name__}: {said}); it catches up by itself."
    Projections(store.engine).put(_progress(session), "", str(seen))
    return ""


def is_behind(settings: Settings, store: Store, state: SessionState) -> bool:
    """Whether the journal holds events of a session that were not projected; looks without MLflow."""
    known = Projections(store.engine).get(_progress(state.id))
    if known is None or not (settings.mlruns / "mlflow.db").exists():
        return True
    return int(known[1]) < state.sequence


def _progress(session: str) -> str:
    """Name the row that says how far a session is projected: the number of its last event."""
    return f"journal of {session}"
