"""Bring MLflow up to date with the journal; research never waits for it, and never fails with it."""

from autoresearch_dagster.core.errors import AutoresearchError
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments.laboratory import BASELINE_FILE
from autoresearch_dagster.store.store import Store


def project(settings: Settings, store: Store, session: str) -> str:
    """Project a session into MLflow; return '' or one sentence that says what is behind.

    The projection is computed from the journal, so whatever fails here is made up for by the next call.
    """
    from autoresearch_dagster.tracking.mlflow_projection import Projector  # imports MLflow: 2 s

    try:
        Projector(settings, store, BASELINE_FILE.read_text(encoding="utf-8")).project(session)
    except AutoresearchError as fault:
        return f"MLflow is behind the journal: {fault}"
    except Exception as fault:  # noqa: BLE001 (whatever a tracking server does, research goes on)
        return f"MLflow is behind the journal ({type(fault).__name__}: {fault}); it catches up by itself."
    return ""
