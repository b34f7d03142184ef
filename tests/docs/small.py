"""The command line with trainings of a few steps: everything else is as a person has it."""

from dataclasses import replace

from autoresearch_dagster import cli
from autoresearch_dagster.core.presets import PRESETS

STEPS, BUDGET_S = 4, 8


def shrink() -> None:
    """Make `demo` and `workshop` train for a few steps on the demo's bundle."""
    demo = PRESETS["demo"]
    config = demo.config.model_copy(update={"max_steps": STEPS, "time_budget_sec": BUDGET_S})
    for name in ("demo", "workshop"):
        PRESETS[name] = replace(demo, name=name, config=config)


if __name__ == "__main__":
    shrink()
    cli.main()
