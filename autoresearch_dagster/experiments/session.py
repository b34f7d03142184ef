"""Open, advance, settle and pause a session.  Every function may be called again after a crash."""

from pathlib import Path
from typing import Literal

from autoresearch_dagster.agent.halting import obey
from autoresearch_dagster.agent.loop import advance
from autoresearch_dagster.agent.researcher import Researcher
from autoresearch_dagster.agent.tools.answers import answer_pending
from autoresearch_dagster.agent.tools.dispatcher import Workbench
from autoresearch_dagster.containers.machine_slots import machine_slots
from autoresearch_dagster.core.errors import StoreConflict, UserError
from autoresearch_dagster.core.experiment import ExperimentKey, ExperimentResult, Outcome, Purpose
from autoresearch_dagster.core.presets import preset
from autoresearch_dagster.core.progress import Report
from autoresearch_dagster.core.resources import AGENT, within
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.data.build import build_bundle, build_shards, find_bundle, profile
from autoresearch_dagster.data.folders import SHORT
from autoresearch_dagster.data.sources import absolute_source
from autoresearch_dagster.experiments.laboratory import Laboratory, open_laboratory
from autoresearch_dagster.experiments.promote import following
from autoresearch_dagster.experiments.researchers import check_researcher, make_researcher
from autoresearch_dagster.experiments.size import size_experiments
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.leases import Lease
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.store.store import Store

Driver = Literal["cli", "daemon"]


def lease_name(session: str) -> str:
    """Name of the lease that whoever drives a session holds."""
    return f"session:{session}"


def open_session(
    store: Store, settings: Settings, config: ev.SessionConfig, driver: Driver, report: Report
) -> SessionState:
    """Start the session of a memory key, or go on with it where it stands.

    A finished session is granted `n_experiments` more; a paused or interrupted one keeps what it has left, under
    the other terms of this launch: caps, turns, researcher.

    Raises:
        UserError: it cannot be done as it stands; nothing was built.
        StoreConflict: somebody drives it now.
    """
    check_researcher(config, settings)
    config = config.model_copy(update={"source": absolute_source(config.source)})
    chosen = preset(config.preset)
    budget = chosen.config.time_budget_sec
    if config.time_budget_sec > budget:
        report(f"The preset {chosen.name} trains for {budget} s at most, so time_budget_sec is {budget}.")
        config = config.model_copy(update={"time_budget_sec": budget})
    machine_slots(settings, chosen.slot_kind, chosen.name)  # refuses before anything is built
    found = store.journal.find(config.memory_key)
    if found is None:
        bundle = build_bundle(config.source, config.num_shards, chosen.sequence_length, settings.bundles, report)
        return store.journal.create(config, driver, bundle.digest)
    if found.archived:
        raise UserError(
            f"The session {config.memory_key!r} is archived; `autoresearch session restore {found.id}` restores it."
        )
    refuse_other_terms(found, config)
    if holder := store.leases.holder(lease_name(found.id)):
        raise StoreConflict(
            f"The session {config.memory_key!r} is held by {holder.owner} now; wait for it, stop that process, or "
            f"pause it there: `autoresearch pause {config.memory_key}`."
        )
    if found.status == "active" and (found.driver, found.config) == (driver, config):
        return found
    for cap in ("max_usd", "max_gpu_hours"):
        before = getattr(found.config, cap)
        if before is not None and getattr(config, cap) is None:
            report(f"The cap {cap}={before:g} of the launch before does not hold in this one, which names none.")
    with store.journal.transaction(found.id) as transaction:
        transaction.append(ev.SessionResumed(config=config, driver=driver))
    return store.journal.state(found.id)


def refuse_other_terms(found: SessionState, config: ev.SessionConfig) -> None:
    """All scores of a session are compared, so what they are measured with may not change.

    Raises:
        UserError: preset, source or shards are others than those it was started with.
    """
    for name in ("preset", "source", "num_shards"):
        before, now = getattr(found.config, name), getattr(config, name)
        if before != now:
            raise UserError(
                f"The session {config.memory_key!r} was started with {name}={before}; "
                f"go on with the same, or choose another memory_key for {name}={now}."
            )


