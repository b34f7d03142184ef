"""What a session spent, in words: for a line of its history, and for its end."""

from collections.abc import Mapping
from decimal import Decimal

from autoresearch_dagster.core.limits import HISTORY_TEXT_CHARS
from autoresearch_dagster.core.progress import counted, in_time, in_unit
from autoresearch_dagster.reports.text import one_line
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.state import SessionState


def bill(state: SessionState) -> str:
    """Sum up what a session used; '' where no model was asked and nothing trained."""
    ledger = state.ledger
    parts: list[str] = []
    if ledger.calls or ledger.usd_committed:
        words = f"{dollars(ledger.usd)} for {_answers(ledger.models) or f'0 answers of {state.config.model}'}"
        possible = ledger.usd_committed - ledger.usd
        parts.append(f"{words}, perhaps {dollars(possible)} more" if possible else words)
    if ledger.gpu_committed_s:
        parts.append(f"{in_time(ledger.gpu_committed_s)} of GPU time")
    if ledger.cpu_s:
        parts.append(f"{in_time(ledger.cpu_s)} of CPU time")
    return "; ".join(parts)


def _answers(models: Mapping[str, int]) -> str:
    """Tell how many answers came of whom; the names are the server's words."""
    told = [f"{counted(count, 'answer')} of {name}" for name, count in models.items()]
    return one_line(" and ".join(told), HISTORY_TEXT_CHARS)


def dollars(amount: Decimal) -> str:
    """Write US$ with enough digits to tell small amounts apart."""
    return f"US$ {amount:.2f}" if amount >= 1 else f"US$ {amount:.4f}"


def ledger_line(event: ev.Event, *, whole: bool) -> str | None:
    """Tell an event of the ledger; None: it is none, or is not worth a line."""
    match event:
        case ev.ModelAsked():
            return f"{event.model} is asked, for {dollars(event.reserved_usd)} at most" if whole else None
        case ev.ModelAnswered():
            usage = event.usage
            cached = f", {usage.cache_read_tokens:,} of them from the cache" if usage.cache_read_tokens else ""
            who = one_line(event.model, HISTORY_TEXT_CHARS) or "the model"
            return (
                f"{who} answered: {counted(usage.read_tokens, 'token')} read{cached}, {usage.output_tokens:,} "
                f"written, {dollars(event.usd)}, {event.duration_s:.1f} s"
            )
        case ev.ModelFailed():
            charged = "; it may have been charged" if event.possibly_charged else ""
            return f"the model gave no answer: {one_line(event.reason, HISTORY_TEXT_CHARS)}{charged}"
        case ev.ExperimentSized():
            why = f": {one_line(event.reason, HISTORY_TEXT_CHARS)}" if event.reason else ""
            return f"{event.key} is given {in_unit(event.memory_bytes, 'bytes')} of memory{why}"
        case ev.SessionSlept():
            until = f"{event.until.astimezone():%Y-%m-%d %H:%M:%S}"
            return f"sleeps until {until}: {one_line(event.reason, HISTORY_TEXT_CHARS)}"
        case _:
            return None
