"""This machine: `dev` starts what shows the research, `doctor` says what is missing."""

from autoresearch_dagster.commands.console import DONE, FAILED, Json, out, print_json
from autoresearch_dagster.core.settings import load_settings


def dev(*, host: str = "127.0.0.1", dagster_port: int = 3000, mlflow_port: int = 5000) -> int:
    """Start Dagster and MLflow together and print both addresses."""
    from autoresearch_dagster.core.dagster_home import use_dagster_home
    from autoresearch_dagster.experiments.serve import serve

    settings = load_settings()
    use_dagster_home(settings)
    serve(settings, host, dagster_port, mlflow_port, out.print)
    return DONE


def doctor(*, json: Json = False) -> int:
    """Look at Docker, GPU, key, disk, cores and versions, and say what to do about what is missing."""
    from autoresearch_dagster.experiments.doctor import examine

    findings = examine(load_settings())
    if json:
        print_json(findings)
    else:
        for finding in findings:
            mark = "ok " if finding.ok else ("!! " if finding.needed else "-- ")
            advice = "" if finding.ok else f"  {finding.advice}"
            out.print(f"{mark} {finding.what:15} {finding.found}{advice}", markup=False, soft_wrap=True)
    return FAILED if any(finding.needed and not finding.ok for finding in findings) else DONE
