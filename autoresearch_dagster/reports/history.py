"""What happened in a session, as a person reads it: who did what when.

What others wrote (plans, hypotheses, errors) is untrusted: control characters are escaped, markup is off, and
outside the turn that is asked for, long texts are cut.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import tzinfo

from rich.text import Text

from autoresearch_dagster.core.experiment import Digest, ExperimentResult, Verdict, digest_of
from autoresearch_dagster.core.figures import bpb
from autoresearch_dagster.core.limits import (
    HISTORY_PLAN_LINES,
    HISTORY_TEXT_CHARS,
    OBSERVATION_CHARS,
)
from autoresearch_dagster.core.progress import counted, in_time
from autoresearch_dagster.evaluation.review import Finding, new_findings, review
from autoresearch_dagster.reports.bill import ledger_line
from autoresearch_dagster.reports.comparing import TOO_LONG, unified
from autoresearch_dagster.reports.lineage import Latest
from autoresearch_dagster.reports.review import review_text
from autoresearch_dagster.reports.session_lines import MARGIN, WHOLE_LINES, Told, after_colon, cut, session_line
from autoresearch_dagster.reports.text import block, one_line
from autoresearch_dagster.store import events as ev

Code = Callable[[Digest], str | None]
"""Reads a train.py by its digest; None where it is not kept any more."""

SHORT = 8  # characters of a digest
CONTEXT_LINES = 2  # of a diff


class Teller:
    """Tells events in order; remembers the code of each title, so that an edit can be compared."""

    def __init__(self, baseline: str, code: Code, zone: tzinfo | None = None) -> None:
        """Compare first edits with `baseline`; `zone` is the reader's, by default this machine's."""
        self._baseline = baseline
        self._code = code
        self._zone = zone
        self._latest = Latest[Digest]()
        self._day = ""

    def tell(self, records: Iterable[ev.Recorded], turn: int | None = None) -> Iterator[Text]:
        """Yield the lines of a session, or of one turn with everything that belongs to it."""
        current = 0
        for record in records:
            if isinstance(record.event, ev.ModelReplied):
                current = record.event.turn
            told = self.sentence(record.event, whole=turn is not None)
            if told is None or turn not in (None, current):
                continue
            yield from self._heading(record)
            yield from self._lines(record, told)

    def _heading(self, record: ev.Recorded) -> Iterator[Text]:
        day = f"{record.at.astimezone(self._zone):%Y-%m-%d, UTC%z}"
        if day != self._day:
            self._day = day
            yield Text(day, style="dim")
        if isinstance(record.event, ev.ModelReplied):
            yield Text(f"Turn {record.event.turn}", style="bold")

    def _lines(self, record: ev.Recorded, told: Told) -> Iterator[Text]:
        line, below = told
        yield Text.assemble((f"  {record.at.astimezone(self._zone):%H:%M:%S}  ", "dim"), line)
        if below:
            yield Text(below, style="dim")

    def sentence(self, event: ev.Event, *, whole: bool) -> Told | None:  # noqa: C901 (one arm for each event)
        """Tell one event, after those before it; None: it is not worth a line."""
        match event:
            case ev.ModelReplied():
                return _reply(event, whole=whole)
            case ev.PlanStarted():
                shown = "" if whole else block(event.code, HISTORY_PLAN_LINES, MARGIN)  # the reply holds it whole
                return f"plan of {counted(len(event.code.splitlines()), 'line')}", shown
            case ev.CallRecorded():
                return _call(event) if whole else None
            case ev.CallPending():
                titles = ", ".join(f"{cut(one.title)} ({one.key})" for one in event.planned)
                given = f"{event.function} {_data(event.arguments, '')}" if whole else ""
                return f"launch of dispatch {event.dispatch}: {titles}", block(given, WHOLE_LINES, MARGIN)
            case ev.CallAnswered():
                return "the launch is answered; the plan goes on", _data(event.result) if whole else ""
            case ev.PlanFinished():
                word = "failed" if event.failed else "finished"
                seen = block(event.observation, WHOLE_LINES, MARGIN) if whole else ""
                return f"plan {word}{after_colon(event.observation) if event.failed else ''}", seen
            case ev.EditSaved():
                return self._edit(event, whole=whole)
            case ev.HypothesisRecorded():
                expected = f" (expects {cut(event.expected_effect)})" if event.expected_effect else ""
                limit = OBSERVATION_CHARS if whole else HISTORY_TEXT_CHARS
                return f"hypothesis for {cut(event.title)}: {one_line(event.hypothesis, limit)}{expected}", ""
            case ev.BatchPlanned():
                planned = [dict(item) for item in event.experiments]
                shown = _data(planned) if whole else ""
                return f"batch {cut(event.batch_id)} planned: {counted(len(planned), 'experiment')}", shown
            case ev.AttemptStarted() | ev.AttemptResumed():
                word = " taken over" if isinstance(event, ev.AttemptResumed) else ""
                return (
                    f"{event.key} attempt {event.attempt}{word} on {event.slot or 'a slot'}, by {event.owner}",
                    "",
                )
            case ev.ExperimentFinished():
                below = block(event.result.log_tail, WHOLE_LINES, MARGIN) if whole else ""
                return f"{event.key} {_result(event.result)}", below
            case ev.DirectiveGiven():
                return "the researcher is told what to do", block(event.text, WHOLE_LINES, MARGIN) if whole else ""
            case ev.ModelAsked() | ev.ModelAnswered() | ev.ModelFailed() | ev.ExperimentSized() | ev.SessionSlept():
                line = ledger_line(event, whole=whole)
                return (line, "") if line else None
            case _:
                return session_line(event)

    def _edit(self, edit: ev.EditSaved, *, whole: bool) -> Told:
        before = self._latest.parent(edit) or digest_of(self._baseline.encode())
        self._latest.save(edit, edit.train_py)
        diff = self._diff(before, edit.train_py)
        overrides = ", ".join(f"{name}={value}" for name, value in edit.config_overrides.items())
        digests = f"{before[:SHORT]} → {edit.train_py[:SHORT]}"
        parts = [
            f"edit {cut(edit.title)} revision {edit.revision}: train.py {digests}",
            _changed(diff) if before != edit.train_py else "unchanged",
            f"with {overrides}" if overrides else "",
            f"from {cut(edit.parent_title)}" if edit.parent_title else "",
            cut(edit.change_summary),
        ]
        below = ["\n".join(diff or []), review_text(self._review(before, edit.train_py))] if whole else []
        shown = "\n".join(block(text, WHOLE_LINES, MARGIN) for text in below if text)
        return ", ".join(part for part in parts if part), shown

    def _review(self, before: Digest, after: Digest) -> tuple[Finding, ...]:
        old, new = self._text(before), self._text(after)
        return new_findings(review(new, old)) if old is not None and new is not None else ()

    def _text(self, digest: Digest) -> str | None:
        return self._baseline if digest == digest_of(self._baseline.encode()) else self._code(digest)

    def _diff(self, before: Digest, after: Digest) -> list[str] | None:
        old, new = self._text(before), self._text(after)
        return unified(old, new, context=CONTEXT_LINES) if old is not None and new is not None else None


def _changed(diff: list[str] | None) -> str:
    if diff is None:
        return "code not kept any more"
    if diff == [TOO_LONG]:
        return TOO_LONG
    added = sum(line.startswith("+") for line in diff[2:])
    removed = sum(line.startswith("-") for line in diff[2:])
    return f"+{added} −{removed} lines"


def _reply(event: ev.ModelReplied, *, whole: bool) -> Told:
    cut = f" ({event.stop_reason or 'cut off'})" if event.stop_reason != "end_turn" else ""
    if whole:
        return f"the researcher replied{cut}", block(event.reply, WHOLE_LINES, MARGIN)
    return f"the researcher replied{cut}{after_colon(event.reply.partition('```')[0])}", ""


def _call(event: ev.CallRecorded) -> Told:
    given = "\n".join([f"given: {_data(event.arguments, '')}", f"answer: {_data(event.result, '')}"])
    return f"call {cut(event.function)}, {event.duration_s:.3f} s", block(given, WHOLE_LINES, MARGIN)


def _result(result: ExperimentResult) -> str:
    took = in_time(result.duration_sec)
    if not result.accepted:
        rejected = f", {result.verdict}" if result.verdict is Verdict.REJECTED else ""
        return f"{result.outcome}{rejected} after {took}{after_colon(result.error)}"
    words = [str(word) for word in (result.standing, *result.labels) if word]
    return (
        f"val_bpb {bpb(result.val_bpb)}, {', '.join(words)}, {took}, receipt {(result.receipt or 'none')[:SHORT]}"
    )


def _data(value: object, margin: str = MARGIN) -> str:
    return block(json.dumps(value, indent=1, ensure_ascii=False), WHOLE_LINES, margin)
