"""The trusted evaluator: its arithmetic beside an independent one, and models that do not play fair."""

import dataclasses
import importlib.util
import math
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

from autoresearch_dagster.containers.protocol import JobLimits
from autoresearch_dagster.containers.select import HARNESS
from autoresearch_dagster.core.errors import ContainerError, EvaluationFault
from autoresearch_dagster.core.experiment import ExperimentKey, Outcome, TrainConfig
from autoresearch_dagster.core.limits import ANSWER_BATCH_ROWS, GIB, TOLERANCE_MIN_NATS
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.data import tokenizer
from autoresearch_dagster.evaluation import tolerance
from autoresearch_dagster.evaluation.evaluator import EvaluationJob, Refusal, Score, evaluate
from autoresearch_dagster.experiments.laboratory import BASELINE_FILE
from autoresearch_dagster.training.job import Halt, Hooks, TrainingJob
from autoresearch_dagster.training.run import train

ANSWERING = Path(__file__).parents[1] / "candidates" / "answering.py"
CORE = sorted(os.sched_getaffinity(0))[-1] if hasattr(os, "sched_getaffinity") else 0
LIMITS = JobLimits(4 * GIB, Slot((CORE,)))
SMALL = TrainConfig(n_layer=1, n_head=2, n_embd=16, max_steps=3, time_budget_sec=60, learning_rate=1e-2)


