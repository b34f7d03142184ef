"""A receipt is checked, trained again under its own terms, and compared."""

import dataclasses
import io
import json
import os

import numpy as np
import pytest

from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.core.experiment import (
    ExperimentKey,
    ExperimentResult,
    Label,
    Outcome,
    PlannedExperiment,
    TrainConfig,
    Verdict,
    canonical_json,
    digest_of,
)
from autoresearch_dagster.core.presets import PRESETS
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.evaluation.noise import measure_noise_floor
from autoresearch_dagster.evaluation.receipt import EVALUATOR_VERSION, Receipt
from autoresearch_dagster.evaluation.spending import FULL_PLAN
from autoresearch_dagster.experiments.laboratory import Laboratory
from autoresearch_dagster.experiments.paper import check_paper
from autoresearch_dagster.experiments.receipts import find_receipt
from autoresearch_dagster.experiments.run_one import run_planned
from autoresearch_dagster.experiments.scoring import Attempt
from autoresearch_dagster.experiments.verify import terms_of, verify, verify_in
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.store import open_store
from autoresearch_dagster.training.job import Halt
from tests.arms import made_arm
from tests.bundles import published, tiny_bundle
from tests.command_line import BASELINE
from tests.redteam_table import CANDIDATES as REDTEAM

CORE = sorted(os.sched_getaffinity(0))[-1] if hasattr(os, "sched_getaffinity") else 0
CONFIG = TrainConfig(n_layer=1, n_head=2, n_embd=16, max_steps=4, time_budget_sec=10, seed=3)
FLOOR = measure_noise_floor(made_arm(0, 3, sd=0.004), FULL_PLAN)


class World:
    """A home with a bundle, and receipts that were earned in it."""

    def __init__(self, home, zygote):
        self.settings = Settings(home=home, runner="plain", database_url="")
        self.store = open_store(self.settings)
        self.blobs = self.store.blobs
        self.zygote = zygote
        self.bundle = published(tiny_bundle(home / "made"), self.settings.bundles)

    def lab(self, preset):
        return Laboratory(self.settings, self.store, self.zygote, "zygote", "", self.bundle, preset, b"")

    def earn(self, path, rowset="selection", **changes):
        """Train a file and return its receipt."""
        config = CONFIG.model_copy(update=changes)
        session = config.model_copy(update={"time_budget_sec": 20})
        preset = dataclasses.replace(PRESETS["demo"], config=session, sequence_length=32, scored_rows=32)
        code = self.blobs.put(path.read_bytes())
        key = ExperimentKey("s01_d01_e01")
        planned = PlannedExperiment(key=key, title="one", revision=1, train_py=code, config=config)
        attempt = Attempt(1, Slot((CORE,)), rowset)
        found = run_planned(planned, self.lab(preset), attempt, lambda *_: None, lambda _: None, lambda: Halt.NO)
        self.lab(preset).sweep(planned.key)
        assert found.receipt, found.error
        return Receipt.model_validate_json(self.blobs.get(found.receipt))

    def put(self, receipt, **changes):
        """Keep a receipt that somebody changed; return its digest."""
        return self.blobs.put(receipt.model_copy(update=changes).to_bytes())

    def verify(self, named, floor=None):
        """Verify in the zygote, as `verify` does in the runner of the machine."""
        found = find_receipt(str(named), self.store)
        paper = check_paper(found, self.blobs, self.settings.bundles)
        lab = self.lab(terms_of(found.receipt, paper))
        return verify_in(lab, found, paper, floor, lambda *_: None, lambda _: None)

    def on_paper(self, named):
        """Verify what must be decided before anything is trained."""
        found = find_receipt(str(named), self.store)
        nothing = {"report": print, "on_progress": lambda *_: None, "on_stage": pytest.fail}
        return verify(found, self.settings, floor=None, **nothing)


@pytest.fixture(scope="module")
def world(tmp_path_factory, zygote):
    return World(tmp_path_factory.mktemp("home"), zygote)


