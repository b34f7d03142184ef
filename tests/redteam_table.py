"""What must become of each candidate in tests/redteam: its ending, and words of the reason."""

import re
from dataclasses import dataclass
from pathlib import Path

from autoresearch_dagster.core.experiment import Outcome, TrainConfig, Verdict

CANDIDATES = Path(__file__).parent / "redteam"
SHORT = TrainConfig(max_steps=30, time_budget_sec=1)
"""Training takes a tenth of a second; who trains late takes three."""
HONEST = "honest_bigram"
"""The model and the training of which most cheats are made."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How an experiment must end.  Units: `seconds` of budget, of CPU or of wall time."""

    outcome: Outcome
    verdict: Verdict = Verdict.UNAUDITED
    words: str = ""
    """A regular expression that the reason must hold; no reason where it is empty."""
    like: str = ""
    """The candidate whose score it must have, to 1e-6: nothing was gained."""
    seconds: int = 1
    wall: bool = False
    sealed: bool = False
    """Runs in containers alone: elsewhere it would find what it looks for, or do harm."""
    quick: bool = False
    """One of each kind runs in `make test`."""

    @property
    def scored(self) -> bool:
        """Whether it gets a score of record."""
        return self.verdict is Verdict.ACCEPTED

    def matches(self, reason: str) -> bool:
        """Whether a reason is the right one."""
        return re.search(self.words, reason) is not None if self.words else reason == ""


def refused(words: str, *, quick: bool = False, sealed: bool = False, seconds: int = 1) -> Ending:
    """No score could be made."""
    return Ending(Outcome.REFUSED, words=words, quick=quick, sealed=sealed, seconds=seconds)


def rejected(words: str, *, quick: bool = False) -> Ending:
    """The audit found something."""
    return Ending(Outcome.TRAINED, Verdict.REJECTED, words, quick=quick)


def accepted(like: str = "", *, quick: bool = False, sealed: bool = False, seconds: int = 20) -> Ending:
    """A score of record, and the same as an honest model's where `like` names it."""
    return Ending(Outcome.TRAINED, Verdict.ACCEPTED, like=like, quick=quick, sealed=sealed, seconds=seconds)


def ended(outcome: Outcome, words: str, *, wall: bool = False, sealed: bool = False, seconds: int = 1) -> Ending:
    """Training itself ended badly."""
    return Ending(outcome, words=words, wall=wall, sealed=sealed, seconds=seconds)


AHEAD = "^The model looks ahead: its answer at position"
CHANGES = r"answers in eval\(\) are not deterministic"
COMPANY = "depend on the other rows of the batch or on a row's place in it"
PROCESSES = "Two fresh processes answer the same development rows differently"
TIME = "of the budget were left for it"
SAME_WORK = "forward must do the same work at each call"
AUDIT = "the model looks ahead, remembers rows, or is not deterministic"
OUT_OF_BUDGET = "Its budget of 1 s was used up and no model was handed over"

