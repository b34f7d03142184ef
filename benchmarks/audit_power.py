"""How often the audit sees a leak: by the share of positions that leak and the number of audits.

Run: python -m benchmarks.audit_power [draws]

The baseline is trained with two seeds on the sample corpus and scored: the first is the champion, the second the
candidate.  Then random positions of the candidate are made to leak (their nats become 0), and the probability that
a cut meets one is computed from the rules of the evaluator: half of the cuts uniform, a quarter by gain, a quarter
at beginnings of documents.  No server is started for that.
"""

import dataclasses
import sys

import numpy as np

from autoresearch_dagster.evaluation.cuts import Kind, assign_kinds
from autoresearch_dagster.evaluation.receipt import Receipt
from autoresearch_dagster.evaluation.rows import bos_token, choose_rows
from benchmarks.experiments import laboratory, one_experiment

ROWS = 64
SHARES = (1.0, 0.1, 0.01, 0.001)
AUDITS = {16: (16, 1), 64: (64, 1), 512: (64, 8), 640: (64, 10)}
"""Rows and rounds of each number of audits."""


def trained_nats(lab, seed):
    """Train and score the baseline at one seed: nats float [n, T]."""
    config = lab.preset.config.model_copy(update={"seed": seed})
    result = one_experiment(
        dataclasses.replace(lab, preset=dataclasses.replace(lab.preset, config=config)),
        seed,
        lab.settings.cores[-1],
    )
    receipt = Receipt.model_validate_json(lab.store.blobs.get(result.receipt))
    return np.load(lab.store.blobs.path(receipt.nats_per_target), allow_pickle=False).astype(np.float64)


def hit(kind, leak, gain, begins):
    """Probability that one cut of each row meets a leak, float [n].

    Shapes: leak and begins bool [n, T-1], the positions that can be cut; gain float [n, T-1], never negative.
    """
    weights = {
        Kind.UNIFORM: np.ones_like(gain),
        Kind.GAIN: np.where(gain.sum(axis=1, keepdims=True) > 0, gain, 1.0),
        Kind.BOS: begins.astype(float),
    }[kind]
    total = weights.sum(axis=1)
    return (weights * leak).sum(axis=1) / np.where(total > 0, total, 1.0)


def seen(rows, rounds, tokens, bos, champion, candidate, leak, generator, *, reference):
    """Probability that at least one audit meets a leak."""
    tokens, leak = tokens[:rows], leak[:rows]
    begins = tokens[:, 1:-1] == bos
    gain = np.maximum(champion[:rows, :-1] - np.where(leak, 0.0, candidate[:rows, :-1]), 0.0)
    chance = {kind: hit(kind, leak, gain, begins) for kind in Kind}
    missed = 1.0
    for _ in range(rounds):
        kinds = assign_kinds(tokens, bos, generator, reference=reference)
        missed *= float(np.prod([1.0 - chance[kind][row] for row, kind in enumerate(kinds)]))
    return 1.0 - missed


def main():
    draws = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    lab = laboratory(steps=100, rows=ROWS)
    champion, candidate = trained_nats(lab, 0), trained_nats(lab, 1)
    tokens, bos = choose_rows(lab.bundle, "selection", ROWS).tokens, bos_token(lab.bundle)
    generator = np.random.default_rng(0)
    shape = champion[:, :-1].shape
    print("| positions that leak | cuts | " + " | ".join(f"{k} audits" for k in AUDITS) + " |")
    print("|--:|:--|" + "--:|" * len(AUDITS))
    for share in SHARES:
        leaks = [generator.random(shape) < share for _ in range(draws)]
        for name, reference in (("uniform", False), ("a quarter by gain", True)):
            found = [
                np.mean(
                    [
                        seen(*size, tokens, bos, champion, candidate, leak, generator, reference=reference)
                        for leak in leaks
                    ]
                )
                for size in AUDITS.values()
            ]
            print(f"| {share:.1%} | {name} | " + " | ".join(f"{100 * p:.3g} %" for p in found) + " |")
        spared = [1 - (1 - share) ** (audits / 2) for audits in AUDITS]
        print(f"| {share:.1%} | uniform half alone | " + " | ".join(f"{100 * p:.3g} %" for p in spared) + " |")
    gained = np.maximum(champion - candidate, 0.0).mean(), champion.mean()
    print(f"mean positive difference of the two seeds {gained[0]:.3f} nats, of a leak {gained[1]:.3f}")


if __name__ == "__main__":
    main()
