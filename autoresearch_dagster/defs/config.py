"""What the launchpad and `dagster job launch --config-json` ask for, flat, with defaults."""

from typing import Any

import dagster as dg
from pydantic import Field

from autoresearch_dagster.core import limits
from autoresearch_dagster.store.events import SessionConfig


class ResearchConfig(dg.Config):
    """One dispatch of a research session; starts the session of `memory_key` where there is none."""

    n_experiments: int = Field(limits.DEFAULT_N_EXPERIMENTS, ge=1, description="Experiments of this launch.")
    batch_size: int = Field(limits.DEFAULT_BATCH_SIZE, ge=1, description="Experiments of one batch.")
    num_shards: int = Field(limits.DEFAULT_NUM_SHARDS, ge=1, description="Training shards of the bundle.")
    source: str = Field("sample", description="Corpus: `sample`, `climbmix`, `climbmix@REVISION` or a folder.")
    memory_key: str = Field("parallelized-autoresearch", description="Name of the research; resumes it.")
    max_turns: int = Field(limits.DEFAULT_MAX_TURNS, ge=1, description="Replies of the researcher at most.")
    time_budget_sec: int = Field(
        limits.DEFAULT_TIME_BUDGET_S, ge=1, description="Resource time of one training, in seconds."
    )
    concurrency: int = Field(limits.DEFAULT_CONCURRENCY, ge=1, description="Experiments at a time, at most.")
    researcher: str = Field("scripted", description="Who plans: `scripted` needs no key.")
    model: str = Field("claude-sonnet-4-6", description="Model of a researcher that has one.")
    max_usd: float | None = Field(None, description="Ceiling for model calls, in US dollars.")
    max_gpu_hours: float | None = Field(None, description="Ceiling for GPU time, in hours.")
    preset: str = Field("workshop", description="`demo`, `workshop` or `gpu`.")
    session: str = Field("", description="Set by the sensor: go on with this session as it was started.")
    quiet: bool = Field(False, description="Set by the command line: no log lines on the terminal.")

    def session_config(self) -> SessionConfig:
        """Return it as the journal records it."""
        return SessionConfig(**self.model_dump(exclude={"session", "quiet"}))


class BundleConfig(dg.Config):
    """Which bundle to build."""

    source: str = Field("sample", description="Corpus: `sample`, `climbmix`, `climbmix@REVISION` or a folder.")
    num_shards: int = Field(limits.DEFAULT_NUM_SHARDS, ge=1, description="Training shards.")
    sequence_length: int = Field(512, ge=8, description="Targets in a row (T).")


@dg.config_mapping
def flat_research_config(config: ResearchConfig) -> dict[str, Any]:
    """Let a person write `{"n_experiments": 6}` instead of Dagster's nesting."""
    level = "CRITICAL" if config.quiet else "INFO"
    return {
        "ops": {"advance_session": {"config": config.model_dump(exclude_none=True)}},
        "loggers": {"console": {"config": {"log_level": level}}},
    }
