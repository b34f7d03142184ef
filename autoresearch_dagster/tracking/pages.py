"""Where in MLflow's pages a person finds the runs.  Does not import MLflow, which takes seconds."""

import sqlite3
from contextlib import closing
from pathlib import Path

from autoresearch_dagster.core.limits import MLFLOW_PATIENCE_S

KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Says that an experiment holds trainings, and marks it as ours.  MLflow 3.17 does not choose its menu by it.

Its pages take `workflowType` from the address, else what the person chose last in this browser, else `genai`; no
tag and no setting of the server changes that, so the address that we give has it.  The menu of `genai` has an entry
for runs only where one of them has a logged model as output.

Source: the functions around `mlflow.workflowType` in mlflow/server/js/build/static/js/main.*.js of MLflow 3.17.2.
"""
RUNS = "runs?workflowType=machine_learning"
"""The table of runs, in the menu that has an entry for it."""
ON_FROM_THE_LIST = "choose the experiment, switch to Model training, then Runs"
_OURS = """
SELECT e.experiment_id FROM experiments e JOIN experiment_tags t USING (experiment_id)
WHERE e.lifecycle_stage = 'active' AND t.key = ? AND t.value = ?
"""


def way_to_the_runs(database: Path, server: str) -> str:
    """Name the page that shows the runs: of the only research, or the list's and how to go on from there.

    Args:
        database: MLflow's, which may not exist yet.
        server: the address of MLflow's server.
    """
    match _ours(database):
        case [one]:
            return f"{server}/#/experiments/{one}/{RUNS}"
        case _:
            return f"{server}/#/experiments ({ON_FROM_THE_LIST})"


def _ours(database: Path) -> list[int]:
    """Find the experiments that show research; none where the database cannot be read now."""
    if not database.exists():
        return []
    [tag] = KIND.items()
    try:
        with closing(
            sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=MLFLOW_PATIENCE_S)
        ) as opened:
            return [one for (one,) in opened.execute(_OURS, tag)]
    except sqlite3.Error:
        return []
