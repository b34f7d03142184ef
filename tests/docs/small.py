"""The command line with trainings of a few steps, forked from a process that has imported torch.

All else is as a person has it: sessions, plans, the harness, the evaluator, receipts.
"""

import atexit
from dataclasses import replace
from functools import cache
from pathlib import Path

from autoresearch_dagster import cli
from autoresearch_dagster.containers import select
from autoresearch_dagster.core.presets import PRESETS
from autoresearch_dagster.core.settings import Settings
from tests.zygote import ZygoteRunner

STEPS, BUDGET_S = 4, 8


class ForkingRunner(ZygoteRunner):
    """Leaves nothing behind that another process would have to find."""

    def labelled(self, name: str) -> set[str]:
        return set()


@cache
def runner() -> ForkingRunner:
    """One for the command."""
    started = ForkingRunner()
    atexit.register(started.__exit__)
    return started


def quick(settings: Settings, program: Path = select.HARNESS) -> select.Selection:
    """Stand in for `select_runner`."""
    return select.Selection(runner(), "Runner of the tests: forked processes.")


def shrink() -> None:
    """Make `demo` and `workshop` train for a few steps on the demo's bundle."""
    demo = PRESETS["demo"]
    config = demo.config.model_copy(update={"max_steps": STEPS, "time_budget_sec": BUDGET_S})
    for name in ("demo", "workshop"):
        PRESETS[name] = replace(demo, name=name, config=config)


if __name__ == "__main__":
    shrink()
    select.select_runner = quick  # before the use cases import it
    cli.main()
