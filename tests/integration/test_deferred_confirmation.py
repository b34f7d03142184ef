"""A plan that puts confirmations off gets its scores at once; the gains are confirmed before its next turn."""

from pathlib import Path
from typing import Any

from autoresearch_dagster.agent.tools.dispatcher import TOOLBOX
from autoresearch_dagster.core.experiment import PlannedExperiment, Purpose, Standing
from autoresearch_dagster.experiments.laboratory import Laboratory
from autoresearch_dagster.experiments.session import advance_session, lease_name
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.state import SessionState
from tests.agent_bench import BASELINE, Says
from tests.scored import small_lab, train_all

GAINS = {"first": 0.5, "second": 0.9}
CODE = {title: BASELINE.replace("def run_training", f"{title} = 1\n\n\ndef run_training", 1) for title in GAINS}
PLAN = f"""```python
edit_train_code("first", {CODE["first"]!r})
edit_train_code("second", {CODE["second"]!r})
one = run_experiment("first", confirm="deferred")
two = run_experiment("second", confirm=CONFIRM)
[one["standing"], two["standing"]]
```"""


class Research:
    """A session that a researcher plans and a test trains, driver after driver."""

    def __init__(self, lab: Laboratory, reply: str) -> None:
        config = ev.SessionConfig(preset="demo", n_experiments=6, batch_size=2, time_budget_sec=20)
        self.lab, self.researcher = lab, Says(reply)
        self.id = lab.store.journal.create(config, "cli", lab.bundle.digest).id
        self.steps: list[list[tuple[str, Purpose]]] = []

    @property
    def state(self) -> SessionState:
        return self.lab.store.journal.state(self.id)

    def finish(self) -> SessionState:
        while self.advance() == "waiting":
            waiting = [(one.planned.title, one.planned.purpose) for one in self.state.unfinished]
            assert waiting, "nothing is trained and nothing is decided"
            self.steps.append(waiting)
            train_all(self.id, self.lab, self.quality)
        return self.state

    def advance(self) -> str:
        with self.lab.store.leases.hold(lease_name(self.id), "tests") as lease:
            return advance_session(self.id, self.lab, lease, lambda _: None, self.researcher)

    def quality(self, planned: PlannedExperiment) -> float:
        return GAINS.get(planned.title, 0.0)


def plan(second: str) -> str:
    return PLAN.replace("CONFIRM", repr(second))


def observed(state: SessionState) -> str:
    assert state.turns[0].finished is not None
    return state.turns[0].finished.observation


def test_the_plan_gets_its_scores_first_and_the_best_is_confirmed_before_the_next_turn(lab: Laboratory) -> None:
    session = Research(lab, plan("deferred"))
    state = session.finish()
    assert '["screened", "screened"]' in observed(state)
    purposes = [{purpose for _, purpose in step} for step in session.steps]
    assert purposes == [{Purpose.NOISE_FLOOR}, {Purpose.CANDIDATE}, {Purpose.CANDIDATE}, {Purpose.CONFIRMATION}]
    assert state.champion is not None
    assert state.champion.planned.title == "second"
    kinds = [record.event.kind for record in lab.store.journal.events(session.id)]
    assert kinds.index("champion_chosen") > kinds.index("plan_finished")
    assert [one for one in state.everything.values() if one.undecided] == []


def test_a_later_launch_that_defers_nothing_is_answered_when_all_before_it_is_decided_too(lab: Laboratory) -> None:
    state = Research(lab, plan("now")).finish()
    assert '["screened", "champion"]' in observed(state)


def test_a_driver_that_dies_between_the_plan_and_its_confirmations_is_made_up_for(
    lab: Laboratory, tmp_path: Path
) -> None:
    whole = Research(lab, plan("deferred"))
    whole.finish()
    events = lab.store.journal.events(whole.id)
    cut = next(place for place, record in enumerate(events, start=1) if record.event.kind == "plan_finished")
    other = small_lab(tmp_path / "other", lab.bundle)
    for path in lab.store.blobs.root.rglob("*"):
        if path.is_file():
            other.store.blobs.put(path.read_bytes())
    other.store.journal.adopt(events[:cut], [])
    again = Research.__new__(Research)
    again.lab, again.researcher, again.id, again.steps = other, whole.researcher, whole.id, []
    again.finish()
    kinds = [[record.event.kind for record in one.store.journal.events(whole.id)] for one in (lab, other)]
    assert kinds[0] == kinds[1]


def test_a_call_without_the_argument_is_the_call_it_was_before_there_was_one() -> None:
    tool: Any = TOOLBOX.get("run_experiment")
    assert tool.bind(("a",), {}) == {"title": "a", "time_budget_sec": None, "memory_key": ""}
    assert tool.bind(("a",), {"confirm": "now"}) == tool.bind(("a",), {})
    assert tool.bind(("a",), {"confirm": "deferred"})["confirm"] == "deferred"
    assert "'now' or 'deferred'" in tool.problem(tool.bind(("a",), {"confirm": "later"}))


def test_what_waits_for_the_end_of_its_plan_has_the_standing_screened(lab: Laboratory) -> None:
    session = Research(lab, plan("deferred"))
    for _ in range(3):
        session.advance()
        train_all(session.id, lab, session.quality)
    session.advance()
    answers: Any = [answer.result for answer in session.state.turns[0].answers.values()]
    assert [answer["standing"] for answer in answers] == [Standing.SCREENED, Standing.SCREENED]
    assert all(answer["val_bpb"] for answer in answers)
