"""Bring MLflow up to date with the journal; research never waits for it, and never fails with it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from autoresearch_dagster.core.errors import AutoresearchError
from autoresearch_dagster.core.experiment import Data, ExperimentKey
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments.champion_weights import ChampionWeights, champion_weights
from autoresearch_dagster.experiments.laboratory import BASELINE_FILE
from autoresearch_dagster.experiments.report import report_file, write_report
from autoresearch_dagster.store.projections import Projections
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.store.store import Store

if TYPE_CHECKING:
    from autoresearch_dagster.tracking.registry import Weights


class Projected(Data):
    """What became of one session: runs written and marked as deleted, or the sentence that says why not.

    `note` says what a person may want to know although MLflow is up to date: a champion without its weights.
    """

    session: str
    memory_key: str
    written: int = 0
    deleted: int = 0
    problem: str = ""
    note: str = ""


def project(settings: Settings, store: Store, session: str) -> str:
    """Project a session into MLflow; return '' or one sentence that says what is behind.

    The projection is computed from the journal, so whatever fails here is made up for by the next call.
    """
    return next(project_sessions(settings, store, [session])).problem


def project_sessions(
    settings: Settings,
    store: Store,
    sessions: list[str],
    *,
    rebuild: bool = False,
    thorough: bool = False,
) -> Iterator[Projected]:
    """Project sessions one after the other; one that fails does not keep the next from being projected.

    Args:
        settings: of this machine.
        store: the journal and its blobs.
        sessions: their ids.
        rebuild: mark the runs that show them as deleted and make new ones.
        thorough: look at every run in MLflow, so that one that somebody deleted there comes back.
    """
    from autoresearch_dagster.tracking.mlflow_projection import Projector  # imports MLflow: 2 s
    from autoresearch_dagster.tracking.usable import require_usable

    projector: Projector | None = None
    for session in sessions:
        deleted = written = 0
        memory_key = problem = note = ""
        try:
            state = store.journal.state(session)
            memory_key = state.config.memory_key
            require_usable(settings.mlruns.resolve() / "mlflow.db")
            projector = projector or Projector(settings, store, BASELINE_FILE.read_text(encoding="utf-8"))
            deleted = projector.forget(session) if rebuild else 0
            weights = champion_weights(settings, store, state)
            note = _note(weights)
            written = projector.project(
                session,
                thorough=thorough or rebuild,
                report=lambda state=state: _report(settings, store, state),
                weights=_as_shown(store, weights),
            )
            Projections(store.engine).put(_progress(session), "", str(state.sequence))
        except AutoresearchError as fault:
            problem = f"MLflow is behind the journal: {fault}"
        except Exception as fault:  # noqa: BLE001 (whatever a tracking server does, research goes on)
            said = " ".join(str(fault).split())
            problem = f"MLflow is behind the journal ({type(fault).__name__}: {said}); it catches up by itself."
        yield Projected(
            session=session,
            memory_key=memory_key,
            written=written,
            deleted=deleted,
            problem=problem,
            note=note,
        )


def _report(settings: Settings, store: Store, state: SessionState) -> Path:
    """Return the report as it was last written: who settles a dispatch writes it first."""
    path = report_file(settings, state.id)
    return path if path.exists() else write_report(settings, store, state.id)


def _as_shown(store: Store, weights: list[ChampionWeights]) -> "dict[ExperimentKey, Weights]":
    from autoresearch_dagster.tracking.registry import Weights

    return {
        one.key: Weights(store.blobs.path(one.digest), one.digest) if one.digest else Weights(why_not=one.why_not)
        for one in weights
    }


def _note(weights: list[ChampionWeights]) -> str:
    """Say which champion has no weights yet, and why; the next projection tries again."""
    waiting = next((one for one in weights if not one.settled), None)
    return f"MLflow shows {waiting.key} without its weights: {waiting.why_not}." if waiting else ""


def is_behind(settings: Settings, store: Store, state: SessionState) -> bool:
    """Whether the journal holds events of a session that were not projected; looks without MLflow."""
    known = Projections(store.engine).get(_progress(state.id))
    if known is None or not (settings.mlruns / "mlflow.db").exists():
        return True
    return int(known[1]) < state.sequence


def _progress(session: str) -> str:
    """Name the row that says how far a session is projected: the number of its last event."""
    return f"journal of {session}"
