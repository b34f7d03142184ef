"""Do research: `demo` and `run`."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from autoresearch_dagster.commands.console import DONE, FAILED, Json, NumShards, Preset, Source, out, print_json
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.core.presets import preset as preset_of
from autoresearch_dagster.core.progress import in_unit
from autoresearch_dagster.core.settings import load_settings

if TYPE_CHECKING:
    from autoresearch_dagster.experiments.estimate import Estimate


def demo(*, memory_key: str = "demo") -> int:
    """Run one small research session: 6 experiments in 2 batches, no key, no GPU, a few minutes.

    Args:
        memory_key: Name of the research.

    Example:
        autoresearch demo
    """
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
    num_shards: NumShards = limits.DEFAULT_NUM_SHARDS,
    source: Source = "sample",
    memory_key: str = "parallelized-autoresearch",
    max_turns: int = limits.DEFAULT_MAX_TURNS,
    time_budget_sec: int | None = None,
    concurrency: int = limits.DEFAULT_CONCURRENCY,
    researcher: Literal["scripted", "claude"] = "scripted",
    model: str = limits.DEFAULT_MODEL,
    max_usd: float | None = None,
    max_gpu_hours: float | None = None,
    resource_sizing: Literal["measured", "model", "floor"] = "measured",
    preset: Preset = "workshop",
    scale_transfer: bool = False,
    early_stop: Annotated[bool | None, Parameter(negative="--no-early-stop")] = None,
    dry_run: bool = False,
    json: Json = False,
) -> int:
    """Do research until the experiments are used up.

    The memory key names the research. A known one goes on: interrupted or paused, with what it has left;
    finished, with `n_experiments` more. Preset, source and shards then have to be the same, because all scores
    of a session are compared. Ctrl-C pauses, and nothing is lost.

    Exit codes: 0 there is a score of record; 1 there is none, or something failed; 2 wrong use; 130 interrupted.

    Args:
        n_experiments: Experiments of this launch.
        batch_size: Experiments planned at a time.
        num_shards: Training shards.
        source: The corpus.
        memory_key: Name of the research; a known one is resumed.
        max_turns: Replies of the researcher at most.
        time_budget_sec: Resource time of one training, in seconds; the preset's, if none is given.
        concurrency: Experiments at a time, at most one for each core.
        researcher: Who plans; `scripted` needs no key.
        model: Language model of the researcher `claude`.
        max_usd: Ceiling for the model calls of this launch, in US dollars.
        max_gpu_hours: Ceiling for the GPU time of this launch, in hours.
        resource_sizing: Memory of a first try; what the last of like shape needed, what the model estimates, or
            the floor.
        preset: Size.
        scale_transfer: Compare each new champion with the one before at twice the size, too.
        early_stop: Stop a training whose loss is far behind; only the preset `gpu` does so, if neither is given.
        dry_run: Say what would start and what it would take; nothing is created.
        json: With `--dry-run`: print JSON for programs.

    Example:
        autoresearch run --n-experiments 12 --batch-size 4 --memory-key my-research
        autoresearch run --preset demo --dry-run
        autoresearch run --researcher claude --n-experiments 12 --batch-size 4 --max-usd 5
    """
    from autoresearch_dagster.store.events import SessionConfig

    wanted = {name: value for name, value in locals().items() if name in SessionConfig.model_fields}
    wanted["time_budget_sec"] = (
        preset_of(preset).config.time_budget_sec if time_budget_sec is None else time_budget_sec
    )
    if dry_run:
        return _dry_run(wanted, json=json)
    if json:
        raise UserError("`run --json` goes with --dry-run; afterwards, `autoresearch leaderboard --json` has it.")
    return _research(**wanted)


def _research(**wanted: Any) -> int:
    from autoresearch_dagster.defs.terminal import research_in_terminal
    from autoresearch_dagster.store.events import SessionConfig

    return DONE if research_in_terminal(SessionConfig(**wanted), load_settings(), out) else FAILED


def _dry_run(wanted: dict[str, Any], *, json: bool) -> int:
    from autoresearch_dagster.experiments.look_ahead import estimate_launch
    from autoresearch_dagster.store.events import SessionConfig

    found = estimate_launch(SessionConfig(**wanted), load_settings())
    if json:
        print_json(found)
        return DONE
    session = f"goes on with {found.session}, {found.status}" if found.session else "a new session"
    bundle = str(found.bundle) if found.bundle else "to be built, " + _amount(found.bundle_bytes, "of disk")
    fetched = "" if found.bundle else f", {_amount(found.download_bytes, 'to fetch')}"
    disk = f"{_amount(found.disk_bytes, 'needed')}, {_amount(found.disk_free_bytes, 'free')}{_too_little(found)}"
    for heading, value in (
        ("research", f"{found.memory_key}: {session}"),
        ("runner", found.runner_note),
        ("image", found.image),
        ("bundle", f"{found.source}: {bundle}{fetched}"),
        ("disk", disk),
    ):
        out.print(f"{heading:9} {value}", markup=False, soft_wrap=True)
    out.print(f"\n{found}\nNothing was started; leave --dry-run out to start it.", markup=False, soft_wrap=True)
    return DONE


def _too_little(found: "Estimate") -> str:
    wanted = (found.disk_bytes or 0) + limits.DISK_RESERVE_BYTES
    if found.disk_free_bytes >= wanted:
        return ""
    return f": too little, since {in_unit(limits.DISK_RESERVE_BYTES, 'bytes')} stay in reserve"


def _amount(count: int | None, what: str) -> str:
    return f"{in_unit(count, 'bytes')} {what}" if count is not None else f"not known how much {what}"