@pytest.fixture(scope="module")
def receipt(world):
    return world.earn(BASELINE)


def findings(found):
    return {check.about: check.finding for check in found.checks}


def nats_of(world, receipt):
    return np.load(world.blobs.path(receipt.nats_per_target), allow_pickle=False)


def forged(world, receipt, factor):
    """The receipt with another score, and everything in it that follows from the score."""
    file = io.BytesIO()
    nats = (nats_of(world, receipt) * factor).astype(np.float32)
    np.save(file, nats, allow_pickle=False)
    total = float(nats.sum(dtype=np.float64))
    return world.put(
        receipt,
        nats=total,
        nats_per_target=world.blobs.put(file.getvalue()),
        val_bpb=total / (np.log(2) * receipt.bytes_seed),
        val_bpb_exact=total / (np.log(2) * receipt.bytes_exact),
    )


def of_code(receipt, train_py):
    """The receipt as it would be of another train.py."""
    candidate = digest_of(canonical_json({"train_py": train_py, "config": receipt.config.model_dump()}))
    return receipt.model_copy(update={"train_py": train_py, "candidate": candidate})


def test_an_honest_receipt_is_reproduced_to_the_last_bit(world, receipt):
    found = world.verify(receipt.digest[:8])

    assert found.reproduction.verdict == "identical", found.reproduction.reason
    assert found.reproduction.reproduced
    assert found.again is not None
    assert found.again.val_bpb == found.recorded_bpb == receipt.val_bpb
    assert set(findings(found).values()) == {"fits"}
    assert {"form", "val_bpb", "nats", "train.py", "checkpoint", "bundle", "image", "runner", "device"} <= set(
        findings(found)
    )


def test_it_is_trained_under_the_terms_of_the_receipt_as_a_key_outside_any_session(world, receipt):
    before = world.store.journal.sessions()

    found = world.verify(receipt.digest)

    assert found.again is not None
    assert found.again.receipt is not None
    again = Receipt.model_validate_json(world.blobs.get(found.again.receipt))
    same = {"config", "budget_s", "deadline_s", "rows", "rows_digest", "metered", "memory_bytes", "candidate"}
    assert {name: getattr(again, name) for name in same} == {name: getattr(receipt, name) for name in same}
    left = [one.serve.allowed_s + one.train_cpu_s for one in (again, receipt)]
    assert left[0] == pytest.approx(left[1])  # the session's budget, which is larger than the candidate's
    assert again.key.startswith("x_")
    assert Label.REPRODUCTION in found.again.labels
    assert Label.SMALL_BUDGET in found.again.labels
    assert world.store.journal.sessions() == before


@pytest.mark.parametrize("rowset", ["confirmation", "upstream"])
def test_it_is_scored_on_the_rows_of_the_receipt(world, rowset):
    found = world.verify(world.earn(BASELINE, rowset).digest)

    again = Receipt.model_validate_json(world.blobs.get(found.again.receipt))
    assert again.rows == rowset
    assert found.reproduction.verdict == "identical"


def test_a_forged_score_in_a_well_formed_receipt_is_not_reproduced(world, receipt):
    found = world.verify(forged(world, receipt, 0.95), FLOOR)

    assert set(findings(found).values()) == {"fits"}
    assert found.reproduction.verdict == "not reproduced"
    assert found.reproduction.difference_bpb == pytest.approx(0.05 * receipt.val_bpb, rel=1e-3)
    assert found.reproduction.difference_bpb > found.reproduction.allowed_bpb > 0


def test_a_score_that_another_machine_rounds_otherwise_is_within_the_noise(world, receipt):
    found = world.verify(forged(world, receipt, 1.0001), FLOOR)

    assert found.reproduction.verdict == "within the noise"
    assert found.reproduction.reproduced


