"""What a person is told of a session in the terminal: each decision once, and how it ended."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.text import Text

from autoresearch_dagster.core.presets import preset
from autoresearch_dagster.reports.bill import bill
from autoresearch_dagster.reports.standings import floor_sentence, transfer_sentence, verdict
from autoresearch_dagster.reports.tables import leaderboard_table, print_table, width_of
from autoresearch_dagster.reports.text import one_line
from autoresearch_dagster.store.events import SessionConfig
from autoresearch_dagster.store.leaderboard import leaderboard
from autoresearch_dagster.store.state import SessionState

NAME_CHARS = 200  # of a title or memory key in a line


def say(out: Console, line: str) -> None:
    """Print a line that may hold what others wrote; a terminal gets it wrapped between words."""
    out.print(Text(line), soft_wrap=not out.is_terminal)


class Story:
    """What a person is told after each dispatch: what was decided and why, each thing once."""

    def __init__(self, out: Console) -> None:
        """Tell it on a console."""
        self._out = out
        self._told: set[str] = set()

    def know(self, state: SessionState) -> None:
        """Take what was decided in an earlier launch as told."""
        self._told.update(_decided(state))

    def tell(self, state: SessionState) -> None:
        """Tell what is new."""
        for line in _decided(state):
            if line not in self._told:
                self._told.add(line)
                say(self._out, line)


def _decided(state: SessionState) -> Iterator[str]:
    """Say everything that is decided in a session."""
    if state.floor is not None:
        yield floor_sentence(state)
    for one in state.experiments.values():
        if one.judgement:
            yield f"{one_line(one.planned.title, NAME_CHARS)}: {one.judgement}"
    for key, _ in state.reigns:
        title = one_line(state.experiments[key].planned.title, NAME_CHARS)
        yield f"New champion: {title}."
        if sentence := transfer_sentence(state.experiments[key]):
            yield f"{title}: {sentence}"


def conclude(state: SessionState, report: Path, out: Console) -> None:
    """Tell how a session ended: leaderboard, verdict, costs, and where to look."""
    out.print()
    heading = "Leaderboard (val_bpb: bits per byte, lower is better)"
    floor = state.floor.floor if state.floor else None
    print_table(out, leaderboard_table(leaderboard(state), heading, width_of(out), floor))
    out.print()
    say(out, verdict(state))
    if spent := bill(state):
        say(out, f"Spent: {spent}.")
    say(out, f"\nReport   {report}")
    say(out, "Look     `autoresearch dev` opens Dagster (runs, partitions) and MLflow (code, curves, lineage)")
    say(out, f"History  `{shlex.join(['autoresearch', 'history', state.config.memory_key])}`")
    say(out, f"Go on    `{go_on(state.config)}`")


def go_on(config: SessionConfig) -> str:
    """Return the command that goes on with a session: its name, its terms, and what is not the default."""
    given = config.model_dump(mode="json", exclude_none=True)
    usual = {name: field.default for name, field in SessionConfig.model_fields.items()}
    usual["time_budget_sec"] = preset(config.preset).config.time_budget_sec
    unusual = {name: value for name, value in given.items() if value != usual[name]}
    flags = {"memory_key": config.memory_key, "preset": config.preset, **unusual}
    named = {"--" + name.replace("_", "-"): value for name, value in flags.items()}
    words = [word for name, value in named.items() for word in _flag(name, value)]
    return shlex.join(["autoresearch", "run", *words])


def _flag(name: str, value: object) -> tuple[str, ...]:
    if isinstance(value, bool):
        return (name if value else name.replace("--", "--no-", 1),)
    return name, str(value)
