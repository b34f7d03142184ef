"""Text of a champion, or of any finished experiment, from its frozen model in a sealed job."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from autoresearch_dagster.containers.escape import printable_line
from autoresearch_dagster.core.errors import AutoresearchError, UserError
from autoresearch_dagster.core.experiment import ExperimentKey
from autoresearch_dagster.core.figures import bpb
from autoresearch_dagster.core.limits import ERROR_MESSAGE_BYTES, GENERATE_PROMPT_CHARS, GENERATE_TOKENS
from autoresearch_dagster.core.presets import PRESETS
from autoresearch_dagster.core.progress import Report
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.evaluation.failures import BadLogits, ServerFailed
from autoresearch_dagster.evaluation.generation import Sampling, generate
from autoresearch_dagster.experiments.frozen import frozen_model
from autoresearch_dagster.experiments.laboratory import experiment_lease, laboratory_on
from autoresearch_dagster.experiments.outside import outside_key
from autoresearch_dagster.experiments.overview import find
from autoresearch_dagster.experiments.reproduce import find_experiment
from autoresearch_dagster.store.leaderboard import lowest
from autoresearch_dagster.store.leases import this_process
from autoresearch_dagster.store.state import Experiment, SessionState
from autoresearch_dagster.store.store import Store, open_store

EXPERIMENT = re.compile(r"s\d+_d\d+_[a-z]\d+")
HOTTEST = 100.0
"""Temperature beyond which every token is as likely as any other."""


class NoText(AutoresearchError):
    """The model gave no text; one sentence, its own words escaped."""


@dataclass(frozen=True, slots=True)
class Source:
    """Whose text it will be."""

    state: SessionState
    experiment: Experiment

    @property
    def key(self) -> ExperimentKey:
        """Its key."""
        return self.experiment.planned.key


def source_of(store: Store, named: str) -> Source:
    """Find the experiment of a key, or the champion of a session by its memory key or id.

    Raises:
        UserError: there is none; the text offers what there is.
    """
    if EXPERIMENT.fullmatch(named) and not any(one.memory_key == named for one in store.journal.summaries()):
        state, experiment, _result = find_experiment(store, named)
        return Source(state, experiment)
    found = find(store, named)
    if found is None:
        raise UserError("There is no session yet; `autoresearch demo` makes one.")
    state = store.journal.state(found.session)
    if state.champion is not None:
        return Source(state, state.champion)
    best = lowest(state)
    name = state.config.memory_key
    if best is None or best.result is None:
        raise UserError(f"{name} has no champion and no score yet; `autoresearch leaderboard {name}` shows when.")
    raise UserError(
        f"{name} has no champion yet: nothing was confirmed against the baseline. Its lowest score is "
        f"{best.planned.key} ({bpb(best.result.val_bpb)}): `autoresearch generate {best.planned.key} PROMPT`."
    )


def check(prompt: str, sampling: Sampling) -> None:
    """Refuse what is out of bounds.

    Raises:
        UserError: with the bounds.
    """
    if len(prompt) > GENERATE_PROMPT_CHARS:
        raise UserError(f"The prompt has {len(prompt)} characters and may have {GENERATE_PROMPT_CHARS}.")
    if not 1 <= sampling.max_tokens <= GENERATE_TOKENS:
        raise UserError(f"--max-tokens is {sampling.max_tokens}; give 1 to {GENERATE_TOKENS}.")
    if not 0 <= sampling.temperature <= HOTTEST:
        raise UserError(f"--temperature is {sampling.temperature:g}; give 0 to {HOTTEST:g}.")
    if sampling.seed < 0:
        raise UserError(f"--seed is {sampling.seed}; give 0 or more.")


def generate_text(
    settings: Settings, source: Source, prompt: str, sampling: Sampling, report: Report
) -> Iterator[str]:
    """Yield what the model writes after the prompt; untrusted, as it is.

    Raises:
        UserError: it cannot be run here; the text says what to do.
        StoreUnavailable: its checkpoint is not kept any more.
        NoText: the model cannot be loaded, or does not answer.
        ContainerError: the runner failed.
    """
    check(prompt, sampling)
    store, job_key = open_store(settings), outside_key(source.key)
    model = frozen_model(settings, store, source.state, source.experiment, job_key)
    lab = laboratory_on(model.job.bundle, PRESETS["demo"], settings, report, trusted_code=model.trusted)
    report(lab.runner_note)
    return _told(source, store, job_key, lambda: generate(model.job, prompt, sampling, lab.runner))


def _told(
    source: Source, store: Store, job_key: ExperimentKey, begin: Callable[[], Iterator[str]]
) -> Iterator[str]:
    try:
        with store.leases.hold(experiment_lease(job_key), this_process()):
            yield from begin()
    except (ServerFailed, BadLogits) as fault:
        said = fault.told if isinstance(fault, ServerFailed) and fault.told else str(fault)
        raise NoText(f"{source.key} gave no text: {printable_line(said, ERROR_MESSAGE_BYTES)}.") from fault
