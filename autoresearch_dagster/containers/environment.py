"""The environment of a job, the same for every runner: an allow-list, nothing inherited."""

import os
from collections.abc import Iterable, Mapping

from autoresearch_dagster.containers.protocol import Mount
from autoresearch_dagster.core.slot import Slot

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
"""One for each core of the slot: more threads than cores made two neighbours 20 % slower and their scores worse."""


def job_environment(mounts: Iterable[tuple[Mount, str]], home: str, slot: Slot) -> Mapping[str, str]:
    """Return the variables of a job; `mounts` pairs each mount with its path inside."""
    return {
        "HOME": home,
        "TMPDIR": home,
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        **dict.fromkeys(THREADS, str(len(slot.cores))),
        **{f"AUTORESEARCH_{mount.name}": inside for mount, inside in mounts},
    }


def process_environment(mounts: Iterable[tuple[Mount, str]], home: str, slot: Slot) -> Mapping[str, str]:
    """Return the variables of a job that is a process of this machine: it finds programs, and its own GPU alone."""
    visible = {"CUDA_VISIBLE_DEVICES": slot.gpu}  # '' hides every GPU from a CPU job
    return {"PATH": os.defpath, **visible, **job_environment(mounts, home, slot)}
