"""What can be said of a receipt before anything is trained: does it agree with itself, and with this machine?"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import BundleError, EvaluationFault, StoreUnavailable, UserError
from autoresearch_dagster.core.experiment import Digest, Verdict, canonical_json, digest_of
from autoresearch_dagster.core.presets import PRESETS
from autoresearch_dagster.data.build import find_bundle
from autoresearch_dagster.data.layout import Bundle, Rows
from autoresearch_dagster.evaluation.receipt import Receipt
from autoresearch_dagster.evaluation.reproduction import Finding, Nats, PaperCheck
from autoresearch_dagster.evaluation.rows import choose_rows, rows_digest, vocabulary_of
from autoresearch_dagster.evaluation.statistics import rejection
from autoresearch_dagster.experiments.laboratory import Laboratory
from autoresearch_dagster.experiments.receipts import HEXADECIMAL, SHORT, FoundReceipt
from autoresearch_dagster.store.blobs import Blobs


@dataclass(frozen=True, slots=True)
class Paper:
    """A receipt whose paper was checked, with all that training it again needs.

    Shapes: nats [n_rows, T], or None where they are not kept; n_bytes int [n_rows, T].
    """

    checks: tuple[PaperCheck, ...]
    bundle: Bundle
    rows: Rows
    n_bytes: npt.NDArray[np.integer]
    nats: Nats | None

    @property
    def contradictions(self) -> tuple[PaperCheck, ...]:
        """What no evaluator would have written."""
        return tuple(check for check in self.checks if check.finding == "contradiction")


def check_paper(found: FoundReceipt, blobs: Blobs, bundles: Path) -> Paper:
    """Check everything that needs no training; keep a train.py that lies beside a file, if it is the one.

    Raises:
        UserError: it cannot be tried here: the bundle or train.py is missing, or they are others.
    """
    receipt = found.receipt
    bundle = _bundle_of(receipt, bundles)
    rows = _rows_of(receipt, bundle)
    n_bytes = bundle.token_bytes("seed")[rows.tokens[:, 1:]]
    if found.beside is not None and digest_of(found.beside) == receipt.train_py:
        blobs.put(found.beside)
    if not _has(blobs, receipt.train_py):
        raise UserError(
            f"The train.py of this receipt ({receipt.train_py[:SHORT]}) is not here, so it cannot be "
            "trained again; put it as train.py beside the receipt's file, or import the session."
        )
    nats, about_nats = _nats_of(receipt, blobs, rows.documents.shape)
    said = f"digest {found.digest}" + (
        "" if found.canonical else "; it was found in another form than the canonical"
    )
    checks = [
        _check("form", "fits" if found.canonical else "differs", said),
        *_arithmetic(receipt, int(n_bytes.sum())),
        _check("bundle", "fits", f"{bundle.digest[:SHORT]} with its tokenizer, byte tables and rows is here"),
        _check("train.py", "fits", f"{receipt.train_py[:SHORT]} is here"),
        about_nats,
    ]
    kept = _has(blobs, receipt.checkpoint)
    told = "is here" if kept else "is not here; a new one is trained"
    checks.append(_check("checkpoint", "fits" if kept else "missing", f"{receipt.checkpoint[:SHORT]} {told}"))
    return Paper(tuple(checks), bundle, rows, n_bytes, nats)


def check_machine(receipt: Receipt, lab: Laboratory, device: str) -> Iterator[PaperCheck]:
    """Say how this machine differs from the one that the receipt was written on; nothing here is fatal."""
    here = {
        "image": (receipt.image, lab.image),
        "runner": (receipt.runner, lab.runner.name),
        "sandboxed": (str(receipt.sandboxed), str(lab.runner.capabilities.sandboxed)),
        "device": (receipt.device, device),
    }
    for about, (recorded, now) in here.items():
        said = now[:80] if recorded == now else f"{recorded[:80]} in the receipt, {now[:80]} here"
        yield _check(about, "fits" if recorded == now else "differs", said)


def _check(about: str, finding: Finding, said: str) -> PaperCheck:
    return PaperCheck(about=about, finding=finding, said=said)


def _has(blobs: Blobs, digest: Digest) -> bool:
    return bool(HEXADECIMAL.fullmatch(digest)) and len(digest) == limits.DIGEST_CHARS and blobs.has(digest)


def _bundle_of(receipt: Receipt, bundles: Path) -> Bundle:
    if not HEXADECIMAL.fullmatch(receipt.bundle):
        raise UserError("The receipt names no bundle; it cannot be tried.")
    try:
        bundle = find_bundle(receipt.bundle, bundles)
        others = [name for name, digest in vocabulary_of(bundle) if getattr(receipt, name) != digest]
    except (BundleError, OSError):
        raise UserError(
            f"The receipt is of the bundle {receipt.bundle[:SHORT]}, which is not in {bundles}: build it from "
            "the same source with `autoresearch bundle`, or copy bundles/ from where the receipt was written."
        ) from None
    if others:
        raise UserError(
            f"The receipt names the bundle {receipt.bundle[:SHORT]} and another {others[0]} than that bundle "
            "has here: one of the two is damaged or false; delete the bundle, build it anew and try again."
        )
    return bundle


def _rows_of(receipt: Receipt, bundle: Bundle) -> Rows:
    """Choose the rows as the evaluator would, and see that they are those of the receipt."""
    try:
        rows = choose_rows(bundle, receipt.rows, receipt.n_rows)
    except EvaluationFault as fault:
        raise UserError(f"The rows of the receipt are not here: {fault}") from fault
    if rows_digest(rows) != receipt.rows_digest:
        raise UserError(
            f"The receipt was scored on other rows than the {receipt.n_rows} {receipt.rows} rows of that "
            "bundle here; a comparison would mean nothing."
        )
    return rows


def _arithmetic(receipt: Receipt, n_bytes: int) -> Iterator[PaperCheck]:
    """Work out again what follows from the rest of a receipt."""
    candidate = digest_of(canonical_json({"train_py": receipt.train_py, "config": receipt.config.model_dump()}))
    bits = receipt.nats / math.log(2)
    longest = max(known.config.time_budget_sec for known in PRESETS.values()) * limits.WIDTH_BUDGET_TIMES
    if not 0 < receipt.budget_s <= longest:
        raise UserError(
            f"The receipt's budget is {receipt.budget_s:.0f} s, and nothing trains longer than {longest} s here."
        )
    claims = {
        "bytes": (receipt.bytes_seed == n_bytes, "its bytes are not those of its rows"),
        "val_bpb": (
            receipt.bytes_exact > 0
            and _same(receipt.val_bpb * n_bytes, bits)
            and _same(receipt.val_bpb_exact * receipt.bytes_exact, bits),
            "its score is not its nats by its bytes",
        ),
        "candidate": (receipt.candidate == candidate, "its candidate is not its train.py and config"),
        "verdict": (
            (receipt.verdict is Verdict.REJECTED) == bool(rejection(receipt.audit)),
            "its verdict does not follow from its audit",
        ),
        "budget": (
            receipt.budget_s == receipt.config.time_budget_sec
            and _same(receipt.deadline_s, limits.DEADLINE_SLACK * receipt.budget_s),
            "its budget is not its config's",
        ),
    }
    for about, (holds, otherwise) in claims.items():
        yield _check(about, "fits" if holds else "contradiction", "follows from the rest" if holds else otherwise)


def _same(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=limits.NATS_ROUNDING)


def _nats_of(receipt: Receipt, blobs: Blobs, shape: tuple[int, ...]) -> tuple[Nats | None, PaperCheck]:
    """Read the nats of every target and see that they add up to the receipt's."""
    digest = receipt.nats_per_target
    if not _has(blobs, digest):
        return None, _check("nats", "missing", "are not here; figures alone are compared")
    try:
        nats = read_nats(blobs, digest, shape)
    except (StoreUnavailable, ValueError):
        return None, _check("nats", "contradiction", f"the blob {digest[:SHORT]} does not hold nats of these rows")
    if (nats < 0).any() or not _same(float(nats.sum(dtype=np.float64)), receipt.nats):
        return None, _check("nats", "contradiction", "the nats of its targets do not add up to its nats")
    return nats, _check("nats", "fits", "the nats of its targets add up to its score")


def read_nats(blobs: Blobs, digest: Digest, shape: tuple[int, ...]) -> Nats:
    """Read nats, float [n_rows, T].

    Raises:
        StoreUnavailable: they are not there.
        ValueError: the blob holds something else.
    """
    path = blobs.require(digest)
    if path.stat().st_size > limits.NATS_BYTES * math.prod(shape) + limits.NATS_HEADER_BYTES:
        raise ValueError("too large")
    blobs.get(digest)  # its content is what its name says
    nats = np.load(path, allow_pickle=False)
    if nats.shape != shape or nats.dtype.kind != "f" or not np.isfinite(nats).all():
        raise ValueError("not nats of these rows")
    return nats
