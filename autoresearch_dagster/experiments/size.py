"""Sizes of a dispatch's experiments, where the session asks the model for them."""

from autoresearch_dagster.agent.model.sizing import estimate
from autoresearch_dagster.agent.tools.dispatcher import Workbench
from autoresearch_dagster.core.experiment import Purpose
from autoresearch_dagster.experiments.healing import memory_ceiling
from autoresearch_dagster.experiments.laboratory import Laboratory
from autoresearch_dagster.experiments.researchers import model_of


def size_experiments(bench: Workbench, lab: Laboratory) -> None:
    """Ask the model what planned candidates need, once for each, if `resource_sizing` is `model`."""
    state = bench.journal.state(bench.session)
    if state.config.resource_sizing != "model" or state.status != "active":
        return
    unsized = [
        one.planned
        for one in state.unfinished
        if one.planned.purpose is Purpose.CANDIDATE and not one.sized_bytes and not one.attempts
    ]
    if not unsized:
        return
    model, prices = model_of(state.config.model, lab.settings)
    floor_bytes = lab.preset.memory_bytes
    news = estimate(bench, model, prices, unsized, floor_bytes, memory_ceiling(floor_bytes, bench.slots))
    with bench.transaction() as transaction:
        for event in news:
            transaction.append(event)
