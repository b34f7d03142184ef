"""Do research: `demo` and `run`."""

from typing import Any

from autoresearch_dagster.commands.console import DONE, FAILED, out
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.presets import preset as preset_of
from autoresearch_dagster.core.settings import load_settings


def demo(*, memory_key: str = "demo") -> int:
    """Run one small research session: 6 experiments in 2 batches, no key, no GPU, a few minutes."""
    return _research(
        memory_key=memory_key,
        n_experiments=limits.DEFAULT_N_EXPERIMENTS,
        batch_size=limits.DEFAULT_BATCH_SIZE,
        preset="demo",
        time_budget_sec=preset_of("demo").config.time_budget_sec,
    )


def run(
    *,
    n_experiments: int = limits.DEFAULT_N_EXPERIMENTS,
    batch_size: int = limits.DEFAULT_BATCH_SIZE,
    num_shards: int = limits.DEFAULT_NUM_SHARDS,
    source: str = "sample",
    memory_key: str = "parallelized-autoresearch",
    max_turns: int = limits.DEFAULT_MAX_TURNS,
    time_budget_sec: int | None = None,
    concurrency: int = limits.DEFAULT_CONCURRENCY,
    researcher: str = "scripted",
    preset: str = "workshop",
) -> int:
    """Do research until the experiments are used up; the same memory key goes on where it stopped.

    Parameters
    ----------
    n_experiments: Experiments of this launch.
    batch_size: Experiments planned at a time.
    num_shards: Training shards of the bundle.
    source: The corpus: `sample`, `climbmix`, `climbmix@REVISION` or a folder of parquet shards.
    memory_key: Name of the research; a known one is resumed.
    max_turns: Replies of the researcher at most.
    time_budget_sec: Resource time of one training, in seconds; the preset's, if none is given.
    concurrency: Experiments at a time, at most one for each core.
    researcher: Who plans; `scripted` needs no key.
    preset: `demo`, `workshop` or `gpu`.
    """
    wanted = dict(locals())
    wanted["time_budget_sec"] = time_budget_sec or preset_of(preset).config.time_budget_sec
    return _research(**wanted)


def _research(**wanted: Any) -> int:
    from autoresearch_dagster.defs.watch import research_in_terminal
    from autoresearch_dagster.store.events import SessionConfig

    return DONE if research_in_terminal(SessionConfig(**wanted), load_settings(), out) else FAILED
