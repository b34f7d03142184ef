"""Sessions with all that research leaves on disk, made without training: code, receipts, curves, checkpoints."""

import io
import zipfile
from pathlib import Path
from typing import Any

from autoresearch_dagster.agent.loop import advance
from autoresearch_dagster.agent.scripted import ScriptedResearcher
from autoresearch_dagster.core.experiment import PlannedExperiment, canonical_json
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.blobs import Blobs
from tests.agent_bench import bench, result_for


def checkpoint_of(name: str) -> bytes:
    """Bytes that begin as torch's checkpoints do."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo("checkpoint/data.pkl"), name * 100)
    return file.getvalue()


def scored(planned: PlannedExperiment, blobs: Blobs) -> Any:
    """A result as the evaluator leaves it: receipt, nats, curve and checkpoint among the blobs."""
    result, name = result_for(planned), planned.key
    checkpoint = blobs.put(checkpoint_of(planned.title))
    receipt = {
        "key": planned.key,
        "train_py": planned.train_py,
        "val_bpb": result.val_bpb,
        "checkpoint": checkpoint,
        "a_later_field": blobs.put(f"evidence of {name}".encode()),
        "nats_per_target": blobs.put(f"nats of {name}".encode()),
    }
    return result.model_copy(
        update={
            "receipt": blobs.put(canonical_json(receipt)),
            "curve": blobs.put(canonical_json([{"step": 1, "loss": 2.0, "key": name}])),
            "checkpoint": checkpoint,
        }
    )


def finish_one(desk: Any) -> bool:
    """Decide one planned experiment; False: there is none."""
    with desk.transaction() as tx:
        if not tx.state.unfinished:
            return False
        planned = tx.state.unfinished[0].planned
        tx.append(ev.AttemptStarted(key=planned.key, attempt=1, owner="elsewhere:1:1"))
        tx.append(ev.ExperimentFinished(key=planned.key, result=scored(planned, desk.blobs)))
    return True


def go_on(desk: Any) -> None:
    """Do research to its end."""
    while advance(desk, ScriptedResearcher()) == "waiting":
        while finish_one(desk):
            pass


def research(home: Path, *, dispatches: int | None = None, **config: Any) -> Any:
    """A scripted session, at its end or asleep after so many dispatches with one result of the next."""
    desk = bench(home, **config)
    for _ in range(dispatches or 0):
        assert advance(desk, ScriptedResearcher()) == "waiting"
        while finish_one(desk):
            pass
    if dispatches is None:
        go_on(desk)
    else:
        assert advance(desk, ScriptedResearcher()) == "waiting"
        assert finish_one(desk)
    return desk
