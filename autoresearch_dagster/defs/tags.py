"""Tags of runs, and resources as the launchers of other platforms read them: pure functions.

The Kubernetes run launcher reads the tag of a job, the Kubernetes executor the tag of an op.  The Docker run
launcher reads no tags, only the `container_context` of the code location: `docker_context` writes that.
"""

import json
from typing import Any

from autoresearch_dagster.core.limits import MEMORY_KEY_CHARS, MIB
from autoresearch_dagster.core.resources import Resources
from autoresearch_dagster.reports.text import one_line

MEMORY_KEY_TAG = "autoresearch/memory_key"
"""On a run: the name of its research, by which a person looks for it."""
K8S_TAG = "dagster-k8s/config"
OWNER = "team:autoresearch"
"""Who is named on every asset; a platform puts its own team here."""
NANO = 1_000_000_000


def memory_key_tag(memory_key: str) -> dict[str, str]:
    """Name the research on a run: one line without control characters, whatever the key holds."""
    return {MEMORY_KEY_TAG: one_line(memory_key, MEMORY_KEY_CHARS)}


def resource_tags(resources: Resources) -> dict[str, str]:
    """Return the tags of an op, asset or job that works in this environment.

    Memory is requested as it is limited, so that a node never promises what it has not; processors are shared.
    """
    memory = f"{resources.memory_bytes // MIB}Mi"
    wanted = {
        "requests": {"cpu": str(resources.cpu), "memory": memory},
        "limits": {"cpu": str(resources.cpu), "memory": memory},
    }
    return {
        "autoresearch/resources": str(resources),
        K8S_TAG: json.dumps({"container_config": {"resources": wanted}}, sort_keys=True),
    }


def docker_context(resources: Resources) -> dict[str, Any]:
    """Return the `container_context` of a code location whose runs the Docker run launcher starts."""
    return {
        "docker": {
            "container_kwargs": {
                "nano_cpus": resources.cpu * NANO,
                "mem_limit": resources.memory_bytes,
                "memswap_limit": resources.memory_bytes,
            }
        }
    }
