"""The desk as a Dagster resource: one for each run, released when the run ends, however it ends."""

from collections.abc import Iterator

import dagster as dg

from autoresearch_dagster.core.settings import load_settings
from autoresearch_dagster.experiments.desk import Desk

TERMINATED = "Its run was terminated in Dagster; resume the session to go on."
ENDING = (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED)


@dg.resource(description="Holds the session's lease and its running experiments for the length of a run.")
def desk_resource(context: dg.InitResourceContext) -> Iterator[Desk]:
    """Open a desk and release it after the run; where a person terminated that, its experiments are stopped."""

    def terminated() -> str:
        run = context.instance.get_run_by_id(context.run_id) if context.instance and context.run_id else None
        return TERMINATED if run is not None and run.status in ENDING else ""

    with Desk(load_settings(), terminated=terminated) as desk:
        yield desk
