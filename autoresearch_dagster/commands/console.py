"""Where commands print: results to standard output, what is going on to standard error."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from cyclopts import Parameter
from pydantic import BaseModel
from rich.console import Console

from autoresearch_dagster.core.presets import PresetName

DONE, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130
"""Exit codes."""

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

Json = Annotated[bool, Parameter(name="--json", help="Print JSON for programs.")]


Preset = Annotated[PresetName, Parameter(help="Size: `demo` and `workshop` need no GPU.")]
Source = Annotated[
    str,
    Parameter(help="Corpus: `sample`, `climbmix`, `climbmix@REVISION`, or a folder of parquet files."),
]
NumShards = Annotated[int, Parameter(help="Training shards of the corpus.")]


@contextmanager
def how_to_go_on(sentence: str) -> Iterator[None]:
    """Say, when the person stops what runs in this block, how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        say(f"Stopped. {sentence}")
        raise


def print_json(value: Any) -> None:
    """Print a model, a list of models or plain data."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    elif isinstance(value, list):
        value = [item.model_dump(mode="json") if isinstance(item, BaseModel) else item for item in value]
    print(json.dumps(value, indent=2, ensure_ascii=False))


def tell(line: str) -> None:
    """Print one line of a result, as it is."""
    out.print(line, markup=False, soft_wrap=True)


def say(told: object) -> None:
    """Print one line for a person who waits."""
    err.print(str(told), markup=False, soft_wrap=True)