def laboratory_of(state: SessionState, settings: Settings, report: Report) -> Laboratory:
    """Open the laboratory that a session's experiments run in.

    Raises:
        UserError: it would be another bundle than the one that the session began with.
    """
    if not state.imported:
        _refuse_another_corpus(state, settings, report)
    lab = open_laboratory(
        settings,
        preset_name=state.config.preset,
        source=state.config.source,
        num_shards=state.config.num_shards,
        report=report,
        # What came from elsewhere may call itself anything.
        trusted_code=state.config.researcher == "scripted" and not state.imported,
    )
    if lab.bundle.digest != state.bundle:
        raise UserError(
            f"The session {state.config.memory_key!r} was recorded on the bundle {state.bundle[:SHORT]} and this "
            f"machine builds {lab.bundle.digest[:SHORT]}: scores could not be compared; copy bundles/ from where "
            "it was recorded, or choose another memory_key."
        )
    return lab


def _refuse_another_corpus(state: SessionState, settings: Settings, report: Report) -> None:
    """Compare a folder of the user's own, before anything is built from it, with what the session began with."""
    if not Path(state.config.source).is_absolute():
        return
    shards = build_shards(state.config.source, state.config.num_shards, settings.bundles, report).path
    if shards != find_bundle(state.bundle, settings.bundles).shards:
        raise UserError(
            f"The corpus {state.config.source} changed since the session {state.config.memory_key!r} began; put "
            "its shards back as they were, or choose another memory_key: scores on other data cannot be compared."
        )


def settle(session: str, lab: Laboratory, lease: Lease | None = None) -> bool:
    """Judge what is trained and plan what follows from it; answer the paused plan once all that is decided.

    Returns:
        Whether the session waits for no training any more.
    """
    journal = lab.store.journal
    while news := following(state := journal.state(session), lab):
        with journal.transaction(session, lease) as transaction:
            if transaction.state.sequence == state.sequence:
                for event in news:
                    transaction.append(event)
    with journal.transaction(session, lease) as transaction:
        if transaction.state.status != "active" or transaction.state.unfinished:
            return False
        return answer_pending(transaction)


def advance_session(
    session: str, lab: Laboratory, lease: Lease, report: Report, researcher: Researcher | None = None
) -> Literal["waiting", "finished"]:
    """Let the agent think until it waits for experiments or is finished.

    Args:
        session: its id.
        lab: where its experiments run.
        lease: of the session.
        report: told what a person who watches would wait for.
        researcher: who thinks; by default the one that the session's configuration names.
    """
    bench, journal = bench_of(session, lab, lease), lab.store.journal
    obey(journal, session, lease)
    while settle(session, lab, lease):
        state = journal.state(session)
        with within(AGENT, "start a session of another memory_key: this one's history has outgrown it"):
            ended = advance(bench, researcher or make_researcher(state.config, lab.settings, bench, report))
        if ended == "finished" or not journal.state(session).undecided:
            break  # else a plan has ended that put its confirmations off until now
    size_experiments(bench, lab)
    return "finished" if journal.state(session).status == "finished" else "waiting"


def bench_of(session: str, lab: Laboratory, lease: Lease | None) -> Workbench:
    """Return a session with everything that its plans work on."""
    return Workbench(
        journal=lab.store.journal,
        blobs=lab.store.blobs,
        session=session,
        profile=profile(lab.bundle).model_dump(mode="json"),
        baseline=lab.baseline.decode(),
        preset=lab.preset,
        slots=len(lab.slots()),
        snapshots=lab.settings.home.resolve() / "snapshots",
        lease=lease,
    )


def pause(session: str, store: Store, reason: str, *, trouble: bool = False) -> None:
    """Mark a session as paused, by a person or by `trouble`; its work stays where it is."""
    with store.journal.transaction(session) as transaction:
        if transaction.state.status == "active":
            transaction.append(ev.SessionPaused(reason=reason, trouble=trouble))


def stop_experiments(session: str, store: Store, reason: str) -> list[ExperimentKey]:
    """End what the session waits for, as a person asked: its candidates are `Stopped`, the session is paused.

    The platform's own trainings (noise floor, confirmations) keep their place: a session cannot do without them.

    Returns:
        Keys of those that were stopped.
    """
    stopped: list[ExperimentKey] = []
    with store.journal.transaction(session) as transaction:
        for experiment in transaction.state.unfinished:
            if experiment.planned.purpose is Purpose.CANDIDATE:
                result = ExperimentResult(outcome=Outcome.STOPPED, error=reason)
                transaction.append(ev.ExperimentFinished(key=experiment.planned.key, result=result))
                stopped.append(experiment.planned.key)
        if transaction.state.status == "active":
            transaction.append(ev.SessionPaused(reason=reason))
    return stopped
