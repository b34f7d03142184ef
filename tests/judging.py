"""The whole path of a red-team candidate: train it for a few steps, freeze, score and audit; look at its end."""

import dataclasses
import math
from pathlib import Path

from autoresearch_dagster.containers.protocol import Runner
from autoresearch_dagster.core.experiment import Digest, ExperimentKey, ExperimentResult, Outcome, PlannedExperiment
from autoresearch_dagster.core.presets import PRESETS
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.data.layout import Bundle
from autoresearch_dagster.evaluation.receipt import Receipt
from autoresearch_dagster.experiments.laboratory import Laboratory
from autoresearch_dagster.experiments.run_one import run_planned
from autoresearch_dagster.experiments.scoring import Attempt
from autoresearch_dagster.store.store import open_store
from autoresearch_dagster.training.job import Halt
from tests.redteam_table import CANDIDATES, SHORT, Ending

ENTROPY = 0.8 * math.log2(1 / 0.8) + 0.2 * math.log2(252 / 0.2)
"""Bits of a token of `tiny_bundle`, all but BOS of one byte; four in five follow a walk.  No model knows more."""
LUCK = 4 * 4.0 / math.sqrt(16 * 28)
"""Four standard errors of a mean over the fewest tokens that are scored here, at 4 bits a token."""


def open_bench(settings: Settings, runner: Runner, image: str, bundle: Bundle, *, rows: int) -> Laboratory:
    """A laboratory of the smallest size."""
    preset = dataclasses.replace(PRESETS["demo"], config=SHORT, sequence_length=32, scored_rows=rows)
    return Laboratory(settings, open_store(settings), runner, image, "", bundle, preset, b"")


def judged(
    lab: Laboratory,
    name: str,
    *,
    title: str = "candidate",
    seed: int = 0,
    seconds: int = 1,
    wall: bool = False,
    rounds: int = 1,
    reference: Digest | None = None,
    code: str = "",
) -> tuple[ExperimentResult, Receipt | None]:
    """Train, score and audit one candidate; `code` stands in for its file."""
    config = SHORT.model_copy(update={"time_budget_sec": seconds, "seed": seed})
    lab = dataclasses.replace(lab, preset=dataclasses.replace(lab.preset, config=config, cpu_metered=not wall))
    planned = PlannedExperiment(
        key=ExperimentKey(f"x_{name}"),
        title=title,
        revision=1,
        train_py=lab.store.blobs.put(code.encode() or (CANDIDATES / f"{name}.py").read_bytes()),
        config=config,
    )
    attempt = Attempt(1, Slot((lab.settings.cores[-1],)), reference=reference, audit_rounds=rounds)
    result = run_planned(planned, lab, attempt, lambda *_: None, lambda _: None, lambda: Halt.NO)
    lab.sweep(planned.key)
    return result, Receipt.model_validate_json(lab.store.blobs.get(result.receipt)) if result.receipt else None


def check(
    ending: Ending, result: ExperimentResult, receipt: Receipt | None, honest: ExperimentResult | None
) -> None:
    """Compare what became of a candidate with what must; `honest` is the candidate whose score it must have."""
    found = (result.outcome, result.verdict)
    assert found == (ending.outcome, ending.verdict), (found, result.error, result.log_tail)
    assert ending.matches(result.error), result.error
    assert len(result.error.splitlines()) <= 1
    if not ending.scored:
        assert (result.val_bpb, result.val_bpb_exact, result.standing) == (None, None, None)
        assert not result.accepted
        # only the audit's rejection has a receipt, in which the claimed figure stands
        assert (receipt is not None) == (ending.outcome is Outcome.TRAINED)
        return
    assert receipt is not None
    assert receipt.val_bpb == result.val_bpb
    assert receipt.audit.max_deviation <= receipt.audit.tolerance
    assert result.val_bpb_exact is not None
    assert result.val_bpb_exact > ENTROPY - LUCK  # nothing that it says or does makes it better than can be
    if ending.like:
        assert honest is not None
        assert result.val_bpb is not None
        assert honest.val_bpb is not None
        assert abs(result.val_bpb - honest.val_bpb) <= 1e-6


def opened(folder: Path, bundle: Bundle) -> Bundle:
    """Open a bundle to other users, as the builders leave it: containers run under another one."""
    for path in [folder, bundle.packed, *bundle.packed.parents[:2], *bundle.candidate_folder.rglob("*")]:
        path.chmod(0o755)
    return bundle
