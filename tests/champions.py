"""A home with a session whose experiments left real checkpoints, the first of them crowned if wanted."""

from pathlib import Path

from autoresearch_dagster.core.experiment import (
    ExperimentKey,
    ExperimentResult,
    Outcome,
    PlannedExperiment,
    Standing,
    TrainConfig,
    Verdict,
    canonical_json,
)
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.store import events as ev, promotion_events as pe
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.store.store import open_store
from tests.bundles import published, tiny_bundle
from tests.frozen import checkpoint_from
from tests.judged import promotion

KEY = ExperimentKey("s01_d01_e01")


class Home:
    """One session, `night`, with one experiment for each given train.py."""

    def __init__(
        self, home: Path, *codes: str, researcher: str = "scripted", crowned: bool = True, **settings: str
    ):
        self.settings = Settings(home=home, database_url="", **{"runner": "plain", **settings})
        self.store = open_store(self.settings)
        bundle = published(tiny_bundle(home / "made"), self.settings.bundles)
        for path in [bundle.packed, *bundle.packed.parents[:2], *bundle.candidate_folder.rglob("*")]:
            path.chmod(0o755)  # as the builders leave it: candidates run under another uid
        config = ev.SessionConfig(memory_key="night", researcher=researcher, preset="demo")
        self.session = self.store.journal.create(config, "cli", bundle.digest).id
        planned = tuple(self._planned(number, code) for number, code in enumerate(codes, start=1))
        with self.store.journal.transaction(self.session) as tx:
            tx.append(ev.ModelReplied(turn=1, reply="", stop_reason=None))
            place = {"turn": 1, "sequence": 0, "call": "c", "function": "f", "arguments": {}, "dispatch": 1}
            tx.append(ev.CallPending(**place, planned=planned, answers=()))
            for number, (one, code) in enumerate(zip(planned, codes, strict=True), start=1):
                tx.append(ev.AttemptStarted(key=one.key, attempt=1, owner="me"))
                tx.append(ev.ExperimentFinished(key=one.key, result=self._result(home / f"c{number}.pt", code)))
            if crowned:
                tx.append(pe.PromotionJudged(key=KEY, decision=promotion("confirmed", 0.2)))
                tx.append(pe.ChampionChosen(key=KEY, reason="better"))

    def _planned(self, number: int, code: str) -> PlannedExperiment:
        return PlannedExperiment(
            key=ExperimentKey(f"s01_d01_e{number:02}"),
            title=f"idea {number}",
            revision=1,
            train_py=self.store.blobs.put(code.encode()),
            config=TrainConfig(),
        )

    def _result(self, path: Path, code: str) -> ExperimentResult:
        """The checkpoint is of the code before the mark: what follows it runs in the sealed job alone."""
        checkpoint = self.store.blobs.put_file(checkpoint_from(code.partition("# sealed")[0], path))
        return ExperimentResult(
            outcome=Outcome.TRAINED,
            verdict=Verdict.ACCEPTED,
            standing=Standing.SCREENED,
            val_bpb=2.5,
            receipt=self.store.blobs.put(canonical_json({"val_bpb": 2.5})),
            checkpoint=checkpoint,
        )

    @property
    def state(self) -> SessionState:
        return self.store.journal.state(self.session)

    @property
    def checkpoint(self) -> Path:
        """Of the first experiment."""
        result = self.state.experiments[KEY].result
        assert result is not None
        assert result.checkpoint is not None
        return self.store.blobs.path(result.checkpoint)
