"""How far two candidates differ on the same rows, and how far that could be luck.

The model.  Candidate c trained at seed s costs, on document d, per byte,

    x(c,s,d) = m(d) + g(c) + w(c,d) + u(c,s) + v(c,s,d)

m: how hard the document is; g: what we want to know; w: what suits this candidate on this document; u: luck of
the seed; v: luck of the seed on this document.  Documents and seeds are drawn independently of one another, u
and v of two candidates at one seed may be correlated or not.  The estimand is g(candidate) - g(champion): the
expected difference over seeds on the population of documents.

m cancels, since the rows are the same.  The mean over n seeds of the difference D(s) has the variance

    Var w / documents  +  Var u / n  +  Var v / (n documents),   all of differences

and is estimated in two parts.  The document part is the jackknife over documents of the differences averaged
over seeds: it holds w and v, and does not shrink with more seeds.  The seed part is the variance of D(s) over
seeds, divided by n, with n - 1 degrees of freedom: it holds u and v.  So v is counted twice, which errs on the
side of more variance and keeps both parts positive; the variance of a crossed sample lies between each part and
their sum.  Pairing is whatever correlation there is: where a change of shape destroys it, the variance of D(s)
says so, and the interval stays valid.

Source: Owen, "The pigeonhole bootstrap", Ann. Appl. Stat. 1 (2007), for the crossed sample; Cameron, Gelbach,
Miller, "Robust inference with multiway clustering", JBES 29 (2011), whose third, subtracted, part we leave out;
Searle, Casella, McCulloch, Variance Components (1992).
"""

import math

import numpy as np

from autoresearch_dagster.core.errors import EvaluationFault
from autoresearch_dagster.core.judgement import Component, PairedDifference, ScoreInterval
from autoresearch_dagster.core.limits import INTERVAL_LEVEL
from autoresearch_dagster.evaluation.clusters import Arm, document_component
from autoresearch_dagster.evaluation.intervals import half_width


def score_interval(trained: Arm, seed: int = 0) -> ScoreInterval:
    """Score one training of an arm, with a 95 % t interval over documents."""
    part = document_component(trained.nats[seed], trained.n_bytes)
    score, width = float(trained.scores[seed]), half_width([part], (1 - INTERVAL_LEVEL) / 2)
    return ScoreInterval(
        val_bpb=score,
        standard_error_bpb=math.sqrt(part.variance),
        low_bpb=score - width,
        high_bpb=score + width,
        df=part.df,
        n_documents=len(trained.documents),
    )


def paired_difference(champion: Arm, candidate: Arm) -> PairedDifference:
    """Compare two arms, seed by seed, on the same rows.

    Raises:
        EvaluationFault: the arms have other rows or another number of seeds.
    """
    same = np.array_equal(champion.documents, candidate.documents) and np.array_equal(
        champion.n_bytes, candidate.n_bytes
    )
    if not same or champion.n_seeds != candidate.n_seeds:
        raise EvaluationFault("Champion and candidate must be compared on the same rows and the same seeds.")
    differences = candidate.nats - champion.nats
    per_seed = differences.sum(axis=1) / (math.log(2) * champion.n_bytes.sum())
    parts = [document_component(differences.mean(axis=0), champion.n_bytes)]
    if len(per_seed) > 1:
        parts.append(Component(float(per_seed.var(ddof=1)) / len(per_seed), len(per_seed) - 1))
    mean, width = float(per_seed.mean()), half_width(parts, (1 - INTERVAL_LEVEL) / 2)
    return PairedDifference(
        difference_bpb=mean,
        low_bpb=mean - width,
        high_bpb=mean + width,
        per_seed_bpb=tuple(float(value) for value in per_seed),
        n_documents=len(champion.documents),
        document_se_bpb=math.sqrt(parts[0].variance),
        document_df=parts[0].df,
        seed_se_bpb=math.sqrt(parts[1].variance) if len(parts) > 1 else None,
        seed_df=parts[1].df if len(parts) > 1 else None,
    )
