"""The files of a run: code, its difference from the parent's, what to look at in it, receipt, log."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from mlflow.tracking import MlflowClient

from autoresearch_dagster.evaluation.review import Finding
from autoresearch_dagster.reports.review import review_markdown
from autoresearch_dagster.store.blobs import Blobs
from autoresearch_dagster.store.state import Experiment, SessionState
from autoresearch_dagster.tracking import describe


def files_of(
    state: SessionState, item: Experiment, findings: tuple[Finding, ...], blobs: Blobs, baseline: str
) -> dict[str, bytes]:
    """Return what a person may want to open of an experiment, by name.

    Raises:
        StoreUnavailable: a blob is missing.
    """
    result = item.result
    found = {
        "train.py": blobs.get(item.planned.train_py),
        "train.py.diff": describe.diff_against_parent(state, item, blobs, baseline).encode(errors="replace"),
    }
    if findings:
        found["review.md"] = review_markdown(findings).encode(errors="replace")
    if result is not None and result.receipt is not None:
        found["receipt.json"] = blobs.get(result.receipt)
    if result is not None and result.log_tail:
        found["log_tail.txt"] = result.log_tail.encode(errors="replace")
    return found


def log_files(
    client: MlflowClient, run_id: str, files: Mapping[str, bytes | Path], folder: str | None = None
) -> None:
    """Log files in one call; those that are on the disk are linked or copied, not read."""
    with tempfile.TemporaryDirectory(prefix="ar-mlflow-") as name:
        for file, content in files.items():
            target = Path(name, file)
            if isinstance(content, Path):
                target.symlink_to(content.resolve())
            else:
                target.write_bytes(content)
        client.log_artifacts(run_id, name, folder)
