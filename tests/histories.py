"""Random histories of a session that the agent layer could have written, for property tests."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from autoresearch_dagster.core.experiment import (
    Claims,
    ExperimentKey,
    ExperimentResult,
    Label,
    Outcome,
    PlannedExperiment,
    Purpose,
    Standing,
    TrainConfig,
    Verdict,
    digest_of,
)
from autoresearch_dagster.store import events as ev, promotion_events as pe
from tests.judged import promotion, screening

START = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
TITLES = st.sampled_from(["wide", "Wide ", "cosine lr", "ütf – 日本", "baseline", 'quote " and \\'])
TEXT = st.text('aé日\n\0"\\🚀', max_size=5)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def result(draw: Any) -> ExperimentResult:
    """Any result that pydantic lets through."""
    return ExperimentResult(
        outcome=draw(st.sampled_from(Outcome)),
        verdict=draw(st.sampled_from(Verdict)),
        standing=draw(st.none() | st.sampled_from(Standing)),
        labels=tuple(draw(st.lists(st.sampled_from(Label), max_size=2))),
        val_bpb=draw(st.none() | FLOATS),
        error=draw(TEXT),
        duration_sec=draw(FLOATS),
        claims=Claims(model_name=draw(TEXT), val_bpb=draw(st.none() | FLOATS)),
    )


class Author:
    """Writes one valid event after another."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.turn, self.sequence, self.dispatch = 0, 0, 0
        self.pending: int | None = None
        self.keys: list[ExperimentKey] = []
        self.open: list[ExperimentKey] = []
        self.trained: list[ExperimentKey] = []
        self.confirming: list[ExperimentKey] = []
        self.scaling: list[ExperimentKey] = []

    def next(self) -> ev.Event:
        kinds = [self.reply, self.steer, self.pause, self.hypothesis, self.put_away, self.take_out]
        if self.turn:
            kinds += [self.call, self.edit, self.plan_finished]
            kinds += [self.answer] if self.pending is not None else [self.launch, self.launch]
        if self.open:
            kinds += [self.attempt, self.finish, self.finish]
        if self.trained:
            kinds += [self.screen, self.confirm]
        if self.confirming:
            kinds += [self.judge, self.refuse, self.crown, self.scale]
        if self.scaling:
            kinds += [self.transfer]
        return self.draw(st.sampled_from(kinds))()

    def reply(self) -> ev.Event:
        self.turn, self.sequence, self.pending = self.turn + 1, 0, None
        return ev.ModelReplied(turn=self.turn, reply=self.draw(TEXT), stop_reason="end_turn")

    def steer(self) -> ev.Event:
        return ev.Steered(note=self.draw(TEXT))

    def pause(self) -> ev.Event:
        return ev.SessionPaused(reason=self.draw(TEXT))

    def put_away(self) -> ev.Event:
        return ev.SessionArchived()

    def take_out(self) -> ev.Event:
        return self.draw(
            st.sampled_from(
                [
                    ev.SessionRestored(),
                    ev.SessionImported(events=digest_of(b"events"), session="s07", memory_key="elsewhere"),
                    ev.SessionResumed(config=ev.SessionConfig(n_experiments=2), driver="daemon"),
                    ev.SessionFinished(reason="final answer", summary="done"),
                ]
            )
        )

    def hypothesis(self) -> ev.Event:
        return ev.HypothesisRecorded(title=self.draw(TITLES), hypothesis=self.draw(TEXT), expected_effect="")

    def edit(self) -> ev.Event:
        title = self.draw(TITLES)
        return ev.EditSaved(
            title=title,
            slug="x",
            revision=1,
            train_py=digest_of(title.encode()),
            lines=1,
            config_overrides={"n_layer": 2},
            adjusted={},
            change_summary=self.draw(TEXT),
            parent_title=None,
            signature="s",
        )

    def call(self) -> ev.Event:
        self.sequence += 1
        value = self.draw(st.recursive(FLOATS | TEXT | st.none(), st.lists, max_leaves=3))
        return ev.CallRecorded(
            turn=self.turn, sequence=self.sequence, call="c", function="f", arguments={"a": value}, result=value
        )

    def launch(self) -> ev.Event:
        self.sequence, self.dispatch = self.sequence + 1, self.dispatch + 1
        self.pending = self.sequence
        first = len(self.keys) + 1
        planned = tuple(
            PlannedExperiment(
                key=ExperimentKey(f"s01_d{self.dispatch:02}_e{first + n:02}"),
                title=self.draw(TITLES),
                revision=1,
                train_py=digest_of(b"x"),
                config=TrainConfig(seed=n),
            )
            for n in range(self.draw(st.integers(1, 3)))
        )
        self.keys += [item.key for item in planned]
        self.open += [item.key for item in planned]
        return ev.CallPending(
            turn=self.turn,
            sequence=self.sequence,
            call="c",
            function="run_experiment",
            arguments={},
            dispatch=self.dispatch,
            planned=planned,
            answers=tuple(item.key for item in planned),
        )

    def answer(self) -> ev.Event:
        sequence, self.pending = self.pending or 0, None
        return ev.CallAnswered(turn=self.turn, sequence=sequence, call="c", result={"ok": True})

    def plan_finished(self) -> ev.Event:
        return ev.PlanFinished(turn=self.turn, observation=self.draw(TEXT), failed=self.draw(st.booleans()))

    def attempt(self) -> ev.Event:
        return ev.AttemptStarted(key=self.draw(st.sampled_from(self.open)), attempt=1, owner="h:1:1")

    def finish(self) -> ev.Event:
        key = self.draw(st.sampled_from(self.open))
        self.open.remove(key)
        if "_e" in key:
            self.trained.append(key)
        return ev.ExperimentFinished(key=key, result=result(self.draw))

    def screen(self) -> ev.Event:
        outcome = self.draw(st.sampled_from(["worth_confirming", "within_noise", "regression"]))
        key = self.draw(st.sampled_from(self.trained))
        return pe.CandidateScreened(key=key, against=None, decision=screening(outcome, self.draw(FLOATS)))

    def again(self, key: ExperimentKey, letter: str, purpose: Purpose) -> PlannedExperiment:
        name = ExperimentKey(f"s01_d{self.dispatch:02}_{letter}{len(self.keys) + 1:02}")
        self.keys.append(name)
        self.open.append(name)
        return PlannedExperiment(
            key=name,
            title="x",
            revision=1,
            train_py=digest_of(b"x"),
            config=TrainConfig(),
            purpose=purpose,
            trains=key,
        )

    def confirm(self) -> ev.Event:
        key = self.draw(st.sampled_from(self.trained))
        self.confirming.append(key)
        planned = self.again(key, "c", Purpose.CONFIRMATION)
        left_out = tuple(self.draw(st.lists(st.sampled_from(self.trained), max_size=1)))
        return pe.ConfirmationPlanned(
            dispatch=self.dispatch,
            against=None,
            candidates=(key,),
            left_out=left_out,
            seeds=(1,),
            planned=(planned,),
        )

    def judge(self) -> ev.Event:
        outcome = self.draw(st.sampled_from(["confirmed", "undecided", "within_noise"]))
        decision = promotion(outcome, self.draw(FLOATS), looks=self.draw(st.integers(1, 9)))
        return pe.PromotionJudged(key=self.draw(st.sampled_from(self.confirming)), decision=decision)

    def refuse(self) -> ev.Event:
        key, rejected = self.draw(st.sampled_from(self.confirming)), self.draw(st.booleans())
        return pe.PromotionRefused(key=key, reason=self.draw(TEXT), rejected=rejected)

    def crown(self) -> ev.Event:
        return pe.ChampionChosen(key=self.draw(st.sampled_from(self.confirming)), reason="better")

    def scale(self) -> ev.Event:
        key = self.draw(st.sampled_from(self.confirming))
        self.scaling.append(key)
        return pe.TransferPlanned(
            dispatch=self.dispatch,
            key=key,
            against=None,
            dimension=self.draw(st.sampled_from(["width", "depth"])),
            probe=self.draw(st.booleans()),
            seeds=(251,),
            planned=(self.again(key, "t", Purpose.SCALE_TRANSFER),),
        )

    def transfer(self) -> ev.Event:
        outcome = self.draw(st.sampled_from(["transfers", "does_not_transfer", "not_scalable", "no_score"]))
        compared = outcome in ("transfers", "does_not_transfer")
        return pe.TransferJudged(
            key=self.draw(st.sampled_from(self.scaling)),
            against=None,
            outcome=outcome,
            reason=self.draw(TEXT),
            dimension="width" if compared else None,
            decision=promotion("confirmed", self.draw(FLOATS), looks=3) if compared else None,
        )


@st.composite
def histories(draw: Any) -> list[ev.Event]:
    """The events of one session after `session_started`."""
    author = Author(draw)
    return [author.next() for _ in range(draw(st.integers(0, 25)))]


def recorded(events: list[ev.Event]) -> list[ev.Recorded]:
    """Give events their places and times, `session_started` first."""
    first = ev.SessionStarted(number=1, config=ev.SessionConfig(), driver="cli", bundle="b")
    return [
        ev.Recorded(session="s01", sequence=n, at=START + timedelta(seconds=n), event=event)
        for n, event in enumerate([first, *events])
    ]
