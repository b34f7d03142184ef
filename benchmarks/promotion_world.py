"""A made world with the noise of the measured one: documents, seeds, candidates whose true gain is known.

Bits per byte of candidate c at seed s on document d, as in `evaluation.paired`:

    m(d) - gain + fit(c,d) + seed(c,s) + own(c,s,d)

Documents (their length and m) are drawn with replacement from the ones that `promotion_noise` measured.  `seed`
and `own` have the correlation `pairing` with the champion's at the same seed; `fit` belongs to a candidate that
differs in more than its seed.  `fit` and `own` fall with the square root of a document's length, as measured.
"""

import dataclasses
import functools
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autoresearch_dagster.core.judgement import NoiseFloor, PromotionDecision, ScreeningDecision
from autoresearch_dagster.evaluation.clusters import Arm
from autoresearch_dagster.evaluation.noise import measure_noise_floor
from autoresearch_dagster.evaluation.promotion import confirm
from autoresearch_dagster.evaluation.screening import screen
from autoresearch_dagster.evaluation.spending import FULL_PLAN, ConfirmationPlan

MEASURED = Path(__file__).with_name("promotion_noise_demo.json")


@dataclass(frozen=True)
class World:
    """How noisy everything is; sd in bpb, of `fit` and `own` on a document of mean length."""

    sigma: float = 0.0084  # of a score over seeds (init and data order, measured at 32 rows)
    pairing: float = 0.0
    own: float = 0.033
    fit: float = 0.02
    noisier: float = 1.0  # the candidate's seed noise, as a multiple of the champion's
    tails: float = math.inf  # degrees of freedom of a t that the seeds are drawn from, scaled to sigma
    documents: tuple[int, int] = (100, 150)  # of the selection rows (screening) and the confirmation rows
    floor_seeds: int = 3
    plan: ConfirmationPlan = FULL_PLAN


@dataclass(frozen=True)
class Luck:
    """Draws that belong to seeds: [n_seeds] and [n_seeds, n_documents]."""

    seed: np.ndarray
    own: np.ndarray


@functools.cache
def measured_documents() -> tuple[np.ndarray, np.ndarray]:
    """Return bytes and the baseline's mean nats of the measured documents."""
    measured = json.loads(MEASURED.read_text(encoding="utf-8"))
    return np.array(measured["bytes"]), np.array(measured["nats"]["baseline"]).mean(axis=0)


class Rows:
    """One drawn set of documents, and what any candidate gets on it."""

    def __init__(self, world: World, n_documents: int, rng: np.random.Generator) -> None:
        n_bytes, nats = measured_documents()
        filled = np.flatnonzero(n_bytes)
        drawn = filled[rng.integers(0, len(filled), n_documents)]
        self.world, self.rng = world, rng
        self.n_bytes, self.level = n_bytes[drawn], nats[drawn] / n_bytes[drawn] / math.log(2)
        self.scale = np.sqrt(n_bytes[filled].mean() / self.n_bytes)

    def luck(self, n_seeds: int) -> Luck:
        """Draw what the champion gets at these seeds."""
        return Luck(self._seeds(n_seeds), self.rng.normal(size=(n_seeds, len(self.n_bytes))))

    def champion(self, luck: Luck) -> Arm:
        """Return the champion's arm."""
        return self._arm(luck, 0.0, np.zeros(len(self.n_bytes)), 1.0)

    def candidate(self, luck: Luck, gain: float = 0.0, *, fits: bool = True) -> Arm:
        """Return a fresh candidate's arm, correlated with the champion's luck as the world says."""
        share, rest = math.sqrt(self.world.pairing), math.sqrt(1 - self.world.pairing)
        fresh = self.luck(len(luck.seed))
        mixed = Luck(share * luck.seed + rest * fresh.seed, share * luck.own + rest * fresh.own)
        fit = self.rng.normal(size=len(self.n_bytes)) * self.world.fit * fits
        return self._arm(mixed, gain, fit, self.world.noisier)

    def _seeds(self, count: int) -> np.ndarray:
        df = self.world.tails
        if math.isinf(df):
            return self.rng.normal(size=count)
        return self.rng.standard_t(df, size=count) * math.sqrt((df - 2) / df)

    def _arm(self, luck: Luck, gain: float, fit: np.ndarray, noisier: float) -> Arm:
        world = self.world
        seeds = noisier * world.sigma * luck.seed[:, None]
        bits = self.level - gain + self.scale * (fit + world.own * luck.own) + seeds
        return Arm(math.log(2) * self.n_bytes * bits, self.n_bytes, np.arange(len(self.n_bytes)))


def first(arm: Arm, n_seeds: int) -> Arm:
    """Return the first trainings of an arm."""
    return dataclasses.replace(arm, nats=arm.nats[:n_seeds])


class Session:
    """One session's rows, noise floor and champion; candidates come one after the other.

    The champion's confirmation trainings serve every candidate, as they would to save time.
    """

    def __init__(self, world: World, rng: np.random.Generator) -> None:
        self.world = world
        self.selection, self.confirmation = (Rows(world, count, rng) for count in world.documents)
        baseline = self.selection.champion(self.selection.luck(world.floor_seeds))
        self.floor: NoiseFloor = measure_noise_floor(baseline, world.plan)
        self.screening_luck = self.selection.luck(1)
        self.screening_arm = self.selection.champion(self.screening_luck)
        self.luck = self.confirmation.luck(world.plan.seeds[-1])
        self.arm = self.confirmation.champion(self.luck)
        self.confirmed_so_far = 0
        self.looks = 0
        self.trainings = 0

    def screen(self, gain: float = 0.0, *, fits: bool = True) -> ScreeningDecision:
        """Screen a new candidate with this true gain."""
        self.trainings += 1
        candidate = self.selection.candidate(self.screening_luck, gain, fits=fits)
        return screen(self.screening_arm, candidate, self.floor)

    def confirm(self, gain: float = 0.0, *, fits: bool = True, number: int | None = None) -> PromotionDecision:
        """Confirm a new candidate to the end."""
        plan = self.world.plan
        self.confirmed_so_far += 1
        whole = self.confirmation.candidate(self.luck, gain, fits=fits)
        seeds: int | None = plan.seeds[0]
        while True:
            decision = confirm(
                first(self.arm, seeds),
                first(whole, seeds),
                self.floor,
                plan,
                number=number or self.confirmed_so_far,
                looks=self.looks,
            )
            self.looks = decision.looks
            if decision.next_seeds is None:
                self.trainings += decision.n_seeds
                return decision
            seeds = decision.next_seeds
