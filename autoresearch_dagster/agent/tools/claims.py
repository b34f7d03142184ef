"""Tools that write down what is claimed before training: hypotheses and batch plans.

Texts are kept within lengths that every later answer has room for, and the answer says what was cut.
"""

from typing import Any

from pydantic import JsonValue

from autoresearch_dagster.agent import history
from autoresearch_dagster.agent.tools.signatures import ToolContext
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import canonical_json
from autoresearch_dagster.core.text import one_line
from autoresearch_dagster.store import events as ev


def kept(value: object, name: str, limit: int, adjusted: dict[str, str]) -> str:
    """Return the beginning of a text; `adjusted` says what was cut."""
    text = str(value or "")
    if len(text) > limit:
        adjusted[name] = f"cut to its first {limit} of {len(text)} characters"
    return text[:limit]


def kept_title(value: object) -> tuple[str, dict[str, str]]:
    """Return a title as it is kept, and as `adjusted` what was changed about it, outer blanks aside."""
    asked = str(value or "").strip()
    title = one_line(asked)
    if title == asked:
        return title, {}
    shown = ascii(asked[: limits.TITLE_SHOWN_CHARS])
    return title, {"title": f"{shown} became {title!r}: visible characters on one line"}


def record_hypothesis(
    ctx: ToolContext, title: str, hypothesis: str, expected_effect: str, memory_key: str = ""
) -> history.Row:
    """Write a claim and its predicted change of val_bpb down before training."""
    kept_as, adjusted = kept_title(title)
    if not kept_as or not hypothesis.strip() or len(kept_as) > limits.TITLE_CHARS:
        return {
            "title": title[: limits.TITLE_SHOWN_CHARS],
            "error": "A hypothesis needs the title of its edit and a claim; nothing was written.",
        }
    claim = kept(hypothesis, "hypothesis", limits.CLAIM_CHARS, adjusted)
    effect = kept(expected_effect, "expected_effect", limits.CLAIM_CHARS, adjusted)
    ctx.tx.append(ev.HypothesisRecorded(title=kept_as, hypothesis=claim, expected_effect=effect))
    _, at = ctx.state.hypotheses[-1]
    row: history.Row = {
        "title": kept_as,
        "hypothesis": claim,
        "expected_effect": effect,
        "recorded_at": at.isoformat(timespec="seconds"),
    }
    if adjusted:
        row["adjusted"] = {**adjusted}
    return row


def record_batch_hypotheses(ctx: ToolContext, experiments: list[dict[str, Any]], memory_key: str = "") -> JsonValue:
    """Write the hypotheses of a batch down; each needs title, hypothesis, expected_effect."""
    answers = [
        record_hypothesis(
            ctx,
            str(row.get("title") or ""),
            str(row.get("hypothesis") or ""),
            str(row.get("expected_effect") or ""),
        )
        for row in experiments
    ]
    entries = [answer for answer in answers if "error" not in answer]
    errors = [answer for answer in answers if "error" in answer]
    return {"recorded": len(entries), "entries": [*entries], **({"errors": [*errors]} if errors else {})}


def record_batch_plan(
    ctx: ToolContext, batch_id: str, experiments: list[dict[str, Any]], memory_key: str = ""
) -> JsonValue:
    """Keep the plan of a batch: experiments with at least title and hypothesis."""
    if problem := _plan_problem(batch_id, experiments):
        return {"error": problem}
    ctx.tx.append(ev.BatchPlanned(batch_id=batch_id, experiments=tuple(experiments)))
    _, at = ctx.state.batches[batch_id]
    return {
        "batch_id": batch_id,
        "experiments": list(experiments),
        "count": len(experiments),
        "status": "planned",
        "created_at": at.isoformat(timespec="seconds"),
    }


def _plan_problem(batch_id: str, experiments: list[dict[str, Any]]) -> str:
    """Say why a batch plan is not kept, or ''."""
    if not one_line(batch_id):
        return "batch_id is empty; name the batch, for example 'batch-1'."
    if len(batch_id) > limits.TITLE_CHARS:
        return f"batch_id has {len(batch_id)} characters; {limits.TITLE_CHARS} are permitted."
    nameless = [number for number, row in enumerate(experiments, start=1) if not kept_title(row.get("title"))[0]]
    if nameless:
        return f"Experiment {nameless[0]} of the plan has no title; name every one. Nothing was written."
    size = len(canonical_json(experiments))
    if size > limits.BATCH_PLAN_BYTES:
        return f"The plan takes {size} bytes and {limits.BATCH_PLAN_BYTES} are kept; shorten its texts."
    return ""
