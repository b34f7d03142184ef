"""What the researcher reads: its role and rules, its tools, the conversation so far."""

from autoresearch_dagster.agent import history
from autoresearch_dagster.agent.edit_rules import override_limit, session_budget_s
from autoresearch_dagster.agent.researcher import Message
from autoresearch_dagster.agent.signatures import Toolbox
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.presets import RANGES, Preset
from autoresearch_dagster.store.leaderboard import leader
from autoresearch_dagster.store.state import SessionState

HISTORY_ROWS = 20
_SYSTEM = """\
You do machine-learning research: you change train.py, run experiments in parallel, and lower val_bpb
(lower is better). A trusted evaluator scores every experiment; what train.py prints is only a claim.

Answer each turn with exactly ONE ```python block (a plan), or with plain text when you are finished. You see
the value of the plan's last expression and what it prints; no variables survive a turn.

Plans run in a small Python: no files, network or third-party imports; no class inheritance, yield or del.
Call tools directly: never with await, never inside a key= function or map(). They answer with an "error" when
something is wrong. run_* calls put the plan to sleep until the experiments are done.
A plan has at most {calls} calls and {pauses} launches; an answer is cut at {chars} characters.

Rules
- Write down a hypothesis with its predicted effect before a run; every title of a batch tests another one.
- After {override_limit} saved edits, config_overrides alone are refused: change train_py itself.
- train_py keeps run_training(config) at module level. Duplicates of trained configurations are refused.
- Every experiment gets {budget} s at most. Override fields and ranges: {ranges}.
- One seed is luck: the platform compares each score with the champion's at the same seed, and confirms what looks
  better at fresh seeds on other rows. A result says its standing and why (judgement); only champion is a new best.
- After {plateau} batches without a gain above {gain} bpb, leave hyperparameters, change the training code.

Tools
{tools}
"""


def system_prompt(state: SessionState, preset: Preset, tools: Toolbox) -> str:
    """Return the role, the rules and the tools of this turn."""
    ranges = ", ".join(f"{name} {low:g}-{high:g}" for name, (low, high) in RANGES.items())
    return _SYSTEM.format(
        calls=limits.PLAN_SUSPENSIONS,
        pauses=limits.PLAN_PAUSES,
        chars=limits.OBSERVATION_CHARS,
        override_limit=override_limit(state),
        budget=session_budget_s(state, preset),
        ranges=ranges,
        plateau=limits.PLATEAU_BATCHES,
        gain=limits.PLATEAU_GAIN,
        tools=tools.prompt,
    )


def messages(state: SessionState, *, last: bool) -> list[Message]:
    """Return the directive, then every reply with what came of it."""
    found = [Message("user", _directive(state))]
    for turn in state.turns:
        if turn.finished is None:
            break
        found.append(Message("assistant", turn.replied.reply))
        found.append(Message("user", turn.finished.observation or _resumed(state)))
    if last:
        note = "No experiments are left, and the run tools are gone: finish with a plain-text summary."
        found[-1] = Message("user", f"{found[-1].text}\n\n{note}")
    return found


def _directive(state: SessionState) -> str:
    config = state.config
    return (
        f"Run {config.n_experiments} experiments in batches of {config.batch_size} on the {config.source} "
        f"corpus (memory_key {config.memory_key!r}). Then finish with the best val_bpb, what won it, "
        "and what to try next."
    )


def _resumed(state: SessionState) -> str:
    top = leader(state)
    head = f"The session goes on: {state.remaining} more experiment(s)."
    if top:
        head += f" Best so far: {top.title}, val_bpb {top.val_bpb:.6f}."
    rows = [
        f"| {row['title']} | {str(row['change_summary'])[:72]} | {row['val_bpb']} | {row['outcome']} |"
        for row in history.trials(state)[-HISTORY_ROWS:]
    ]
    return "\n".join([head, "| title | change | val_bpb | outcome |", "| --- | --- | --- | --- |", *rows])
