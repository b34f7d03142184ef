"""Steer a session from outside: `steer`, `pause`, `resume`, `stop`."""

from typing import TYPE_CHECKING

from autoresearch_dagster.commands.console import DONE, FAILED, out, tell
from autoresearch_dagster.core.settings import load_settings

if TYPE_CHECKING:
    from autoresearch_dagster.store.events import SessionEnd


def steer(key: str, note: str) -> int:
    """Leave a note that the agent reads in its next turn.

    Args:
        key: Memory key or id of the session.
        note: What it should know or do, in quotes.

    Example:
        autoresearch steer my-research "Leave the width alone; try a warmup."
    """
    from autoresearch_dagster.experiments.steering import steer as leave

    state = leave(load_settings(), key, note)
    when = "in its next turn" if state.status == "active" else f"when it goes on; it is {state.status}"
    tell(f"The agent of {state.config.memory_key} reads it {when}.")
    return DONE


def pause(key: str, *, kill: bool = False) -> int:
    """Pause a session at its next step; what runs is finished first.

    Args:
        key: Memory key or id of the session.
        kill: End running experiments now; they are trained again when the session goes on.

    Example:
        autoresearch pause my-research
    """
    return _halt(key, "pause", kill=kill)


def stop(key: str, *, kill: bool = False) -> int:
    """End a session at its next step; what runs is finished first.

    Args:
        key: Memory key or id of the session.
        kill: End running experiments now; they have no score then.

    Example:
        autoresearch stop my-research --kill
    """
    return _halt(key, "stop", kill=kill)


def resume(key: str) -> int:
    """Go on with a paused session as it was started: in this terminal, or in Dagster if that drove it.

    Args:
        key: Memory key or id of the session.

    Example:
        autoresearch resume my-research
    """
    from autoresearch_dagster.defs.terminal import research_in_terminal
    from autoresearch_dagster.experiments.steering import resume as go_on

    settings = load_settings()
    state = go_on(settings, key)
    if state.driver == "daemon":
        tell(f"{state.config.memory_key} goes on as soon as Dagster's daemon looks; `autoresearch dev` runs one.")
        return DONE
    return DONE if research_in_terminal(state.config, settings, out) else FAILED


def _halt(key: str, end: "SessionEnd", *, kill: bool) -> int:
    from autoresearch_dagster.experiments.steering import ask_halt

    state = ask_halt(load_settings(), key, end, kill=kill)
    name, then = state.config.memory_key, {"pause": "paused", "stop": "finished"}[end]
    if state.asked is None:
        tell(f"{name} is {state.status}.")
    elif kill:
        tell(f"{name} ends its experiments now and is then {then}.")
    else:
        tell(f"{name} is {then} as soon as its running experiments are done.")
    return DONE
