"""What the launchpad and `dagster job launch --config-json` ask for, flat, with defaults."""

from typing import Any

import dagster as dg
from pydantic import Field, ValidationError

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.core.presets import PRESETS, preset
from autoresearch_dagster.store.events import SessionConfig, SessionEnd

SOURCES = "`sample` (needs no network), `climbmix`, `climbmix@REVISION`, or the path of a folder of parquet shards"
FIXED = "Fixed for the life of a session: a resumed one refuses another."
ANEW = "Resumed with another value, the session goes on with it."
HALTS: dict[str, tuple[SessionEnd, bool]] = {
    "pause": ("pause", False),
    "stop": ("stop", False),
    "pause-now": ("pause", True),
    "stop-now": ("stop", True),
}
"""What `halt` may ask for: how the session ends, and whether its running experiments are killed."""
# Bounds stand in words here and as constraints in SessionConfig: Dagster would hide pydantic's message.


class ResearchConfig(dg.Config):
    """One dispatch of a research session; starts the session of `memory_key`, or goes on with it."""

    n_experiments: int = Field(
        limits.DEFAULT_N_EXPERIMENTS,
        description=f"Experiments of this launch, 1 to {limits.MAX_EXPERIMENTS}. A finished session is granted as "
        "many more; a paused or interrupted one keeps what it has left.",
    )
    batch_size: int = Field(
        limits.DEFAULT_BATCH_SIZE,
        description=f"Experiments that the researcher plans at a time, 1 or more. {ANEW}",
    )
    num_shards: int = Field(
        limits.DEFAULT_NUM_SHARDS,
        description=f"Training shards of the bundle, 1 or more; `sample` has {limits.MAX_SAMPLE_SHARDS}. {FIXED}",
    )
    source: str = Field("sample", description=f"Corpus: {SOURCES}. {FIXED}")
    memory_key: str = Field(
        "parallelized-autoresearch",
        description="Name of the research. A new one starts a session, a known one goes on with its session.",
    )
    max_turns: int = Field(
        limits.DEFAULT_MAX_TURNS,
        description=f"Replies of the researcher in this launch at most, 1 or more. {ANEW}",
    )
    time_budget_sec: int = Field(
        limits.DEFAULT_TIME_BUDGET_S,
        description="Resource time of one training in seconds, 1 or more: CPU seconds in `demo` and `workshop`, "
        f"wall seconds in `gpu`. More than the preset's is lowered to the preset's, and the log says so. {ANEW}",
    )
    concurrency: int = Field(
        limits.DEFAULT_CONCURRENCY,
        description=f"Experiments at a time, 1 or more; never more than there are slots. {ANEW}",
    )
    researcher: str = Field(
        "scripted", description=f"Who plans: `claude`, or `scripted`, which needs no key. {ANEW}"
    )
    model: str = Field(limits.DEFAULT_MODEL, description=f"Language model of the researcher `claude`. {ANEW}")
    max_usd: float | None = Field(
        None,
        description="Ceiling for the model calls of this launch in US dollars, above 0; none without a value. "
        f"Reserved before each call, so that it is never passed. {ANEW}",
    )
    max_gpu_hours: float | None = Field(
        None,
        description="Ceiling for the GPU time of this launch in hours, above 0; none without a value. Reserved "
        f"before each attempt. {ANEW}",
    )
    resource_sizing: str = Field(
        "measured",
        description="Memory of an experiment's first try: `measured` (what the last of like shape needed), `model` "
        f"(what the language model estimates) or `floor`. {ANEW}",
    )
    preset: str = Field("workshop", description=f"Size of everything: {', '.join(PRESETS)}. {FIXED}")
    scale_transfer: bool = Field(
        False,
        description="Whether each new champion and the one before are also compared at twice the width, or depth. "
        f"It takes nobody's crown and costs a few longer trainings. {ANEW}",
    )
    early_stop: bool | None = Field(
        None,
        description="Whether a training whose reported loss is far behind champion and baseline is stopped early; "
        f"without a value only the preset `gpu` does so. {ANEW}",
    )
    steer: str = Field(
        "",
        description="A note to the session of `memory_key`: its agent reads it in its next turn. The run leaves "
        "it and ends.",
    )
    halt: str = Field(
        "",
        description="`pause` or `stop` the session of `memory_key` at its next step, `pause-now` or `stop-now` "
        "its running experiments too. The run asks for it and ends.",
    )
    session: str = Field(
        "",
        description="Leave it empty. The sensor `next_batch` sets it: the session goes on as it was started, and "
        "all other fields count for nothing.",
    )
    quiet: bool = Field(
        False, description="Leave it false. The command line sets it: no log lines on the terminal."
    )

    def session_config(self) -> SessionConfig:
        """Return it as the journal records it.

        Raises:
            UserError: a value is out of range, or there is no such preset.
        """
        try:
            wanted = SessionConfig(**self.model_dump(exclude={"session", "quiet", "steer", "halt"}))
        except ValidationError as fault:
            first = fault.errors()[0]
            name, rule = ".".join(map(str, first["loc"])), first["msg"][:1].lower() + first["msg"][1:]
            raise UserError(f"{name}={first['input']!r} cannot be used: {rule}.") from None
        preset(wanted.preset)
        if self.halt and self.halt not in HALTS:
            raise UserError(f"halt={self.halt!r} cannot be used: it should be one of {', '.join(HALTS)}.")
        return wanted


