"""What experiments need before they start: `bundle` and `image`."""

from autoresearch_dagster.commands.console import (
    DONE,
    Json,
    NumShards,
    Preset,
    Source,
    err,
    how_to_go_on,
    out,
    print_json,
)
from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.core.limits import DEFAULT_NUM_SHARDS
from autoresearch_dagster.core.presets import preset as preset_of
from autoresearch_dagster.core.progress import counted, in_unit
from autoresearch_dagster.core.settings import load_settings


def bundle(
    *,
    source: Source = "sample",
    num_shards: NumShards = DEFAULT_NUM_SHARDS,
    preset: Preset | None = None,
    sequence_length: int | None = None,
    json: Json = False,
) -> int:
    """Build or find a bundle: shards, tokenizer, packed rows.

    A bundle is built once; `run` builds its own where it is missing, so this command is for doing it beforehand.

    Args:
        source: The corpus.
        num_shards: Training shards.
        preset: Take the sequence length of this preset; `workshop`, if neither is given.
        sequence_length: Targets in a row.
        json: Print JSON for programs.

    Example:
        autoresearch bundle --preset demo
        autoresearch bundle --source climbmix --num-shards 8 --preset gpu
    """
    from autoresearch_dagster.experiments.bundle import obtain_bundle
    from autoresearch_dagster.reports.board import Board
    from autoresearch_dagster.reports.live import LiveView

    if preset is not None and sequence_length is not None:
        raise UserError("Give --preset or --sequence-length, not both: a preset has its own sequence length.")
    length = preset_of(preset or "workshop").sequence_length if sequence_length is None else sequence_length
    settings = load_settings()
    with (
        how_to_go_on("The same command goes on; what is finished is kept."),
        LiveView(Board(), err) as view,
    ):
        found = obtain_bundle(settings, source, num_shards, length, view.report)
    if json:
        print_json(found)
        return DONE
    rows = ", ".join(f"{count:,} {split}" for split, count in found.profile.rows.items())
    for line in (
        f"Bundle {found.digest[:16]} {'was already built' if found.already_built else 'is built'}.",
        f"rows        {rows}; {found.sequence_length} targets each",
        f"corpus      {found.profile.source}, {counted(found.profile.n_parquet_files, 'shard')}, "
        f"{in_unit(found.profile.data_bytes, 'bytes')}; vocabulary of {found.profile.vocab_size:,} tokens",
        f"disk        {in_unit(found.bytes, 'bytes')}",
        f"shards      {found.shards}",
        f"tokenizer   {found.tokenizer}",
        f"packed rows {found.packed_rows}",
    ):
        out.print(line, markup=False, soft_wrap=True)
    return DONE


def image(*, rebuild: bool = False, json: Json = False) -> int:
    """Build or find the trainer image that candidates run in.

    Args:
        rebuild: Build it anew from the base up, whatever is there.
        json: Print JSON for programs.

    Example:
        autoresearch image
        autoresearch image --rebuild
    """
    from autoresearch_dagster.experiments.trainer_image import obtain_image
    from autoresearch_dagster.reports.board import Board
    from autoresearch_dagster.reports.live import LiveView

    settings = load_settings()
    with (
        how_to_go_on("`autoresearch image` goes on; steps that were finished are kept."),
        LiveView(Board(), err) as view,
    ):
        found = obtain_image(settings, view.report, rebuild=rebuild)
    if json:
        facts = {"id": found.id, "bytes": found.size_bytes, "torch": found.torch, "base": found.base}
        print_json({"tag": found.tag, **facts})
        return DONE
    size = in_unit(found.size_bytes, "bytes")
    said = f"Trainer image {found.tag}, {size}, torch {found.torch}\n{found.id}\non {found.base}"
    out.print(said, markup=False, soft_wrap=True)
    return DONE