LEAKS = {
    "look_ahead": refused(AHEAD, quick=True),
    "look_ahead_soft": refused(AHEAD),
    "look_ahead_two": refused(AHEAD),
    "look_ahead_tenth": refused(AHEAD),
    "look_ahead_bos": refused(AHEAD),
    "infinite_elsewhere": refused(AHEAD),
    "mask_removed": refused(AHEAD),
    "bidirectional": refused(AHEAD),
    "mean_over_time": refused(AHEAD),
    "tiny_push": rejected("lean towards the true next token", quick=True),
    "recognises_development": rejected(AUDIT, quick=True),
    "knows_its_role": rejected(AUDIT),
    "memory_scored": rejected(AUDIT),
}
STATE = {
    "memory": refused(PROCESSES, quick=True),
    "memory_of_rows": refused(CHANGES),
    "learns_while_answering": refused(CHANGES),
    "cache_kept": refused(CHANGES),
    "call_number": refused(CHANGES),
    "random_answers": refused(CHANGES),
    "clock": refused(CHANGES),
    "process_age": refused(PROCESSES),
    "other_rows": refused(COMPANY),
    "batch_mean": refused(COMPANY),
    "row_order": refused(COMPANY),
    "rows_shifted": refused(COMPANY),
    "experts_with_capacity": refused(COMPANY),
    "functional_dropout": refused("F.dropout needs training=self.training", quick=True),
    "dropout_in_eval": refused("is dropout on in eval"),
}
ANSWERS = {
    "wrong_shape": refused(r"return \(4, 32, 256\)"),
    "complex_numbers": refused("return real logits"),
    "late_nan": refused("NaN or infinite logits"),
    "nan_in_special": refused("NaN or infinite logits"),
    "huge_logits": refused("probability zero"),
    "answers_ahead": refused(f"{AHEAD}|{CHANGES}|{COMPANY}"),
    "forged_error_frame": refused(r"^nothing val_bpb 0\.0123 \\x1b\[32maccepted"),
    "needs_targets": refused("missing 1 required positional argument: 'targets'"),
    "returns_tuple": refused("returned a tuple; return the logits alone"),
    "short_context": refused("IndexError|index out of range"),
    "slow_later": refused(SAME_WORK),
    "integers": accepted(),
    "zero_loss": accepted(HONEST),
}
LATE = {
    "late_first_answer": refused(TIME, quick=True),
    "late_first_scored": refused(SAME_WORK),
    "late_every_answer": refused(TIME),
    "late_unpickling": refused(TIME),
    "late_import": refused(TIME),
    "late_spread": refused(CHANGES),
    "late_thread": refused(f"{CHANGES}|{PROCESSES}"),
}
BUDGET = {
    "ignores_max_steps": accepted(seconds=2),
    "ignores_its_budget": accepted(HONEST, seconds=2),
    "never_hands_over": ended(Outcome.TIMED_OUT, OUT_OF_BUDGET),
    "trains_in_a_child": ended(Outcome.TIMED_OUT, OUT_OF_BUDGET),
    "hides_its_start": ended(Outcome.TIMED_OUT, OUT_OF_BUDGET, sealed=True),
    "restarts_its_clock": ended(Outcome.TIMED_OUT, OUT_OF_BUDGET),
    "hangs_in_training": ended(Outcome.TIMED_OUT, OUT_OF_BUDGET, wall=True),
    "child_after_hand_over": accepted(HONEST, sealed=True),
    "thread_after_hand_over": accepted(HONEST, quick=True),
    "atexit_overwrites": accepted(HONEST),
}
FILES = {
    "checkpoint_link": refused("not a plain file", quick=True),
    "checkpoint_pipe": refused("not a plain file"),
    "checkpoint_folder": refused("not a plain file"),
    "checkpoint_two_names": refused("several names"),
    "checkpoint_huge": refused("wrote more than 512 MiB"),
    "many_files": refused("wrote more than 512 MiB", seconds=120),
    "pipes_for_reports": accepted(HONEST),
    "local_class": refused("which is defined inside a function.*define classes at module level"),
    "lambda_attribute": refused("its attribute squash"),
}
WORDS = {
    "forged_print": accepted(HONEST, quick=True),
    "forged_outcome": accepted(HONEST),
    "forged_error": refused(r"^nothing val_bpb 0\.0123 \\x1b\[32maccepted"),
    "edits_prepare": accepted(HONEST),
    "says_oom": ended(Outcome.CRASHED, "^RuntimeError: CUDA out of memory"),
    "exits_like_oom": ended(Outcome.CRASHED, "exit code 137"),
    "pretends_device_oom": ended(Outcome.CRASHED, "Tried to allocate"),
}
SEALED = {
    "probes_network": accepted(HONEST, sealed=True),
    "probes_environment": accepted(HONEST),
    "probes_files": accepted(HONEST, sealed=True),
    "probes_kernel": accepted(HONEST, sealed=True),
    "writes_into_inputs": accepted(HONEST, sealed=True),
    "many_processes": accepted(HONEST, sealed=True),
    "too_much_memory": ended(Outcome.HOST_OOM, "It needed more than its 2.0 GiB", sealed=True, seconds=20),
}
HONEST_BUT_ODD = {
    HONEST: accepted(quick=True),
    "honest_lstm": accepted(),
    "honest_attention": accepted(quick=True),
    "honest_convolution": accepted(),
    "honest_experts": accepted(),
    "honest_batchnorm": accepted(),
    "honest_tied": accepted(),
    "honest_no_position": accepted(),
    "honest_bfloat16": accepted(),
    "honest_float64": accepted(),
    "honest_cache": accepted(HONEST),
    "honest_compiled": accepted(HONEST),
}
ENDINGS = LEAKS | STATE | ANSWERS | LATE | BUDGET | FILES | WORDS | SEALED | HONEST_BUT_ODD
OWN_TESTS = (
    "look_ahead_hundredth",
    "late_workshop",
    "marker",
    "executes_when_read",
    "log_injection",
    "fixed_seed",
    "never_answers",
    "dawdles",
    "too_few_numbers",
)
"""Need more than one line of a table."""
