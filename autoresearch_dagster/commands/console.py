"""Where commands print: results to standard output, what is going on to standard error."""

import json
from typing import Annotated, Any

from cyclopts import Parameter
from pydantic import BaseModel
from rich.console import Console

DONE, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130
"""Exit codes."""

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

Json = Annotated[bool, Parameter(name="--json", negative=(), help="Print JSON for programs.")]


def print_json(value: Any) -> None:
    """Print a model, a list of models or plain data."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    elif isinstance(value, list):
        value = [item.model_dump(mode="json") if isinstance(item, BaseModel) else item for item in value]
    print(json.dumps(value, indent=2, ensure_ascii=False))


def say(told: object) -> None:
    """Print one line for a person who waits."""
    err.print(str(told), markup=False, soft_wrap=True)