@pytest.fixture(autouse=True)
def one_thread():
    """Several threads wait for each other where the machine is busy, as it is: the server runs too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tolerances(tmp_path_factory):
    return tmp_path_factory.mktemp("tolerances")


@pytest.fixture
def imported(monkeypatch):
    """Import a file as module `train`, the name that its pickled classes carry."""

    def imported(path):
        spec = importlib.util.spec_from_file_location("train", path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "train", module)
        spec.loader.exec_module(module)
        return module

    return imported


@pytest.fixture
def ask(bundle, zygote, tolerances, imported, tmp_path):
    """Evaluate a model of answering.py."""

    def ask(kind, **changes):
        checkpoint = tmp_path / f"{kind}.pt"
        torch.save(imported(ANSWERING).Answering(kind, bundle.vocab_size), checkpoint)
        job = EvaluationJob(
            "k", checkpoint, ANSWERING.read_bytes(), bundle, LIMITS, {}, n_rows=16, tolerances=tolerances
        )
        return evaluate(dataclasses.replace(job, **changes), zygote)

    return ask


def trained(bundle, runner, workspace, config):
    """Train the baseline with the real harness and return its frozen checkpoint."""
    workspace.mkdir()
    job = TrainingJob(
        key=ExperimentKey("s00_d00_e00"),
        attempt=1,
        title="baseline",
        train_py=BASELINE_FILE.read_bytes(),
        config=config,
        bundle=bundle,
        limits=LIMITS,
        cpu_metered=True,
        labels={},
    )
    report = train(job, runner, workspace, Hooks(lambda *_: None, lambda: Halt.NO))
    assert report.outcome is Outcome.TRAINED, report
    return report.checkpoint


def tutorials_byte_table(bundle):
    """Bytes of each token as the tutorial counts them: of the decoded text, special tokens none."""
    encoding = tokenizer.load(bundle.tokenizer)
    special = {encoding.encode_single_token(name) for name in encoding.special_tokens_set}
    lengths = [
        0 if token in special else len(encoding.decode([token]).encode()) for token in range(encoding.n_vocab)
    ]
    return np.array(lengths)


def reference_bpb(model, rows, lengths):
    """Bits per byte in float64: row by row, own log-softmax, own gather."""
    nats, n_bytes = 0.0, 0
    for row in rows.astype(np.int64):
        with torch.no_grad():
            logits = model(torch.from_numpy(row[None, :-1]))[0].numpy().astype(np.float64)
        top = logits.max(axis=1)
        log_sum = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
        for position, target in enumerate(row[1:]):
            if lengths[target]:
                nats += log_sum[position] - logits[position, target]
                n_bytes += lengths[target]
    return nats / (n_bytes * math.log(2))


def test_the_upstream_score_is_the_one_of_an_independent_implementation(
    sample_bundle, zygote, imported, tmp_path, monkeypatch
):
    checkpoint = trained(sample_bundle, zygote, tmp_path / "w", SMALL)
    job = EvaluationJob("k", checkpoint, BASELINE_FILE.read_bytes(), sample_bundle, LIMITS, {}, rowset="upstream")
    score = evaluate(job, zygote)

    assert isinstance(score, Score)
    assert score.nats.shape == (32, 512)
    for name in ("prepare", "autoresearch_types"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setenv("AUTORESEARCH_BUNDLE", str(sample_bundle.candidate_folder))
    monkeypatch.syspath_prepend(str(HARNESS.parent))
    imported(BASELINE_FILE)
    model = torch.load(checkpoint, weights_only=False).eval()
    expected = reference_bpb(model, sample_bundle.upstream_rows(), tutorials_byte_table(sample_bundle))
    assert score.val_bpb == pytest.approx(expected, abs=1e-6)


def test_the_batch_size_of_training_does_not_choose_what_is_scored(bundle, zygote, tmp_path):
    scores = []
    for batch in (1, 3):
        config = SMALL.model_copy(update={"max_steps": 0, "device_batch_size": batch})
        checkpoint = trained(bundle, zygote, tmp_path / f"w{batch}", config)
        job = EvaluationJob("k", checkpoint, BASELINE_FILE.read_bytes(), bundle, LIMITS, {}, n_rows=16)
        scores.append(evaluate(job, zygote))

    assert scores[0].val_bpb == scores[1].val_bpb
    assert np.array_equal(scores[0].nats, scores[1].nats)
    assert scores[0].record.bytes_seed == scores[1].record.bytes_seed


def test_rows_that_do_not_fill_a_batch_get_the_same_nats(ask):
    assert 13 % ANSWER_BATCH_ROWS
    some, more = ask("honest", n_rows=13), ask("honest", n_rows=16)

    assert len(some.nats) == 13
    assert np.array_equal(some.nats, more.nats[:13])


def test_nats_stand_at_every_target_but_special_ones(ask, bundle):
    score = ask("honest")

    targets = bundle.rows("selection").tokens[:16, 1:]
    ordinary = bundle.token_bytes("seed")[targets] > 0
    assert not ordinary.all()
    assert (score.nats[ordinary] > 0).all()
    assert (score.nats[~ordinary] == 0).all()
    assert score.record.bytes_seed == int(bundle.token_bytes("seed")[targets].sum())


def test_a_constant_added_to_the_logits_changes_nothing(ask):
    assert ask("shifted").val_bpb == pytest.approx(ask("honest").val_bpb, abs=1e-4)


def test_minus_infinity_is_legal_where_no_target_is(ask):
    score = ask("minus_inf_where_no_target_is")

    assert isinstance(score, Score)
    assert math.isfinite(score.val_bpb)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("a_tuple", "returned a tuple; return the logits alone"),
        ("wrong_vocab", "(4, 32, 255); return (4, 32, 256)"),
        ("last_position_only", "(4, 256); return (4, 32, 256)"),
        ("nan", "NaN or infinite logits"),
        ("plus_inf", "NaN or infinite logits"),
        ("minus_inf_at_targets", "probability zero"),
        ("nan_later", "NaN or infinite logits"),
        ("raises", "boom in forward"),
        ("raise_at_load", "cannot be loaded"),
        ("exit_at_load", "model server"),
        ("exits", "model server"),
        ("exits_later", "model server"),
        ("closes", "model server"),
        ("sends_too_few", "model server"),
        ("half_an_error", "model server"),
        ("by_chance", "not deterministic: the same rows asked twice"),
    ],
)
def test_a_model_that_answers_badly_gets_a_sentence_and_no_score(ask, kind, words):
    refusal = ask(kind)

    assert isinstance(refusal, Refusal)
    assert words in refusal.reason
    assert len(refusal.reason.splitlines()) == 1


@pytest.mark.parametrize("kind", ["raises_later", "sends_an_own_error_later"])
def test_what_a_model_says_once_it_has_seen_scored_rows_is_never_shown(ask, kind):
    refusal = ask(kind)

    assert isinstance(refusal, Refusal)
    assert "validation rows" not in refusal.reason
    assert not any(character.isdigit() for character in refusal.reason)


def test_what_a_model_says_to_its_auditor_is_never_shown(ask):
    refusal = ask("raises_where_it_is_audited")

    assert isinstance(refusal, Refusal)
    assert "answers in one process and fails in the next" in refusal.reason
    assert "known to the other process" not in refusal.reason


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04" + b"\0" * 100])
def test_a_checkpoint_that_is_none_is_refused(ask, tmp_path, content):
    (tmp_path / "bad.pt").write_bytes(content)

    assert isinstance(ask("honest", checkpoint=tmp_path / "bad.pt"), Refusal)


def test_a_checkpoint_without_a_module_is_refused_by_name(ask, tmp_path):
    torch.save({"weights": torch.ones(3)}, tmp_path / "bad.pt")

    refusal = ask("honest", checkpoint=tmp_path / "bad.pt")

    assert isinstance(refusal, Refusal)
    assert "dict" in refusal.reason


def test_a_bundle_with_too_few_rows_is_our_fault_and_not_the_models(ask):
    with pytest.raises(EvaluationFault, match="64 selection rows"):
        ask("honest", n_rows=65)


class Watching:
    """Takes down which files each server can see when it starts, and what runs at that moment."""

    def __init__(self, runner):
        self.runner, self.jobs, self.seen, self.alive = runner, [], [], []
        self.name, self.capabilities = runner.name, runner.capabilities

    def start(self, spec):
        self.seen.append(
            sorted(path for mount in spec.mounts for path in mount.source.rglob("*") if path.is_file())
        )
        self.jobs.append(self.runner.start(spec))
        return self.jobs[-1]


@pytest.fixture
def honest(bundle, tolerances, imported, tmp_path):
    checkpoint = tmp_path / "honest.pt"
    torch.save(imported(ANSWERING).Answering("honest", bundle.vocab_size), checkpoint)
    return EvaluationJob(
        "k", checkpoint, ANSWERING.read_bytes(), bundle, LIMITS, {}, n_rows=16, tolerances=tolerances
    )


def test_servers_see_neither_rows_nor_trusted_tables_and_share_no_file(honest, zygote):
    from autoresearch_dagster.evaluation.server import TOKENIZER_FILES

    watching = Watching(zygote)
    evaluate(honest, watching)

    assert len(watching.seen) == 2
    for files in watching.seen:
        assert sorted(path.name for path in files) == sorted([*TOKENIZER_FILES, "checkpoint.pt", "train.py"])
    assert not {*watching.seen[0]} & {*watching.seen[1]}


@pytest.mark.parametrize("rounds", [1, 3])
def test_no_b_gets_more_than_its_hello_before_all_servers_before_it_are_gone(honest, zygote, monkeypatch, rounds):
    from autoresearch_dagster.evaluation.server import Server

    evaluate(honest, zygote)  # measures the tolerance, which asks stand-ins
    watching, left = Watching(zygote), []
    load, ask = Server.load, Server.ask

    def noted(step):
        def do(server, *arguments):
            if server._single:
                mine = watching.jobs.index(server._process)
                left.append((mine, [job.status().exit_code is None for job in watching.jobs[:mine]]))
            return step(server, *arguments)

        return do

    monkeypatch.setattr(Server, "load", noted(load))
    monkeypatch.setattr(Server, "ask", noted(ask))
    score = evaluate(dataclasses.replace(honest, audit_rounds=rounds), watching)

    assert isinstance(score, Score)
    orders = 1 + 1 + 16 // ANSWER_BATCH_ROWS  # load, preflight, one cut of each row
    assert [number for number, _ in left] == [n for n in range(1, rounds + 1) for _ in range(orders)]
    assert not any(any(alive) for _, alive in left)
    assert len(watching.jobs) == 1 + rounds
    assert all(job.status().exit_code is not None for job in watching.jobs)
    assert len({spec.name for spec in zygote.started[-rounds - 1 :]}) == 1 + rounds  # two live at a time


def probes_made(monkeypatch):
    """Return the list to which every round's probes are appended."""
    from autoresearch_dagster.evaluation import answers

    make_probes, made = answers.make_probes, []

    def noted(*arguments):
        made.append(make_probes(*arguments))
        return made[-1]

    monkeypatch.setattr(answers, "make_probes", noted)
    return made


