"""The desk as a Dagster resource: one for each run, released when the run ends, however it ends."""

from collections.abc import Iterator

import dagster as dg

from autoresearch_dagster.core.settings import load_settings
from autoresearch_dagster.experiments.desk import Desk


@dg.resource(description="Holds the session's lease and its running experiments for the length of a run.")
def desk_resource(_context: dg.InitResourceContext) -> Iterator[Desk]:
    """Open a desk and release it after the run."""
    with Desk(load_settings()) as desk:
        yield desk
