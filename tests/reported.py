"""Sessions made for the report: events without a store, as small or as large as a test wants them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from autoresearch_dagster.core.experiment import (
    Claims,
    Digest,
    ExperimentKey,
    ExperimentResult,
    Outcome,
    PlannedExperiment,
    Purpose,
    Standing,
    TrainConfig,
    Verdict,
    canonical_json,
    digest_of,
)
from autoresearch_dagster.reports.page.view import ReportView
from autoresearch_dagster.store import events as ev, promotion_events as pe
from autoresearch_dagster.store.fold import fold
from autoresearch_dagster.store.ledger_events import TokenUsage
from tests.agent_bench import BASELINE
from tests.judged import measured, noise_floor, promotion, screening

START = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
REPLY = "I try something.\n```python\nrun()\n```"
FLOOR = (2.6, 2.61, 2.59)
AXES = ("learning_rate", "schedule", "optimizer", "architecture", "size")


def score_of(number: int) -> float:
    """A score that looks like luck and is always the same."""
    return 2.45 + int(digest_of(f"score {number}".encode())[:6], 16) / 2**24 * 0.2


@dataclass
class Research:
    """Writes a session event after event; `codes` are the texts that its events name."""

    config: Mapping[str, Any] = field(default_factory=dict)
    events: list[ev.Event] = field(default_factory=list)
    codes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        config = ev.SessionConfig(memory_key="night-run", **self.config)
        self.add(ev.SessionStarted(number=1, config=config, driver="cli", bundle="b" * 64))

    def add(self, *events: ev.Event) -> "Research":
        self.events += events
        return self

    def keep(self, text: str) -> Digest:
        digest = digest_of(text.encode())
        self.codes[digest] = text
        return digest

    def floor(self) -> "Research":
        """The noise floor of three seeds."""
        planned = tuple(
            self.planned(f"n{seed + 1:02}", 0, "baseline", BASELINE, seed=seed, purpose=Purpose.NOISE_FLOOR)
            for seed in range(3)
        )
        results = [self.result(score) for score in FLOOR]
        pairs = list(zip(planned, results, strict=True))
        self.add(pe.FloorPlanned(planned=planned))
        for one, result in pairs:
            self.add(
                ev.AttemptStarted(key=one.key, attempt=1, owner="host:1:1", slot="core 0"),
                ev.ExperimentFinished(key=one.key, result=result),
            )
        return self.add(measured(pairs, noise_floor(*FLOOR)))

    def planned(
        self, letter: str, dispatch: int, title: str, code: str, *, seed: int = 0, **more: Any
    ) -> PlannedExperiment:
        return PlannedExperiment(
            key=ExperimentKey(f"s01_d{dispatch:02}_{letter}"),
            title=title,
            revision=1,
            train_py=self.keep(code),
            config=TrainConfig(seed=seed),
            **more,
        )

    def result(self, score: float | None, **more: Any) -> ExperimentResult:
        given: dict[str, Any] = {
            "outcome": Outcome.TRAINED,
            "verdict": Verdict.ACCEPTED,
            "standing": Standing.SCREENED,
        }
        if score is None:
            given = {"outcome": Outcome.CRASHED, "error": "RuntimeError: mat1 and mat2 do not fit"}
        curve = [{"step": step, "loss": 9 - step / 40, "elapsed_s": step / 10} for step in range(0, 200, 10)]
        return ExperimentResult(
            **{
                **given,
                "val_bpb": score,
                "curve": self.keep(canonical_json(curve).decode()) if score is not None else None,
                "claims": Claims(model_name="TinyGPT", n_params=1_000_000, steps=200),
                "duration_sec": 20.0,
                "cpu_sec": 18.0,
                "receipt": digest_of(b"receipt"),
                **more,
            }
        )

    def edit(self, title: str, code: str, parent: str | None, summary: str = "", axis: str = "") -> "Research":
        return self.add(
            ev.EditSaved(
                title=title,
                slug="x",
                revision=1,
                train_py=self.keep(code),
                lines=len(code.splitlines()),
                config_overrides={"learning_rate": 0.002},
                adjusted={},
                change_summary=summary or f"what {title} is about",
                parent_title=parent,
                signature=title,
                axes=(axis,) if axis else (),
            )
        )

    def turn(
        self, number: int, reply: str = "I try something.\n```python\nrun()\n```", usd: str = ""
    ) -> "Research":
        if usd:
            ticket = f"ticket {number}"
            self.add(
                ev.ModelAsked(
                    ticket=ticket,
                    purpose="turn",
                    turn=number,
                    request=digest_of(b"request"),
                    model="claude",
                    prices="1",
                    reserved_usd=Decimal(1),
                ),
                ev.ModelAnswered(
                    ticket=ticket,
                    usage=TokenUsage(input_tokens=9_000, output_tokens=800),
                    usd=Decimal(usd),
                    duration_s=12.5,
                ),
            )
        code = "batch = plan()\n" * 12
        return self.add(
            ev.ModelReplied(turn=number, reply=reply, stop_reason="end_turn"),
            ev.PlanStarted(turn=number, code=code, plan=digest_of(b"plan"), started_at=START, seed=1),
        )

    def call(self, turn: int, sequence: int, size: int = 200) -> "Research":
        return self.add(
            ev.CallRecorded(
                turn=turn,
                sequence=sequence,
                call="c",
                function="get_budget",
                arguments={"memory_key": ""},
                result={"text": '{"a": 1}, ' * (size // 10)},
                duration_s=0.002,
            )
        )

    def launch(self, turn: int, planned: tuple[PlannedExperiment, ...]) -> "Research":
        return self.add(
            ev.CallPending(
                turn=turn,
                sequence=99,
                call="c",
                function="run_experiment_batch",
                arguments={"titles": [one.title for one in planned]},
                dispatch=turn,
                planned=planned,
                answers=tuple(one.key for one in planned),
            )
        )

    def finish(self, planned: PlannedExperiment, result: ExperimentResult) -> "Research":
        return self.add(
            ev.AttemptStarted(key=planned.key, attempt=1, owner="host:1:1", slot="core 0"),
            ev.ExperimentFinished(key=planned.key, result=result),
        )

    def answer(self, turn: int) -> "Research":
        return self.add(
            ev.CallAnswered(turn=turn, sequence=99, call="c", result={"ranked": ["x"]}),
            ev.PlanFinished(turn=turn, observation="Execution result:\n" + "ranked\n" * 50, failed=False),
        )

    def recorded(self) -> list[ev.Recorded]:
        return [
            ev.Recorded(session="s01", sequence=number, at=START + timedelta(seconds=7 * number), event=event)
            for number, event in enumerate(self.events)
        ]

    def view(self, now: datetime | None = None) -> ReportView:
        events = self.recorded()
        return ReportView(
            state=fold(events),
            events=events,
            code=self.codes.get,
            baseline=BASELINE,
            now=now or events[-1].at + timedelta(seconds=5),
            zone=UTC,
        )


def changed(code: str, number: int, lines: int = 4) -> str:
    """A train.py with some of its lines changed, always the same ones."""
    out = code.splitlines()
    for count in range(lines):
        place = int(digest_of(f"{number} {count}".encode())[:6], 16) % len(out)
        out[place] = f"{out[place]}  # idea {number}.{count}: a longer remark on why this was changed"
    return "\n".join(out) + "\n"


def confirmed(research: Research, planned: PlannedExperiment, gain: float, *, looks: int = 1) -> None:
    """Confirm a candidate and make it champion."""
    research.add(
        pe.ConfirmationPlanned(
            dispatch=1, against=None, candidates=(planned.key,), left_out=(), seeds=(101, 102), planned=()
        ),
        pe.PromotionJudged(key=planned.key, decision=promotion("confirmed", gain, looks=looks)),
        pe.ChampionChosen(key=planned.key, reason="Better."),
    )


def screened(research: Research, planned: PlannedExperiment, score: float | None, champion: float) -> None:
    """Compare a candidate on one seed."""
    if score is not None:
        gain = champion - score
        outcome = "worth_confirming" if gain > 0.05 else "regression" if gain < -0.05 else "within_noise"
        research.add(pe.CandidateScreened(key=planned.key, against=None, decision=screening(outcome, gain)))


def batches(experiments: int, size: int = 4) -> Iterator[tuple[int, range]]:
    """Turns, each with the numbers of its experiments."""
    for turn, first in enumerate(range(1, experiments + 1, size), start=1):
        yield turn, range(first, min(first + size, experiments + 1))


def researched(experiments: int, *, usd: str = "0.05", texts: int = 200) -> Research:
    """A whole session of batches of four: hypotheses, edits upon edits, failures, a champion now and then."""
    research = Research({"n_experiments": experiments, "researcher": "claude", "max_usd": 500.0}).floor()
    research.add(ev.DirectiveGiven(text="Lower val_bpb.\n" * 20))
    champion, leading, code = FLOOR[0], None, BASELINE
    for turn, numbers in batches(experiments):
        research.turn(turn, usd=usd)
        for sequence in range(4):
            research.call(turn, sequence, texts)
        planned: list[PlannedExperiment] = []
        for number in numbers:
            title, axis = f"idea-{number}", AXES[number % len(AXES)]
            text = changed(code, number)
            claim = f"Idea {number} helps, because the gradient is less noisy then."
            research.add(ev.HypothesisRecorded(title=title, hypothesis=claim, expected_effect="decrease by 0.03"))
            research.edit(title, text, leading, axis=axis)
            planned.append(research.planned(f"e{number:02}", turn, title, text, parent_title=leading))
        items = tuple({"title": one.title, "hypothesis": "it helps"} for one in planned)
        research.add(ev.BatchPlanned(batch_id=f"batch-{turn}", experiments=items))
        research.launch(turn, tuple(planned))
        for one, number in zip(planned, numbers, strict=True):
            score = None if number % 17 == 5 else score_of(number)
            research.finish(one, research.result(score))
            screened(research, one, score, champion)
            if score is not None and score < champion - 0.04:
                confirmed(research, one, champion - score)
                champion, leading, code = score, one.title, research.codes[one.train_py]
        research.answer(turn)
    return research.add(ev.SessionFinished(reason="final answer", summary="# What I found\n\n- idea 1 **helps**\n"))


ATTACKS = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<!--<script>",
    '"><img src=x onerror=alert(1)>',
    "'};alert(1);//",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "[x](javascript:alert(1))",
    "<style>*{display:none}</style>",
    "&lt;b&gt;",
]


def hostile(text):
    """A session in which everything that somebody else writes is this text."""
    research = Research({"source": text, "model": text, "researcher": "claude"}).floor()
    research.add(ev.DirectiveGiven(text=text))
    research.turn(1, f"{text}\n```python\n{text}\n```", usd="0.5").call(1, 0)
    research.add(
        ev.CallRecorded(turn=1, sequence=1, call="c", function=text, arguments={text: text}, result={text: text}),
        ev.HypothesisRecorded(title=text, hypothesis=text, expected_effect=f"{text} decrease by 0.03"),
        ev.BatchPlanned(batch_id=text, experiments=({"title": text, text: text},)),
        ev.BatchSentBack(turn=1, axis=text, signatures=("a",)),
        ev.Steered(note=text, by=text),
    )
    code = f"{BASELINE}\n# {text}\nx = {text!r}\n"
    research.edit(text, code, None, summary=text, axis=text)
    good = research.planned("e01", 1, text, code, parent_title=text)
    bad = research.planned("e02", 1, f"{text} again", code, parent_title=text)
    research.launch(1, (good, bad))
    score = FLOOR[0] - 0.01
    research.finish(good, research.result(score, claims=Claims(model_name=text, notes=text), log_tail=text))
    research.finish(bad, research.result(None, outcome=Outcome.CRASHED, error=text, log_tail=text))
    screened(research, good, score, FLOOR[0])
    return research.answer(1).add(ev.SessionFinished(reason=text, summary=text)).view()