def test_a_secret_fixes_the_audit_and_another_one_changes_it(honest, zygote, monkeypatch):
    from autoresearch_dagster.evaluation.secret import Secret

    made = probes_made(monkeypatch)
    for token in (b"one", b"one", b"two"):
        evaluate(dataclasses.replace(honest, secret=Secret(token)), zygote)

    assert np.array_equal(made[0].tokens, made[1].tokens)
    assert not np.array_equal(made[0].tokens, made[2].tokens)


def test_the_first_round_is_the_same_with_others_behind_it_and_each_has_cuts_of_its_own(
    honest, zygote, monkeypatch
):
    from autoresearch_dagster.evaluation.secret import Secret

    made = probes_made(monkeypatch)
    fixed = dataclasses.replace(honest, secret=Secret(b"one"), reference=np.full((16, 32), 100.0))
    one, three = evaluate(fixed, zygote), evaluate(dataclasses.replace(fixed, audit_rounds=3), zygote)

    assert len(made) == 1 + 3
    assert np.array_equal(made[0].tokens, made[1].tokens)
    for first, second in ((1, 2), (1, 3), (2, 3)):
        assert (made[first].cuts != made[second].cuts).mean() > 0.5
    assert three.audit.audits == 3 * one.audit.audits == 48
    assert {kind: s.audits for kind, s in three.audit.strata.items()} == {"uniform": 24, "gain": 12, "bos": 12}
    assert (three.val_bpb, three.audit.corrected_bpb) == (one.val_bpb, one.audit.corrected_bpb)
    assert [server.wall_s > server.load_s >= 0 for server in three.serve.auditing] == [True] * 3
    charged = [server.load_s + server.first_s for server in three.serve.auditing]
    assert max(charged) <= three.serve.charged_s < three.serve.allowed_s