@pytest.mark.parametrize(
    ("changes", "about"),
    [
        ({"val_bpb": 2.0}, "val_bpb"),
        ({"nats": 100.0}, "nats"),
        ({"bytes_seed": 1_000_000}, "bytes"),
        ({"config": CONFIG.model_copy(update={"seed": 4})}, "candidate"),
        ({"verdict": Verdict.REJECTED}, "verdict"),
        ({"deadline_s": 250.0}, "budget"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_tampered_receipt_contradicts_itself_and_nothing_is_trained(world, receipt, changes, about):
    found = world.on_paper(world.put(receipt, **changes))

    assert findings(found)[about] == "contradiction"
    assert (found.reproduction.verdict, found.again) == ("not reproduced", None)
    assert "contradicts itself" in found.reproduction.reason


def test_nats_that_are_not_nats_are_a_contradiction(world, receipt):
    for blob in (b"no array", world.blobs.get(receipt.nats_per_target)[:-4]):
        found = world.on_paper(world.put(receipt, nats_per_target=world.blobs.put(blob)))

        assert findings(found)["nats"] == "contradiction"


def test_a_receipt_whose_bytes_changed_on_disk_is_refused(world, receipt):
    digest = world.put(receipt, title="another")
    path = world.blobs.path(digest)
    path.write_bytes(path.read_bytes().replace(b"another", b"anotheR"))

    with pytest.raises(UserError, match="is damaged"):
        world.on_paper(digest)


def test_a_file_that_was_sent_brings_its_train_py_along(world, receipt, tmp_path):
    code = BASELINE.read_bytes() + b"# as it was sent\n"
    theirs = of_code(receipt, digest_of(code))
    path = tmp_path / "receipt.json"
    path.write_bytes(theirs.to_bytes())

    with pytest.raises(UserError, match=r"train\.py of this receipt .* is not here"):
        world.verify(path)

    (tmp_path / "train.py").write_bytes(code)
    found = world.verify(path)
    assert found.receipt == theirs.digest
    assert found.reproduction.verdict == "identical"


def test_a_file_in_another_form_is_read_and_told(world, receipt, tmp_path):
    path = tmp_path / "pretty.json"
    path.write_text(json.dumps(receipt.model_dump(mode="json"), indent=2))

    found = find_receipt(str(path), world.store)

    assert not found.canonical
    assert found.digest == receipt.digest
    checks = check_paper(found, world.blobs, world.settings.bundles).checks
    assert (checks[0].about, checks[0].finding) == ("form", "differs")


def test_without_nats_the_figures_alone_are_compared(world, receipt):
    found = world.verify(world.put(receipt, nats_per_target="0" * 64, checkpoint="1" * 64))

    assert findings(found)["nats"] == findings(found)["checkpoint"] == "missing"
    assert found.reproduction.verdict == "identical"
    assert "nats are not here" in found.reproduction.reason


def test_another_machine_is_told_and_not_fatal(world, receipt):
    found = world.verify(world.put(receipt, image="sha256:theirs", runner="docker", device="cuda", sandboxed=True))

    assert {name for name, finding in findings(found).items() if finding == "differs"} == {
        "image",
        "runner",
        "device",
        "sandboxed",
    }
    assert found.reproduction.reproduced


def test_the_receipt_of_a_rejected_score_has_nothing_to_reproduce_and_its_verdict_is_checked(world):
    rejected = world.earn(REDTEAM / "tiny_push.py", max_steps=30)
    assert rejected.verdict is Verdict.REJECTED

    found = world.verify(rejected.digest)

    assert found.reproduction.verdict == "no score"
    assert not found.reproduction.reproduced
    assert "it stands" in found.reproduction.reason
    assert "lean towards the true next token" in found.reproduction.reason


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bundle": "f" * 64}, "bundle ffffffffffffffff, which is not in"),
        ({"bundle": "../../etc"}, "names no bundle"),
        ({"tokenizer": "f" * 64}, "another tokenizer"),
        ({"rows_digest": "f" * 64}, "other rows"),
        ({"n_rows": 1000}, "rows of the receipt are not here"),
        ({"train_py": "f" * 64}, "is not here, so it cannot be trained again"),
        ({"budget_s": 1e6}, "nothing trains longer than 1200 s"),
    ],
)
def test_what_cannot_be_tried_is_said_in_one_sentence(world, receipt, changes, words):
    with pytest.raises(UserError, match=words) as refused:
        world.on_paper(world.put(receipt, **changes))

    assert len(str(refused.value).splitlines()) == 1


def test_a_receipt_of_another_evaluator_is_refused(world, receipt):
    ours = f'"evaluator_version":"{EVALUATOR_VERSION}"'.encode()
    old = world.blobs.put(receipt.to_bytes().replace(ours, b'"evaluator_version":"1"'))

    with pytest.raises(UserError, match=f"evaluator version '1', and this one is {EVALUATOR_VERSION}"):
        find_receipt(old, world.store)


def test_a_digest_is_named_by_as_much_as_is_unique(world, receipt):
    first = world.put(receipt, title="twin 0")
    twin = world.blobs.path(first[:-1] + ("0" if first[-1] != "0" else "1"))
    twin.parent.mkdir(exist_ok=True)
    twin.write_bytes(b"{}")

    with pytest.raises(UserError, match="begins 2 blobs"):
        find_receipt(first[:8], world.store)
    with pytest.raises(UserError, match="too short"):
        find_receipt(first[:7], world.store)
    with pytest.raises(UserError, match="No blob"):
        find_receipt("0123456789abcdef", world.store)
    assert find_receipt(first, world.store).receipt.title == "twin 0"


@pytest.mark.parametrize("named", ["checkpoint", "train_py", "nats_per_target"])
def test_a_blob_that_is_no_receipt_is_refused(world, receipt, named):
    with pytest.raises(UserError, match="is not a receipt"):
        find_receipt(getattr(receipt, named), world.store)


@pytest.mark.parametrize("named", ["s77_d01_e01", "absent/receipt.json"])
def test_what_nobody_knows_is_refused(world, named):
    with pytest.raises(UserError, match=r"No experiment has the key|There is no file"):
        find_receipt(named, world.store)


def test_a_stranger_s_code_needs_a_sandbox(world, receipt):
    code = world.blobs.put(BASELINE.read_bytes() + b"# theirs\n")

    with pytest.raises(UserError, match="only in a sandbox"):
        world.on_paper(world.blobs.put(of_code(receipt, code).to_bytes()))


def test_the_key_of_an_experiment_names_its_receipt_and_says_whose_code_it_is(world, receipt):
    journal = world.store.journal
    state = journal.create(ev.SessionConfig(memory_key="recorded", preset="demo"), "cli", world.bundle.digest)
    keys = [ExperimentKey(f"{state.id}_d01_e0{number}") for number in (1, 2)]
    planned = tuple(
        PlannedExperiment(key=key, title="one", revision=1, train_py=receipt.train_py, config=receipt.config)
        for key in keys
    )
    own = receipt.model_copy(update={"key": keys[0]})
    with journal.transaction(state.id) as transaction:
        transaction.append(ev.ModelReplied(turn=1, reply="", stop_reason=None))
        transaction.append(
            ev.CallPending(
                turn=1, sequence=0, call="c", function="f", arguments={}, dispatch=1, planned=planned, answers=()
            )
        )
        scored = ExperimentResult(outcome=Outcome.TRAINED, receipt=world.blobs.put(own.to_bytes()))
        transaction.append(ev.ExperimentFinished(key=keys[0], result=scored))
        transaction.append(ev.ExperimentFinished(key=keys[1], result=ExperimentResult(outcome=Outcome.CRASHED)))

    found = find_receipt(keys[0], world.store)

    assert (found.digest, found.ours) == (own.digest, True)
    assert find_receipt(own.digest, world.store).ours
    assert not find_receipt(world.put(own, title="changed"), world.store).ours
    with pytest.raises(UserError, match="has no receipt: it ended as Crashed"):
        find_receipt(keys[1], world.store)
