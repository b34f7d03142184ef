"""Lines of a history about noise floor, screening and promotion."""

from typing import assert_never

from autoresearch_dagster.core.experiment import ExperimentKey, PlannedExperiment
from autoresearch_dagster.store import promotion_events as pe
from autoresearch_dagster.store.leaderboard import BASELINE


def decision(event: pe.Decision) -> str:
    """Say in a line what was planned or decided."""
    match event:
        case pe.FloorPlanned():
            return f"noise floor planned: {_names(event.planned)}"
        case pe.FloorMeasured():
            origin = " (by an earlier session)" if event.cached else ""
            return f"noise floor{origin}: {event.floor.reason} Budget {event.budget_s} s."
        case pe.CandidateScreened():
            return f"{event.key} screened against {_champion(event.against)}: {event.decision.reason}"
        case pe.ConfirmationPlanned():
            return _confirmation(event)
        case pe.PromotionJudged():
            look = f"look {event.decision.looks} at the confirmation rows"
            return f"{event.key} {event.decision.outcome.replace('_', ' ')}, {look}: {event.decision.reason}"
        case pe.PromotionRefused():
            return f"{event.key} {'rejected' if event.rejected else 'not promoted'}: {event.reason}"
        case pe.ChampionChosen():
            return f"{event.key} is the new champion: {event.reason}"
        case pe.TransferPlanned():
            size = f"twice the {event.dimension}"
            what = "does it honour that?" if event.probe else f"against {_champion(event.against)}"
            return f"scale transfer of {event.key} at {size}, {what} planned: {_names(event.planned)}"
        case pe.TransferJudged():
            look = f", look {event.decision.looks} at the confirmation rows" if event.decision else ""
            return f"scale transfer of {event.key}: {event.outcome.replace('_', ' ')}{look}: {event.reason}"
        case _:
            assert_never(event)


def _names(planned: tuple[PlannedExperiment, ...]) -> str:
    return ", ".join(f"{one.shown_as} ({one.key})" for one in planned)


def _champion(key: ExperimentKey | None) -> str:
    return key or f"the {BASELINE}"


def _confirmation(event: pe.ConfirmationPlanned) -> str:
    if not event.candidates:
        return f"no confirmation: the session's budget does not suffice for {', '.join(event.left_out)}"
    left = f"; no budget for {', '.join(event.left_out)}" if event.left_out else ""
    whom, names = ", ".join(event.candidates), _names(event.planned) or "no training"
    return f"confirmation of {whom} against {_champion(event.against)} planned: {names}{left}"
