"""False promotions and power of the promotion rule, in the world of `promotion_world`.

Run: python -m benchmarks.promotion_simulation [false|power|series|coverage ...] [scale]

`scale` multiplies the number of repetitions (1 takes about 15 minutes on one core).
"""

import math
import sys
from dataclasses import replace

import numpy as np
from scipy.special import betaincinv, zeta

from autoresearch_dagster.core.limits import SESSION_ERROR_RATE
from autoresearch_dagster.evaluation.paired import paired_difference
from autoresearch_dagster.evaluation.spending import FLOOR_SEEDS, FULL_PLAN, PLANS
from benchmarks.promotion_world import Rows, Session, World, first

CANDIDATES = 200
DEMO = World(sigma=0.011, documents=(30, 30), floor_seeds=FLOOR_SEEDS["demo"], plan=PLANS["demo"])
NULL_WORLDS = {
    "init + order, unpaired": (World(), False),
    "init + order, paired 0.9": (World(pairing=0.9), False),
    "init only, sd 0.0033": (World(sigma=0.0033), False),
    "other files, equally good": (World(pairing=0.5), True),
    "floor of 5 seeds": (World(floor_seeds=5), False),
    "candidates twice as noisy": (World(noisier=2.0), False),
    "heavy tails, t of 3 df": (World(tails=3.0), False),
    "demo: 2 seeds": (DEMO, False),
}


def exact_interval(count: int, of: int) -> tuple[float, float]:
    """Return Clopper and Pearson's 95 % interval of a proportion."""
    low = float(betaincinv(count, of - count + 1, 0.025)) if count else 0.0
    high = float(betaincinv(count + 1, of - count, 0.975)) if count < of else 1.0
    return low, high


def null_session(world: World, seed: int, *, fits: bool, candidates: int = CANDIDATES) -> tuple[int, int, Session]:
    """Run a session in which nothing is better: false promotions by our rule and by the running minimum."""
    session = Session(world, np.random.default_rng(seed))
    ours = theirs = 0
    lowest = 0.0  # beside the champion's own score
    for _ in range(candidates):
        screened = session.screen(fits=fits)
        if -screened.gain_bpb < lowest:
            theirs, lowest = theirs + 1, -screened.gain_bpb
        if screened.outcome == "worth_confirming":
            ours += session.confirm(fits=fits).outcome == "confirmed"
    return ours, theirs, session


def false_promotions(scale: float) -> None:
    print(
        f"{CANDIDATES} null candidates a session:  any false promotion (95 %), by the running minimum, "
        "trainings for each candidate, confirmations"
    )
    for name, (world, fits) in NULL_WORLDS.items():
        sessions = max(10, int(scale * (1000 if name.startswith("init + order") else 300)))
        any_false = any_lowest = trainings = confirmed = 0
        for seed in range(sessions):
            ours, theirs, session = null_session(world, seed, fits=fits)
            any_false += ours > 0
            any_lowest += theirs > 0
            trainings += session.trainings
            confirmed += session.confirmed_so_far
        low, high = exact_interval(any_false, sessions)
        print(
            f"{name:28} {any_false:4} of {sessions:4} = {any_false / sessions:6.2%} ({low:.2%} to {high:.2%})"
            f"   {any_lowest / sessions:6.1%}   {trainings / sessions / CANDIDATES:6.2f}"
            f"   {confirmed / sessions:5.1f}",
            flush=True,
        )


def power(scale: float) -> None:
    print("world, k-th confirmation         gain/sigma: passes screening, promoted, trainings")
    worlds = {
        "unpaired, floor 3": World(),
        "unpaired, floor 5": World(floor_seeds=5),
        "paired 0.9, floor 3": World(pairing=0.9),
        "demo, unpaired": DEMO,
        "demo, paired 0.9": replace(DEMO, pairing=0.9),
    }
    repetitions = max(20, int(scale * 500))
    for name, world in worlds.items():
        for number in (1, 10):
            told = [found(world, gain, number, repetitions) for gain in (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)]
            print(f"{name:20} k={number:<3} " + "   ".join(told), flush=True)


def found(world: World, gain: float, number: int, repetitions: int) -> str:
    screened = promoted = trainings = 0
    for seed in range(repetitions):
        session = Session(world, np.random.default_rng(seed))
        if session.screen(gain * world.sigma).outcome == "worth_confirming":
            screened += 1
            promoted += session.confirm(gain * world.sigma, number=number).outcome == "confirmed"
        trainings += session.trainings
    return f"{gain:g}: {screened / repetitions:.0%} {promoted / repetitions:.0%} {trainings / repetitions:.1f}"