def test_a_fault_in_a_later_round_leaves_no_server_and_gives_no_score(honest, zygote, monkeypatch):
    from autoresearch_dagster.evaluation import evaluator

    watching = Watching(zygote)

    def broken(server, asked, committed, number, start_next):
        if number == 1:
            start_next()
            raise MemoryError("no room for a comparison")
        return audit(server, asked, committed, number, start_next)

    audit = evaluator.audit
    monkeypatch.setattr(evaluator, "audit", broken)
    with pytest.raises(EvaluationFault, match="no room for a comparison"):
        evaluate(dataclasses.replace(honest, audit_rounds=3), watching)

    assert len(watching.jobs) == 4
    assert all(job.status().exit_code is not None for job in watching.jobs)


def test_a_score_without_an_audit_is_not_given(honest, zygote):
    with pytest.raises(EvaluationFault, match="without an audit"):
        evaluate(dataclasses.replace(honest, audit_rounds=0), zygote)


def test_order_and_company_do_not_change_a_score(honest, zygote):
    from autoresearch_dagster.evaluation.secret import Secret

    one, other = (evaluate(dataclasses.replace(honest, secret=Secret(token)), zygote) for token in (b"1", b"2"))

    assert np.array_equal(one.nats, other.nats)


def test_an_honest_model_deviates_by_nothing_on_a_cpu(honest, zygote):
    score = evaluate(honest, zygote)

    assert (score.audit.mismatches, score.audit.audits) == (0, 16)
    assert score.audit.max_deviation <= 1e-6
    assert score.audit.corrected_bpb == pytest.approx(score.val_bpb, abs=1e-6)
    assert score.rejected == ""


def test_a_reference_draws_cuts_to_where_the_candidate_gains(honest, zygote):
    worse = np.full((16, 32), 0.0)
    worse[:, 10] = 100.0  # the champion is worse at one place alone

    score = evaluate(dataclasses.replace(honest, reference=worse), zygote)

    assert score.audit.reference
    assert score.audit.strata["gain"].audits == 4


def test_a_reference_of_other_rows_is_our_fault(honest, zygote):
    with pytest.raises(EvaluationFault, match="champion"):
        evaluate(dataclasses.replace(honest, reference=np.zeros((3, 32))), zygote)


def test_any_fault_on_our_side_gives_no_score(honest, zygote, monkeypatch):
    from autoresearch_dagster.evaluation import evaluator

    def broken(*_arguments, **_more):
        raise MemoryError("no room for statistics")

    monkeypatch.setattr(evaluator, "audit_record", broken)
    watching = Watching(zygote)

    with pytest.raises(EvaluationFault, match=r"fault of ours.*no room for statistics"):
        evaluate(honest, watching)

    assert all(job.status().exit_code is not None for job in watching.jobs)


def test_a_server_that_cannot_start_is_our_fault_and_leaves_nothing(honest, zygote):
    class Failing(Watching):
        def start(self, spec):
            if self.jobs:
                raise ContainerError("no room for a second container")
            return super().start(spec)

    watching = Failing(zygote)
    with pytest.raises(ContainerError):
        evaluate(dataclasses.replace(honest, scratch_prefix="ar-left-"), watching)

    assert [job.status().exit_code is not None for job in watching.jobs] == [True]
    assert list(Path(tempfile.gettempdir()).glob("ar-left-*")) == []


def test_the_tolerance_is_measured_once_and_found_again(honest, zygote, tmp_path):
    fresh = dataclasses.replace(honest, tolerances=tmp_path / "home")

    evaluate(fresh, zygote)
    (kept,) = (tmp_path / "home").iterdir()
    found = tolerance.find(fresh)
    evaluate(fresh, zygote)

    assert found is not None
    assert found.deviation <= 1e-6
    assert tolerance.find(dataclasses.replace(fresh, image="another")) is None
    kept.write_bytes(b"{ damaged")
    assert tolerance.find(fresh) is None
    assert evaluate(fresh, zygote).audit.tolerance == TOLERANCE_MIN_NATS["fp32"]
    assert tolerance.find(fresh) == found


def test_half_precision_on_the_wire_is_audited_too(honest, zygote):
    half = evaluate(dataclasses.replace(honest, wire="fp16"), zygote)

    assert half.rejected == ""
    assert half.val_bpb == pytest.approx(evaluate(honest, zygote).val_bpb, abs=1e-3)
