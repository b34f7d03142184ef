"""`verify` as a person gives it: what is printed, and the exit codes."""

import json

import pytest

from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.evaluation.receipt import Receipt
from autoresearch_dagster.store.store import open_store
from tests.command_line import BASELINE, is_one_sentence


@pytest.mark.timeout(600)
def test_a_receipt_is_verified_from_its_digest_and_from_a_file(command, shared, tmp_path):
    digest = json.loads(command("evaluate", BASELINE, "--preset", "demo", "--json", home=shared).out)["receipt"]
    raw = open_store(Settings(home=shared, database_url="")).blobs.get(digest)
    receipt = Receipt.model_validate_json(raw)

    done = command("verify", digest[:12], home=shared)

    assert done.code == 0, done.err
    for said in (
        f"receipt {digest}",
        "ok       nats",
        "recorded    val_bpb",
        "again       val_bpb",
        "allowed 0.000000",
    ):
        assert said in done.out
    assert "identical: " in done.out.splitlines()[-1]
    assert "training" in done.err

    file = tmp_path / "receipt.json"
    file.write_bytes(receipt.model_copy(update={"val_bpb": 1.5, "title": "\x1b[2Jforged"}).to_bytes())
    forged = command("verify", file, "--json", home=shared)

    told = json.loads(forged.out)
    assert (forged.code, told["reproduced"], told["again"]) == (1, False, None)
    assert "contradicts itself" in told["reproduction"]["reason"]

    file.write_bytes(receipt.model_copy(update={"bundle": "f" * 64}).to_bytes())
    elsewhere = command("verify", file, home=shared)

    assert (elsewhere.code, elsewhere.out) == (2, "")
    assert is_one_sentence(elsewhere.err)
    assert "autoresearch bundle" in elsewhere.err


@pytest.mark.parametrize("named", ["s01_d01_e01", "0123456789", "abc", "nowhere/receipt.json", "../etc"])
def test_a_receipt_that_is_not_there_is_one_sentence(command, named):
    done = command("verify", named)

    assert (done.code, done.out) == (2, "")
    assert is_one_sentence(done.err)


def test_a_fault_of_ours_says_nothing_of_the_score(command, monkeypatch):
    monkeypatch.setenv("AUTORESEARCH_HOME", "/proc/nowhere")

    done = command("verify", "s01_d01_e01")

    assert (done.code, done.out) == (2, "")
    assert is_one_sentence(done.err)
    assert "could not be tried" in done.err
