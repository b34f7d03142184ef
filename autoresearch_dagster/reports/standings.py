"""What the scores of a session are worth: noise floor, champion, every comparison with its reason."""

from collections import Counter
from collections.abc import Callable, Iterator

from autoresearch_dagster.core.experiment import ExperimentKey
from autoresearch_dagster.core.figures import bpb, change, gain_interval, interval
from autoresearch_dagster.core.judgement import NoiseFloor
from autoresearch_dagster.core.progress import counted
from autoresearch_dagster.reports.climbed import climb_sentence
from autoresearch_dagster.reports.markdown import plain
from autoresearch_dagster.reports.tables import leaderboard_markdown
from autoresearch_dagster.reports.text import one_line
from autoresearch_dagster.store.leaderboard import leader, leaderboard, lowest
from autoresearch_dagster.store.state import Experiment, SessionState

NAME_CHARS = 200  # of a title in a sentence


def verdict(state: SessionState) -> str:
    """Say in a sentence or two what the session has found so far."""
    top, low = leader(state), lowest(state)
    if top is None or low is None:
        ended = failures(state)
        return f"No candidate has a score of record ({ended})." if ended else "No candidate has a score yet."
    if state.floor is None:
        return f"Lowest score: {_named(low)}, on one seed and without a measured noise: it may be luck."
    if top.experiment is not None:
        return f"Champion: {_named(top.experiment)}. {top.experiment.judgement} {climb_sentence(state)}".strip()
    told = f"No candidate is better than the baseline ({bpb(top.val_bpb)}) beyond doubt."
    return f"{told} The lowest score is {_named(low)}: {low.judgement}" if low.judgement else told


def failures(state: SessionState) -> str:
    """Count the candidates that ended without a score, by how they ended: '3 Crashed, 1 Refused'."""
    results = [one.result for one in state.experiments.values() if one.result is not None]
    endings = Counter(result.ending for result in results if not result.accepted)
    return ", ".join(f"{count} {ending}" for ending, count in endings.most_common())


def _named(experiment: Experiment) -> str:
    result = experiment.result
    score = bpb(result.val_bpb if result is not None else None, "none")
    return f"{one_line(experiment.planned.title, NAME_CHARS)}, val_bpb {score}"


def floor_sentence(state: SessionState) -> str:
    """Say what the noise floor and the budget are; '' before they are known."""
    if state.floor is None:
        return ""
    source = "as an earlier session measured it" if state.floor.cached else "measured now"
    budget = f"Every experiment trains {state.floor.budget_s} s at most."
    return f"Noise floor, {source}: {state.floor.floor.reason} {budget}"


def standings_markdown(state: SessionState, link: Callable[[ExperimentKey], str] = str) -> str:
    """Write leaderboard, noise floor and comparisons; `link` writes the cell of a key."""
    return "\n".join([leaderboard_markdown(leaderboard(state), link), *_floor(state), *_comparisons(state)])


def _floor(state: SessionState) -> Iterator[str]:
    if state.floor is None:
        return
    yield from (
        "",
        "### Noise floor",
        "",
        floor_sentence(state),
        "",
        "| baseline | val_bpb | key |",
        "|---|--:|---|",
    )
    for training, score in zip(state.floor.trainings, state.floor.floor.scores_bpb, strict=True):
        yield f"| {training.planned.shown_as} | {bpb(score)} | {training.planned.key} |"
    yield f"| mean over seeds | {floor_interval(state.floor.floor)} | |"


def floor_interval(floor: NoiseFloor) -> str:
    """Write the baseline's mean with its 95 % interval over seeds."""
    from autoresearch_dagster.evaluation.noise import mean_interval  # imports scipy: half a second

    return f"{bpb(floor.mean_bpb)} {interval(*mean_interval(floor))}"


def _comparisons(state: SessionState) -> Iterator[str]:
    judged = [one for one in state.experiments.values() if one.judgement]
    if not judged:
        return
    whose = "promotion and scale transfer" if any(one.transfer for one in judged) else "promotion"
    looks = counted(state.looks, "look")
    yield from ("", "### What each score is worth", "")
    yield f"One seed is a screening; more are a confirmation, on rows that {whose} alone looked at: {looks}."
    yield from ("", "| candidate | gain (95 %) | seeds | p | needed | decision |", "|---|--:|--:|--:|--:|---|")
    for one in judged:
        yield f"| {plain(one.planned.title)} | {' | '.join(_figures(one))} | {plain(one.judgement)} |"
    for one in judged:
        if sentence := transfer_sentence(one):
            yield from ("", f"{plain(one.planned.title)}. {plain(sentence)}")


def transfer_sentence(experiment: Experiment) -> str:
    """Say whether a champion's gain holds at twice the size; '' where nobody asked."""
    found = experiment.transfer
    return f"Scale transfer: {found.outcome.replace('_', ' ')}. {found.reason}" if found is not None else ""


def _figures(one: Experiment) -> tuple[str, str, str, str]:
    decided = one.decision
    if decided is None:
        return "", "", "", ""
    gain = f"{change(decided.gain_bpb)} ({gain_interval(decided.difference)})"
    if one.promotion is None:
        return gain, "1", "", ""
    return gain, str(one.promotion.n_seeds), f"{one.promotion.p:.2g}", f"{one.promotion.error_rate:.2g}"
