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
    """Those trainings."""


class FloorTraining(Data):
    """One training of the baseline and what became of it."""

    planned: PlannedExperiment
    """The training as it was planned."""
    result: ExperimentResult
    """What became of it."""


class FloorMeasured(Data):
    """What the baseline's seeds show."""

    kind: Literal["floor_measured"] = "floor_measured"
    floor: NoiseFloor
    """Sigma and what it rests on."""
    budget_s: int
    """What an experiment of this session may train from now on, in seconds of resource time."""
    trainings: tuple[FloorTraining, ...]
    """The trainings that it rests on."""
    terms: Digest
    """Digest of all that the floor depends on."""
    cached: bool = False
    """Whether they are of an earlier session on the same terms."""


class CandidateScreened(Data):
    """A candidate was compared on one seed."""

    kind: Literal["candidate_screened"] = "candidate_screened"
    key: ExperimentKey
    """The candidate."""
    against: ExperimentKey | None
    """The champion; null: the baseline."""
    decision: ScreeningDecision
    """Figures and sentence."""


class ConfirmationPlanned(Data):
    """Candidates and champion will be trained at these seeds and scored on the confirmation rows."""

    kind: Literal["confirmation_planned"] = "confirmation_planned"
    dispatch: int
    """The dispatch that the candidates are of."""
    against: ExperimentKey | None
    """The champion; null: the baseline."""
    candidates: tuple[ExperimentKey, ...]
    """Those that are trained again."""
    left_out: tuple[ExperimentKey, ...]
    """Those that deserved it and for which the session's budget of confirmations does not suffice; for them it
    is decided."""
    seeds: tuple[int, ...]
    """In both arms."""
    planned: tuple[PlannedExperiment, ...]
    """Trainings that do not exist yet."""


class PromotionJudged(Data):
    """One look at a candidate's confirmation."""

    kind: Literal["promotion_judged"] = "promotion_judged"
    key: ExperimentKey
    """The candidate."""
    decision: PromotionDecision
    """Figures and sentence."""


class PromotionRefused(Data):
    """A candidate is not promoted for another reason than its score; `rejected` takes the score away, too."""

    kind: Literal["promotion_refused"] = "promotion_refused"
    key: ExperimentKey
    """The candidate."""
    reason: str
    """Why."""
    rejected: bool
    """Whether the score is taken away, too."""


class ChampionChosen(Data):
    """A confirmed candidate is what the others are compared with from now on."""

    kind: Literal["champion_chosen"] = "champion_chosen"
    key: ExperimentKey
    """The candidate that is champion now."""
    reason: str
    """Why."""


class TransferPlanned(Data):
    """A new champion will be trained at twice the width or depth.

    A `probe` is one training of the champion alone: does its file honour the override?  What is not a probe
    trains it and the champion before at all `seeds`; it takes the next number of the session's error budget.
    """

    kind: Literal["transfer_planned"] = "transfer_planned"
    dispatch: int
    """The dispatch after which it is tried."""
    key: ExperimentKey
    """The champion."""
    against: ExperimentKey | None
    """The champion before it; null: the baseline."""
    dimension: Dimension
    """What is doubled."""
    probe: bool
    """Whether only the override is tried."""
    seeds: tuple[int, ...]
    """Seeds that are trained at: in both arms, for a probe in one."""
    planned: tuple[PlannedExperiment, ...]
    """Trainings that do not exist yet."""


class TransferJudged(Data):
    """Whether a champion's gain holds at twice the size; it keeps its crown either way."""

    kind: Literal["transfer_judged"] = "transfer_judged"
    key: ExperimentKey
    """The champion."""
    against: ExperimentKey | None
    """The champion before it; null: the baseline."""
    outcome: TransferOutcome
    """What came out."""
    reason: str
    """Why."""
    dimension: Dimension | None = None
    """What was doubled; null: nothing was compared."""
    decision: PromotionDecision | None = None
    """Figures and sentence; null: nothing was compared."""


Decision = (
    FloorPlanned
    | FloorMeasured
    | CandidateScreened
    | ConfirmationPlanned
    | PromotionJudged
    | PromotionRefused
    | ChampionChosen
    | TransferPlanned
    | TransferJudged
)
"""All that the platform plans and concludes by itself."""
