"""What a driver knows of an attempt while it is under way, kept in its workspace so that the next one can go on."""

import os
import time
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from autoresearch_dagster.core.experiment import Data, ExperimentKey, OutOfMemory
from autoresearch_dagster.core.folders import find_folders, write_whole
from autoresearch_dagster.core.limits import TAKE_UP_S
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments.healing import Provision
from autoresearch_dagster.experiments.laboratory import Laboratory, scratch_prefix
from autoresearch_dagster.training.job import Ready, TrainingReport

FILE = "attempt.json"
"""Beside the folders that a container sees, so that no candidate can write it."""


class AttemptRecord(Data):
    """One try of an attempt; the tries before it ran out of memory.

    `ready` stands once the budget's clock runs, `report` once the training ended and its checkpoint is frozen.
    """

    attempt: int
    gpu: str
    provision: Provision
    out_of_memory: tuple[OutOfMemory, ...] = ()
    ready: Ready | None = None
    report: TrainingReport | None = None

    def write(self, workspace: Path) -> "AttemptRecord":
        """Keep it in a workspace, whole."""
        write_whole(workspace / FILE, self.model_dump_json().encode())
        return self


def keys_under_way(settings: Settings) -> set[str]:
    """Return the experiments of which a driver left lately what the next one can go on with."""
    prefix, found = scratch_prefix(settings), set[str]()
    for workspace in find_folders(prefix):
        with suppress(FileNotFoundError):
            if time.time() - (workspace / FILE).stat().st_mtime < TAKE_UP_S:
                found.add(workspace.name.removeprefix(prefix).rpartition("-")[0])
    return found


def find_attempt(lab: Laboratory, key: ExperimentKey, attempt: int) -> tuple[Path, AttemptRecord] | None:
    """Return the workspace of an attempt that a driver left under way; None: it left none that can be used."""
    for workspace in find_folders(lab.scratch_prefix(key)):
        try:
            if workspace.stat().st_uid != os.geteuid():  # somebody else's: believed in nothing
                continue
            record = AttemptRecord.model_validate_json((workspace / FILE).read_bytes())
        except (OSError, ValidationError):  # a model server's folder, or one that was just being made
            continue
        if record.attempt == attempt:
            return workspace, record
    return None
