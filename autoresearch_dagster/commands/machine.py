"""This machine: `dev` starts what shows the research, `doctor` says what is missing, `project` renews MLflow."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.text import Text

from autoresearch_dagster.commands.console import DONE, FAILED, Json, how_to_go_on, out, print_json
from autoresearch_dagster.core.progress import counted
from autoresearch_dagster.core.settings import load_settings

if TYPE_CHECKING:
    from autoresearch_dagster.experiments.project import Projected


def dev(*, host: str = "127.0.0.1", dagster_port: int = 3000, mlflow_port: int = 5000) -> int:
    """Start Dagster and MLflow together and print both addresses.

    Args:
        host: Address to listen on; neither of the two asks for a password.
        dagster_port: Port of Dagster.
        mlflow_port: Port of MLflow.

    Example:
        autoresearch dev
    """
    from autoresearch_dagster.core.dagster_home import use_dagster_home
    from autoresearch_dagster.experiments.serve import serve

    settings = load_settings()
    use_dagster_home(settings)
    serve(settings, host, dagster_port, mlflow_port, lambda line: out.print(line, soft_wrap=True))
    return DONE


def doctor(*, retry_gpus: bool = False, json: Json = False) -> int:
    """Look at Docker, GPU, key, disk, cores and versions, try the seals of the runner, and say what to do.

    A seal is tried by a job that attempts to break it (docs/sandbox.md). Nothing is built for that.
    Exit code 1: something that is needed is missing, or a seal is open that the runner promises to keep.

    Args:
        retry_gpus: First put back the GPUs that were taken out after they failed; repair or reset them before.
        json: Print JSON for programs.

    Example:
        autoresearch doctor
    """
    from autoresearch_dagster.containers.taken_out import put_back
    from autoresearch_dagster.experiments.doctor import examine

    settings = load_settings()
    if retry_gpus:
        put_back(settings)
    findings = examine(settings)
    if json:
        print_json(findings)
    else:
        for finding in findings:
            mark = "ok " if finding.ok else ("!! " if finding.needed else "-- ")
            advice = "" if finding.ok else f"  {finding.advice}"
            out.print(f"{mark} {finding.what:18} {finding.found}{advice}", markup=False, soft_wrap=True)
    return FAILED if any(finding.needed and not finding.ok for finding in findings) else DONE


def project(
    memory_key: Annotated[
        str, Parameter(help="Memory key or id of a session; all sessions, if none is named.")
    ] = "",
    *,
    rebuild: bool = False,
    json: Json = False,
) -> int:
    """Bring MLflow to what the journal says; `mlruns/` may have been deleted before.

    Research does this after every dispatch, so it is for repairs. What is up to date is left alone.

    Args:
        memory_key: The session.
        rebuild: Mark the runs that are there as deleted and make new ones.
        json: Print JSON for programs.

    Example:
        autoresearch project
        autoresearch project my-research --rebuild
    """
    from autoresearch_dagster.experiments.overview import session_of
    from autoresearch_dagster.experiments.project import project_sessions
    from autoresearch_dagster.store.store import open_store

    settings = load_settings()
    store = open_store(settings)
    state = session_of(settings, memory_key) if memory_key else None
    sessions = [state.id] if state else store.journal.sessions()
    done: list[Projected] = []
    with how_to_go_on("The same command goes on; a run is never doubled."):
        for projected in project_sessions(settings, store, sessions, rebuild=rebuild, thorough=True):
            done.append(projected)
            if not json:
                out.print(Text(_sentence(projected)), soft_wrap=True)
    if json:
        print_json(done)
    elif not done:
        out.print("No session yet; there is nothing to project.")
    return FAILED if any(projected.problem for projected in done) else DONE


def _sentence(projected: "Projected") -> str:
    name = f"{projected.memory_key} ({projected.session})"
    if projected.problem:
        return f"{name}: {projected.problem}"
    deleted = f"{counted(projected.deleted, 'run')} marked as deleted, " if projected.deleted else ""
    written = f"{counted(projected.written, 'run')} written" if projected.written or deleted else "up to date"
    note = f" {projected.note}" if projected.note else ""
    return f"{name}: {deleted}{written}.{note}"