def series(scale: float) -> None:
    """Compare ways to divide 5 % over arrivals, on the same p-values (one look at five seeds)."""
    last = replace(World(), plan=replace(FULL_PLAN, seeds=(5,), shares=(1.0,)), floor_seeds=5, pairing=0.5)
    length, sessions = 30, max(20, int(scale * 300))
    rules = {
        "1/k^1.5": spending(lambda k: 1 / k**1.5 / zeta(1.5)),
        "1/k^2": spending(lambda k: 1 / k**2 / zeta(2)),
        "1/((k+1) ln^2)": spending(lambda k: 1 / (k + 1) / math.log(k + 1) ** 2 / 2.1097),
        "even over 200": spending(lambda _: 1 / CANDIDATES),
        "LORD++ (FDR)": lord,
    }
    print(f"{length} confirmations, every fifth 3 sigma better      true ones promoted   any false promotion")
    wins, false = dict.fromkeys(rules, 0), dict.fromkeys(rules, 0)
    for seed in range(sessions):
        session = Session(last, np.random.default_rng(seed))
        gains = [3 * last.sigma if place % 5 == 4 else 0.0 for place in range(length)]
        p_values = [session.confirm(gain).p for gain in gains]
        for name, rule in rules.items():
            taken = rule(p_values)
            wins[name] += sum(taken[place] for place in range(length) if gains[place] > 0)
            false[name] += any(taken[place] for place in range(length) if gains[place] == 0)
    for name in rules:
        low, high = exact_interval(false[name], sessions)
        print(
            f"{name:18} {wins[name] / sessions / (length // 5):6.1%}   {false[name] / sessions:.2%} "
            f"({low:.2%} to {high:.2%})"
        )


def spending(share):
    return lambda p_values: [p <= SESSION_ERROR_RATE * share(place + 1) for place, p in enumerate(p_values)]


def lord(p_values: list[float]) -> list[bool]:
    """LORD++ of Ramdas, Yang, Wainwright and Jordan (2017), half of the rate as its first wealth."""
    taken: list[bool] = []
    hits: list[int] = []
    for place, p in enumerate(p_values):
        wealth = SESSION_ERROR_RATE / 2
        level = wealth / (place + 1) ** 1.5
        for order, hit in enumerate(hits):
            level += (SESSION_ERROR_RATE - (wealth if order == 0 else 0)) / (place - hit) ** 1.5
        taken.append(p <= level / zeta(1.5))
        if taken[-1]:
            hits.append(place)
    return taken


def coverage(scale: float) -> None:
    repetitions = max(50, int(scale * 2000))
    print("95 % interval of a difference: how often it holds the truth")
    for pairing in (0.0, 0.9):
        for fit, own, sigma in ((0.02, 0.033, 0.0084), (0.05, 0.1, 0.0), (0.0, 0.0, 0.0084), (0.05, 0.1, 0.004)):
            world = World(pairing=pairing, fit=fit, own=own, sigma=sigma)
            held = {seeds: covered(world, seeds, repetitions) for seeds in (2, 3, 5)}
            told = "  ".join(f"{seeds} seeds {share:.1%}" for seeds, share in held.items())
            print(f"pairing {pairing}  fit {fit}  own {own}  sigma {sigma}:  {told}", flush=True)


def covered(world: World, seeds: int, repetitions: int) -> float:
    """Return how often the 95 % interval of a difference of zero holds zero."""
    held = 0
    for seed in range(repetitions):
        rows = Rows(world, world.documents[0], np.random.default_rng(seed))
        luck = rows.luck(seeds)
        difference = paired_difference(first(rows.champion(luck), seeds), rows.candidate(luck))
        held += difference.low_bpb <= 0 <= difference.high_bpb
    return held / repetitions


def main() -> None:
    parts = {"false": false_promotions, "power": power, "series": series, "coverage": coverage}
    asked = [word for word in sys.argv[1:] if word in parts]
    numbers = [float(word) for word in sys.argv[1:] if word not in parts]
    for name in asked or parts:
        parts[name](numbers[0] if numbers else 1.0)
        print()


if __name__ == "__main__":
    main()
