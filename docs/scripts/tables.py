"""Markdown for the reference: tables, types as a person reads them, values as they are typed."""

import types
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from docs.scripts.source import field_docs

NEWTYPES = {"ExperimentKey": "key", "Digest": "digest"}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Draw a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    """Show as code; nothing, where there is nothing."""
    return f"`{text}`" if text else ""


def type_name(annotation: Any) -> str:
    """Name a type in the words of JSON."""
    if name := NEWTYPES.get(getattr(annotation, "__name__", "")):
        return name
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{choice}`" for choice in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(type_name(one) for one in arguments)
    if origin in (tuple, list):
        return f"list of {type_name(arguments[0])}"
    if origin is dict:
        return f"object of {type_name(arguments[1])}"
    if annotation is type(None):
        return "null"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(f"`{member.value}`" for member in annotation)
    simple = {str: "text", int: "integer", float: "number", bool: "true or false"}
    return simple.get(annotation, getattr(annotation, "__name__", str(annotation)))


def default_of(value: Any) -> str:
    """Write a default as a person would type it."""
    if value is PydanticUndefined:
        return ""
    return (
        {None: "none", "": "empty"}.get(value, code(str(value))) if isinstance(value, str | None) else f"`{value}`"
    )


def fields_of(model: type[BaseModel], *, without: Sequence[str] = ()) -> str:
    """Draw the fields of a model with type and meaning."""
    docs = field_docs(model)
    rows = [
        (code(name), type_name(field.annotation), docs.get(name, field.description or ""))
        for name, field in model.model_fields.items()
        if name not in without
    ]
    return table(("field", "type", "meaning"), rows)
