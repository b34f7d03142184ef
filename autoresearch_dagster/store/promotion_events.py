"""Events of the noise floor and of promotion: what the platform trains and concludes by itself."""

from typing import Literal

from autoresearch_dagster.core.experiment import (
    Data,
    Digest,
    ExperimentKey,
    ExperimentResult,
    PlannedExperiment,
)
from autoresearch_dagster.core.judgement import (
    Dimension,
    NoiseFloor,
    PromotionDecision,
    ScreeningDecision,
    TransferOutcome,
)


class FloorPlanned(Data):
    """The baseline will be trained at these seeds, before the agent plans anything."""

    kind: Literal["floor_planned"] = "floor_planned"
    planned: tuple[PlannedExperiment, ...]


class FloorTraining(Data):
    """One training of the baseline and what became of it."""

    planned: PlannedExperiment
    result: ExperimentResult


class FloorMeasured(Data):
    """What the baseline's seeds show; `trainings` are those that it rests on.

    `budget_s` is what an experiment of this session may train from now on, in seconds of resource time.
    `cached` says that the trainings are of an earlier session on the same terms.
    """

    kind: Literal["floor_measured"] = "floor_measured"
    floor: NoiseFloor
    """Sigma and what it rests on."""
    budget_s: int
    """What an experiment may train from now on."""
    trainings: tuple[FloorTraining, ...]
    terms: Digest
    """Digest of all that the floor depends on."""
    cached: bool = False


class CandidateScreened(Data):
    """A candidate was compared on one seed; `against` is the champion, None for the baseline."""

    kind: Literal["candidate_screened"] = "candidate_screened"
    key: ExperimentKey
    against: ExperimentKey | None
    """The champion; null: the baseline."""
    decision: ScreeningDecision
    """Figures and sentence."""


class ConfirmationPlanned(Data):
    """Candidates and champion will be trained at these seeds and scored on the confirmation rows.

    `planned` are the trainings that do not exist yet.  `left_out` are candidates that deserved it and for whom
    the session's budget of confirmations does not suffice; for them it is decided.
    """

    kind: Literal["confirmation_planned"] = "confirmation_planned"
    dispatch: int
    against: ExperimentKey | None
    candidates: tuple[ExperimentKey, ...]
    """Those that are trained again."""
    left_out: tuple[ExperimentKey, ...]
    seeds: tuple[int, ...]
    """In both arms."""
    planned: tuple[PlannedExperiment, ...]
    """Trainings that do not exist yet."""


class PromotionJudged(Data):
    """One look at a candidate's confirmation."""

    kind: Literal["promotion_judged"] = "promotion_judged"
    key: ExperimentKey
    decision: PromotionDecision
    """Figures and sentence."""


class PromotionRefused(Data):
    """A candidate is not promoted for another reason than its score; `rejected` takes the score away, too."""

    kind: Literal["promotion_refused"] = "promotion_refused"
    key: ExperimentKey
    reason: str
    """Why."""
    rejected: bool
    """Whether the score is taken away, too."""


class ChampionChosen(Data):
    """A confirmed candidate is what the others are compared with from now on."""

    kind: Literal["champion_chosen"] = "champion_chosen"
    key: ExperimentKey
    reason: str
    """Why."""


class TransferPlanned(Data):
    """A new champion will be trained at twice the width or depth.

    A `probe` is one training of the champion alone: does its file honour the override?  What is not a probe
    trains it and `against`, the champion before (None for the baseline), at all `seeds`; it takes the next number
    of the session's error budget.  `planned` are the trainings that do not exist yet.
    """

    kind: Literal["transfer_planned"] = "transfer_planned"
    dispatch: int
    key: ExperimentKey
    against: ExperimentKey | None
    dimension: Dimension
    """What is doubled."""
    probe: bool
    """Whether only the override is tried."""
    seeds: tuple[int, ...]
    planned: tuple[PlannedExperiment, ...]


class TransferJudged(Data):
    """Whether a champion's gain holds at twice the size; it keeps its crown either way.

    `dimension` and `decision` are None where nothing was compared.
    """

    kind: Literal["transfer_judged"] = "transfer_judged"
    key: ExperimentKey
    against: ExperimentKey | None
    outcome: TransferOutcome
    """What came out."""
    reason: str
    """Why."""
    dimension: Dimension | None = None
    decision: PromotionDecision | None = None
