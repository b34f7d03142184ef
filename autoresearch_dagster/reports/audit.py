"""The audit trail of a session: who changed what, when, why, and its digest before and after."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from autoresearch_dagster.core.experiment import (
    Data,
    Digest,
    ExperimentKey,
    Purpose,
    canonical_json,
    digest_of,
    title_key,
)
from autoresearch_dagster.core.limits import DIGEST_PREFIX_CHARS, HISTORY_TEXT_CHARS
from autoresearch_dagster.reports.text import one_line
from autoresearch_dagster.store import events as ev, promotion_events as pe

PLATFORM = "platform"
PERSON = "a person"


class AuditEntry(Data):
    """One change; digests are SHA-256 of what the thing was and became, '' where it was or is nothing."""

    at: datetime
    who: str
    what: str
    why: str
    before: str = ""
    after: str = ""


class _Trail:
    """Remembers what each thing was, so that the next change of it can name that."""

    def __init__(self, baseline: Digest) -> None:
        self.researcher = PLATFORM
        self._known: dict[str, str] = {"code and config of baseline": _candidate(baseline, {})}
        self._champion = ""
        self._candidates: dict[ExperimentKey, str] = {}

    def entry(self, record: ev.Recorded) -> AuditEntry | None:  # noqa: C901 (one arm for each event)
        """Tell one event; None: it changed nothing that is remembered."""
        event, at = record.event, record.at
        for planned in ev.planned_in(event):
            self._candidates[planned.key] = planned.candidate
            if planned.purpose is Purpose.NOISE_FLOOR and not self._champion:
                self._champion = planned.candidate
        match event:
            case ev.SessionStarted() | ev.SessionResumed():
                config = event.config
                self.researcher = config.model if config.researcher == "claude" else config.researcher
                changed = self._changed(at, PERSON, "configuration", "", config.model_dump())
                return changed.model_copy(update={"what": f"configuration, driver {event.driver}"})
            case ev.EditSaved():
                return self._edited(at, event)
            case ev.HypothesisRecorded():
                told = [event.hypothesis, event.expected_effect]
                return self._changed(at, self.researcher, f"hypothesis of {event.title}", event.hypothesis, told)
            case ev.BatchPlanned():
                told = list(event.experiments)
                return self._changed(at, self.researcher, f"plan of batch {event.batch_id}", "", told)
            case pe.ChampionChosen():
                before, self._champion = self._champion, self._candidates.get(event.key, "")
                return AuditEntry(
                    at=at, who=PLATFORM, what=f"champion: {event.key}", why=event.reason, before=before,
                    after=self._champion,
                )  # fmt: skip
            case ev.Steered():
                return AuditEntry(at=at, who=event.by or PERSON, what="note to the agent", why=event.note)
            case ev.HaltAsked():
                now = ", running experiments too" if event.kill else ""
                return AuditEntry(at=at, who=event.by or PERSON, what=f"asked to {event.end}{now}", why="")
            case ev.SessionPaused() | ev.SessionFinished():
                return AuditEntry(at=at, who=PLATFORM, what=event.kind.removeprefix("session_"), why=event.reason)
            case _:
                return None

    def _edited(self, at: datetime, event: ev.EditSaved) -> AuditEntry:
        """A revision of a title; the first one starts from its parent, or from the baseline."""
        name, first = f"code and config of {event.title}", f"code and config of {event.parent_title or 'baseline'}"
        before = self._known.get(title_key(name)) or self._known.get(title_key(first), "")
        after = _candidate(event.train_py, event.config_overrides)
        self._known[title_key(name)] = after
        what = f"{name}, revision {event.revision}"
        return AuditEntry(
            at=at, who=self.researcher, what=what, why=event.change_summary, before=before, after=after
        )

    def _changed(self, at: datetime, who: str, what: str, why: str, value: object) -> AuditEntry:
        after = digest_of(canonical_json(value))
        before = self._known.get(title_key(what), "")
        self._known[title_key(what)] = after
        return AuditEntry(at=at, who=who, what=what, why=why, before=before, after=after)


def audit_trail(records: Iterable[ev.Recorded], baseline: bytes) -> Iterator[AuditEntry]:
    """Tell every change of a session, in order.

    Args:
        records: its events.
        baseline: the train.py that first edits are compared with.
    """
    trail = _Trail(digest_of(baseline))
    for record in records:
        entry = trail.entry(record)
        if entry is not None:
            yield entry


def audit_lines(entries: Iterable[AuditEntry]) -> Iterator[str]:
    """Tell each entry in one line; what others wrote has its control characters escaped and is cut."""
    for entry in entries:
        digests = [digest[:DIGEST_PREFIX_CHARS] or "–" for digest in (entry.before, entry.after)]
        changed = f" [{' → '.join(digests)}]" if entry.after else ""
        who, what, why = (one_line(text, HISTORY_TEXT_CHARS) for text in (entry.who, entry.what, entry.why))
        when = f"{entry.at.astimezone():%Y-%m-%d %H:%M:%S}"
        yield f"{when}  {who}  {what}{changed}{f': {why}' if entry.why else ''}"


def _candidate(train_py: str, overrides: Mapping[str, float | int]) -> str:
    return digest_of(canonical_json({"train_py": train_py, "config_overrides": dict(overrides)}))
