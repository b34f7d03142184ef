"""Find a receipt: among the blobs, by the key of its experiment, or in a file that somebody sent."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from autoresearch_dagster.core.errors import StoreUnavailable, UserError
from autoresearch_dagster.core.experiment import Digest
from autoresearch_dagster.core.limits import DIGEST_PREFIX_CHARS, JSON_BLOB_BYTES
from autoresearch_dagster.evaluation.receipt import EVALUATOR_VERSION, Receipt
from autoresearch_dagster.experiments.evaluate_file import read_candidate
from autoresearch_dagster.experiments.reproduce import find_experiment
from autoresearch_dagster.store.store import Store

HEXADECIMAL = re.compile(r"[0-9a-f]{1,64}")
SHORT = 16  # characters of a digest in a sentence


@dataclass(frozen=True, slots=True)
class FoundReceipt:
    """A receipt that can be read."""

    receipt: Receipt
    digest: Digest
    """Of its canonical form."""
    canonical: bool
    """Whether it was found in that form."""
    ours: bool
    """Whether a session of this machine, whose code ships with the project, wrote it."""
    beside: bytes | None = None
    """A train.py that lies beside a file, whatever it is."""


def find_receipt(named: str, store: Store) -> FoundReceipt:
    """Find a receipt by its digest, the beginning of it, the key of its experiment, or the path of a file.

    Raises:
        UserError: there is none, or several, or it is not a receipt that this version can read.
    """
    path = Path(named)
    if path.is_file():
        return _from_file(path)
    if HEXADECIMAL.fullmatch(named):
        return _from_blob(_whole(named, store), store)
    if "/" in named or named.endswith(".json"):
        raise UserError(
            f"There is no file {named}; name a receipt by its file, its digest or its experiment's key."
        )
    _, _, recorded = find_experiment(store, named)
    if recorded.receipt is None:
        raise UserError(f"{named} has no receipt: it ended as {recorded.ending}, and there is no score to verify.")
    return _from_blob(recorded.receipt, store)


def _whole(prefix: str, store: Store) -> Digest:
    if len(prefix) < DIGEST_PREFIX_CHARS:
        raise UserError(f"{prefix!r} is too short; give {DIGEST_PREFIX_CHARS} characters of the digest or more.")
    found = store.blobs.named(prefix)
    if not found:
        raise UserError(f"No blob of {store.blobs.root} begins with {prefix}; `leaderboard --json` shows receipts.")
    if len(found) > 1:
        raise UserError(
            f"{prefix} begins {len(found)} blobs ({found[0]}, {found[1]}, ...); give more of the digest."
        )
    return found[0]


def _from_blob(digest: Digest, store: Store) -> FoundReceipt:
    try:
        if store.blobs.require(digest).stat().st_size > JSON_BLOB_BYTES:
            raise UserError(f"The blob {digest[:SHORT]} is too large for a receipt; it holds something else.")
        raw = store.blobs.get(digest)
    except StoreUnavailable as fault:
        raise UserError(str(fault)) from fault
    receipt = _read(raw, f"The blob {digest[:SHORT]}")
    return FoundReceipt(receipt, digest, receipt.to_bytes() == raw, _is_ours(receipt, digest, store))


def _from_file(path: Path) -> FoundReceipt:
    try:
        with path.open("rb") as file:
            raw = file.read(JSON_BLOB_BYTES + 1)
        code = path.with_name("train.py")
        beside = read_candidate(code) if code.is_file() else None
    except OSError as fault:
        raise UserError(f"{path} cannot be read ({fault.strerror}).") from fault
    if len(raw) > JSON_BLOB_BYTES:
        raise UserError(f"{path} is too large for a receipt.")
    receipt = _read(raw, str(path))
    return FoundReceipt(receipt, receipt.digest, receipt.to_bytes() == raw, ours=False, beside=beside)


def _read(raw: bytes, where: str) -> Receipt:
    """Read a receipt of this evaluator.

    Raises:
        UserError: it is none.
    """
    try:
        told = json.loads(raw)
        version = told.get("evaluator_version") if isinstance(told, dict) else None
        if isinstance(version, str) and version != EVALUATOR_VERSION:
            raise UserError(
                f"{where} is a receipt of evaluator version {version[:SHORT]!r}, and this one is "
                f"{EVALUATOR_VERSION}: the same model could get another score; use the version that wrote it."
            )
        receipt = Receipt.model_validate_json(raw)
        receipt.to_bytes()  # refuses NaN
    except ValidationError as fault:
        first = fault.errors()[0]
        place = ".".join(map(str, first["loc"])) or "its form"
        raise UserError(f"{where} is not a receipt ({place}: {first['msg']}).") from None
    except (ValueError, RecursionError):
        raise UserError(f"{where} is not a receipt: it is no JSON, or holds what no evaluator writes.") from None
    return receipt


def _is_ours(receipt: Receipt, digest: Digest, store: Store) -> bool:
    try:
        state, _, recorded = find_experiment(store, receipt.key)
    except UserError:
        return False
    return recorded.receipt == digest and state.config.researcher == "scripted" and not state.imported