class BundleConfig(dg.Config):
    """Which bundle to build."""

    source: str = Field("sample", description=f"Corpus: {SOURCES}.")
    num_shards: int = Field(
        limits.DEFAULT_NUM_SHARDS,
        description=f"Training shards, 1 or more; `sample` has {limits.MAX_SAMPLE_SHARDS} at most.",
    )
    sequence_length: int = Field(
        limits.DEFAULT_SEQUENCE_LENGTH,
        description="Targets in a row (T), 2 or more. A preset finds only the bundle of its own T: "
        f"{', '.join(f'{one.name} {one.sequence_length}' for one in PRESETS.values())}.",
    )

    def checked(self) -> None:
        """Refuse what cannot be built whatever the source.

        Raises:
            UserError: a value is out of range.
        """
        for name, value, least in (
            ("num_shards", self.num_shards, 1),
            ("sequence_length", self.sequence_length, 2),
        ):
            if value < least:
                raise UserError(f"{name}={value} cannot be used: it should be {least} or more.")


BUNDLE_STEPS = (
    "climbmix_shards",
    "tokenizer",
    "tokenizer_round_trip",
    "packed_rows",
    "packed_rows_digests",
    "packed_rows_no_shared_document",
    "packed_rows_no_duplicates",
    "dataset_profile",
)
"""The ops of the job `bundle`: its assets and their checks."""


@dg.config_mapping
def flat_research_config(config: ResearchConfig) -> dict[str, Any]:
    """Let a person write `{"n_experiments": 6}` instead of Dagster's nesting; refuse what cannot be used."""
    try:
        config.session_config()
    except UserError as fault:
        # Of all exceptions here Dagster passes on only its own with their text.
        raise dg.DagsterInvariantViolationError(str(fault)) from None
    level = "CRITICAL" if config.quiet else "INFO"
    return {
        "ops": {"advance_session": {"config": config.model_dump(exclude_none=True)}},
        "loggers": {"console": {"config": {"log_level": level}}},
    }


@dg.config_mapping
def flat_bundle_config(config: BundleConfig) -> dict[str, Any]:
    """Let a person write `{"source": "climbmix"}` once, for every asset and check of the bundle."""
    try:
        config.checked()
    except UserError as fault:
        raise dg.DagsterInvariantViolationError(str(fault)) from None
    return {"ops": {step: {"config": config.model_dump()} for step in BUNDLE_STEPS}}
