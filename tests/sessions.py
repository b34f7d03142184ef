"""Finished sessions without a training: the scripted researcher over made-up scores."""

from pathlib import Path
from typing import Any

from autoresearch_dagster.agent.loop import advance
from autoresearch_dagster.agent.scripted import ScriptedResearcher
from tests.agent_bench import bench, train_one


def finished_session(home: Path, **config: Any) -> Any:
    """Run a session in a home; its workbench."""
    desk = bench(home, "demo", **config)
    while advance(desk, ScriptedResearcher()) == "waiting":
        while train_one(desk):
            pass
    return desk
