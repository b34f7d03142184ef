"""One experiment outside any session: `evaluate`, `rerun` and `verify`."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from autoresearch_dagster.commands.console import (
    DONE,
    FAILED,
    Json,
    Preset,
    Source,
    err,
    how_to_go_on,
    out,
    print_json,
    say,
)
from autoresearch_dagster.core.errors import AutoresearchError
from autoresearch_dagster.core.settings import load_settings

NOT_TRIED = 2
"""Exit code of `verify` where it says nothing of the score."""


def evaluate(
    train_py: Path,
    *,
    preset: Preset = "workshop",
    source: Source = "sample",
    seed: int = 0,
    rows: Literal["selection", "upstream"] = "selection",
    json: Json = False,
) -> int:
    """Train one train.py and let the trusted evaluator score it, outside any session.

    Exit code 0: it has a score; 1: it has none, and the output says why.

    Args:
        train_py: The file; it defines `run_training(config)`.
        preset: Size.
        source: The corpus.
        seed: Seed of weights and data order.
        rows: `upstream`: the tutorial's own 32 validation rows.
        json: Print JSON for programs.

    Example:
        autoresearch evaluate my_train.py
        autoresearch evaluate my_train.py --preset demo --rows upstream --json
    """
    from autoresearch_dagster.experiments.evaluate_file import evaluate_file
    from autoresearch_dagster.reports.single import as_json, tell, watched

    settings = load_settings()
    with (
        how_to_go_on("Nothing of it is kept; the same command begins anew."),
        watched(err, "evaluate", train_py.stem) as watching,
    ):
        result = evaluate_file(
            train_py,
            settings,
            preset_name=preset,
            source=source,
            seed=seed,
            rowset=rows,
            report=watching.report,
            on_progress=watching.on_progress,
            on_stage=watching.on_stage,
        )
    if json:
        print_json(as_json(result))
    else:
        tell(result, out, err)
    return DONE if result.accepted else FAILED


def rerun(
    key: Annotated[str, Parameter(help="Key of the experiment, as `leaderboard` shows it.")], *, json: Json = False
) -> int:
    """Train a recorded experiment once more and compare the scores.

    The rerun has its own receipt and is never the score of record: the journal stays as it is.

    Args:
        key: Its key.
        json: Print JSON for programs.

    Example:
        autoresearch rerun s01_d02_e05
    """
    from autoresearch_dagster.experiments.reproduce import reproduce
    from autoresearch_dagster.reports.single import as_json, difference, tell_reproduction, watched

    settings = load_settings()
    with (
        how_to_go_on("The record is untouched; the same command begins anew."),
        watched(err, "rerun", key) as watching,
    ):
        recorded, again = reproduce(settings, key, watching.report, watching.on_progress, watching.on_stage)
    if json:
        scores = {"recorded": as_json(recorded), "reproduced": as_json(again)}
        print_json({"key": key, **scores, "difference": difference(recorded, again)})
    else:
        tell_reproduction(key, recorded, again, out, err)
    return DONE if again.accepted else FAILED


def verify(
    receipt: Annotated[
        str,
        Parameter(help="Digest of a receipt (8 characters or more), key of its experiment, or a receipt's file."),
    ],
    *,
    json: Json = False,
) -> int:
    """Check a receipt: its paper, and whether training again gives its score.

    Trains train.py under the receipt's own terms, sealed, scored and audited; the journal stays as it is.

    Exit code 0: the score reproduces; 1: it does not, or there is none; 2: it could not be tried.

    Args:
        receipt: The receipt.
        json: Print JSON for programs.

    Example:
        autoresearch verify s01_d02_e05
        autoresearch verify 3f9a2c11 --json
        autoresearch verify theirs/receipt.json
    """
    from autoresearch_dagster.experiments.noise_floor import floor_for
    from autoresearch_dagster.experiments.receipts import find_receipt
    from autoresearch_dagster.experiments.verify import verify
    from autoresearch_dagster.reports.single import watched
    from autoresearch_dagster.reports.verification import tell_verification
    from autoresearch_dagster.store.store import open_store

    settings = load_settings()
    try:
        store = open_store(settings)
        found = find_receipt(receipt, store)
        with (
            how_to_go_on("The receipt is untouched; the same command begins anew."),
            watched(err, "verify", found.receipt.key) as watching,
        ):
            verification = verify(
                found,
                settings,
                floor=floor_for(found.receipt, settings, store),
                report=watching.report,
                on_progress=watching.on_progress,
                on_stage=watching.on_stage,
            )
    except (AutoresearchError, OSError) as fault:  # ours too: 1 would say that the score does not reproduce
        say(f"It could not be tried: {fault}")
        return NOT_TRIED
    if json:
        print_json({**verification.model_dump(mode="json"), "reproduced": verification.reproduction.reproduced})
    else:
        tell_verification(verification, out)
    return DONE if verification.reproduction.reproduced else FAILED
