"""What the researcher reads: its role and rules, its tools, the conversation so far.

Everything that was once told stays as it was told, so that a provider's cache holds it: the directive, the status
below each observation and what stands for turns that are told in short are kept in the journal, and a person's note
stands where it was first read.
"""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from autoresearch_dagster.agent import history
from autoresearch_dagster.agent.researcher import Message
from autoresearch_dagster.agent.rules.edit_rules import override_limit, session_budget_s
from autoresearch_dagster.agent.rules.plateau import plateau_of
from autoresearch_dagster.agent.tools.signatures import Toolbox
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.figures import exact
from autoresearch_dagster.core.presets import RANGES, Preset
from autoresearch_dagster.core.progress import HOUR_S, counted
from autoresearch_dagster.store.leaderboard import leader
from autoresearch_dagster.store.ledger import gpu_left_s, usd_left
from autoresearch_dagster.store.state import SessionState, Turn


@cache
def _template(name: str) -> Template:
    # These texts are for a language model, not for a browser: nothing is escaped as HTML.
    loader = PackageLoader("autoresearch_dagster.agent", "prompts")
    environment = Environment(loader=loader, undefined=StrictUndefined, autoescape=False)
    return environment.get_template(f"{name}.md.j2", globals={"counted": counted})


def rendered(name: str, **values: Any) -> str:
    """Fill a template of `agent/prompts`; a value that it misses is an error."""
    return _template(name).render(**values).strip()


def system_prompt(state: SessionState, preset: Preset, tools: Toolbox) -> str:
    """Return the role, the rules and the tools: the part that stays the same over a session."""
    return rendered(
        "system",
        limits=limits,
        config=state.config,
        override_limit=override_limit(state),
        budget_s=session_budget_s(state, preset),
        ranges=_ranges(session_budget_s(state, preset)),
        tools=tools.prompt,
    )


def _ranges(budget_s: int) -> str:
    """What overrides are kept within; the session's budget is the most that an experiment is given."""
    ranges = RANGES | {"time_budget_sec": (1, budget_s)}
    return ", ".join(f"{name} {low:g}-{high:g}" for name, (low, high) in ranges.items())


def directive(state: SessionState, calibration: str = "") -> str:
    """Return what the agent is asked to do in a launch, with the table of what was tried before.

    Args:
        state: the session as the launch begins.
        calibration: how well its hypotheses foretold what was measured, as a table; '' where none was.
    """
    tried = history.trials(state)
    shown = tried[-limits.HISTORY_ROWS :]
    return rendered(
        "directive",
        config=state.config,
        memory_key=repr(state.config.memory_key),
        first=not state.turns,
        remaining=state.remaining,
        best=_best(state),
        rows=[_row(row) for row in shown],
        older=len(tried) - len(shown),
        calibration=calibration,
    )


def _row(row: history.Row) -> dict[str, str]:
    value = row["val_bpb"]
    return {
        "title": _cell(row["title"]),
        "change": _cell(row["change_summary"]),
        "val_bpb": exact(value if isinstance(value, float) else None),
        "outcome": str(row["outcome"]),
    }


def _cell(text: object) -> str:
    return " ".join(str(text).replace("|", "/").split())[: limits.HISTORY_CELL_CHARS]


def _best(state: SessionState) -> str:
    top = leader(state)
    return f"{exact(top.val_bpb)} ({_cell(top.title)})" if top else "the baseline's"


def status(state: SessionState) -> str:
    """Return where the session stands, in one line: what is left, the plateau, the best score."""
    usd, gpu_s = usd_left(state.ledger, state.config), gpu_left_s(state.ledger, state.config)
    plateau = plateau_of(state)
    return rendered(
        "status",
        remaining=state.remaining,
        allotted=state.allotted,
        batch_size=state.config.batch_size,
        usd_left=None if usd is None else f"{max(usd, 0):.2f}",
        gpu_left=None if gpu_s is None else f"{max(gpu_s, 0.0) / HOUR_S:.2f}",
        plateau=plateau,
        on_plateau=plateau >= limits.PLATEAU_BATCHES,
        best=_best(state),
    )


def messages(state: SessionState) -> list[Message]:
    """Return the conversation: directive, then every reply with what came of it; turns told in short first."""
    found = [Message("user", _opening(state))]
    done = [turn for turn in state.turns if turn.finished is not None]
    short_until = state.compacted.turn if state.compacted else 0
    for turn in done:
        if turn.number <= short_until:
            continue
        found.append(Message("assistant", turn.replied.reply))
        found.append(Message("user", _told(state, turn)))
    return found


def _opening(state: SessionState) -> str:
    """The first message; what was said to turns that are told in short stands in it."""
    short_until = state.compacted.turn if state.compacted else 0
    parts = [_directive_after(state, 0) or directive(state)]
    if short_until:
        kept = state.compacted.text if state.compacted else ""
        parts.append(kept or in_short(state, short_until))
        parts += [text for after, text in state.directives if 0 < after <= short_until]
    parts += _notes(state, 0, short_until)
    return "\n\n".join(parts)


def _told(state: SessionState, turn: Turn) -> str:
    """What the agent is told after a turn: what came of its plan, where the session stands, what people wrote."""
    assert turn.finished is not None
    parts = [turn.finished.observation, turn.finished.status, _directive_after(state, turn.number)]
    parts += _notes(state, turn.number, turn.number)
    return "\n\n".join(part for part in parts if part) or directive(state)


def _directive_after(state: SessionState, turns: int) -> str:
    return next((text for after, text in reversed(state.directives) if after == turns), "")


def _notes(state: SessionState, first: int, last: int) -> list[str]:
    """People's notes that the turns after `first` to after `last` were the first to read."""

    def seen_by(turn: int) -> int:
        """Notes that a turn had read; the next turn, which is asked now, reads all."""
        if turn < 1:
            return 0
        return state.turns[turn - 1].replied.notes_seen if turn <= len(state.turns) else len(state.notes)

    news = state.notes[seen_by(first) : seen_by(last + 1)]
    return [f"A note from the person who runs this research:\n{note.note}" for note, _ in news]


def in_short(state: SessionState, until: int) -> str:
    """Return what is told instead of the turns up to one: what each said and launched, and the results so far."""
    turns = [
        {
            "number": turn.number,
            "said": _cell(turn.replied.reply.partition("```")[0]) or "a plan.",
            "launched": ", ".join(
                _cell(one.planned.title) for one in state.experiments.values() if one.turn == turn.number
            ),
        }
        for turn in state.turns[:until]
    ]
    rows = [_row(row) for row in history.trials(state) if row["outcome"] != "not_run"][-limits.HISTORY_ROWS :]
    results = [f"- {row['title']}: {row['val_bpb']} ({row['outcome']})" for row in rows]
    return "\n".join([rendered("short", turn=until, turns=turns), "", "Results so far:", *results])
