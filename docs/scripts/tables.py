"""Markdown for the reference: tables, types as a person reads them, values as they are typed."""

import types
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticUndefined

from docs.scripts.source import field_docs, whole_text

NAMES = {"ExperimentKey": "key", "Digest": "digest", "JsonValue": "JSON", "datetime": "time", "Decimal": "amount"}
"""What a type is called that is no model: the top of the page of events explains them."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Draw a table.

    Raises:
        ValueError: a row says nothing in the last column, where its meaning stands.
    """
    rows = list(rows)
    silent = [row[0] for row in rows if not row[-1].strip()]
    if silent:
        raise ValueError(f"Without a sentence at its definition in the code: {', '.join(silent)}.")
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    """Show as code.

    Raises:
        ValueError: there is nothing to show, and empty backticks would say so to nobody.
    """
    if not text:
        raise ValueError("Nothing can be shown as code.")
    return f"`{text}`"


def type_name(annotation: Any) -> str:
    """Name a type in the words of JSON."""
    if name := NAMES.get(getattr(annotation, "__name__", "")):
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
    if isinstance(annotation, type) and issubclass(annotation, BaseModel | Enum):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    simple = {str: "text", int: "integer", float: "number", bool: "true or false"}
    return simple.get(annotation, getattr(annotation, "__name__", str(annotation)))


def default_of(value: Any) -> str:
    """Write a default as a person would type it."""
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    match value:
        case _ if value is PydanticUndefined:
            return ""
        case None:
            return "none"
        case "":
            return "empty"
        case _:
            return code(str(value))


def fields_of(model: type[BaseModel], *, without: Sequence[str] = ()) -> str:
    """Draw the fields of a model with type and meaning."""
    docs = field_docs(model)
    rows = [
        (code(name), type_name(field.annotation), docs.get(name, field.description or ""))
        for name, field in model.model_fields.items()
        if name not in without
    ]
    return table(("field", "type", "meaning"), rows)


def words_of(words: type[Enum]) -> str:
    """Draw the words of an enumeration with their meaning."""
    docs = field_docs(words)
    return table(("word", "meaning"), [(code(one.value), docs.get(one.name, "")) for one in words])


def section(part: type[BaseModel] | type[Enum]) -> str:
    """Draw what a page says of a type that its tables name."""
    told = fields_of(part) if issubclass(part, BaseModel) else words_of(part)
    return f"## {part.__name__}\n\n{whole_text(part)}\n\n{told}"


def parts_of(*models: type[BaseModel]) -> list[type[BaseModel] | type[Enum]]:
    """Return the types that the fields of some models name, and those that these name, in order."""
    found: dict[type[BaseModel] | type[Enum], None] = {}
    for model in models:
        for field in model.model_fields.values():
            for part in _named(field.annotation):
                if part not in found:
                    found[part] = None
                    found |= dict.fromkeys(parts_of(part)) if issubclass(part, BaseModel) else {}
    return [part for part in found if part not in models]


def _named(annotation: Any) -> Iterator[type[BaseModel] | type[Enum]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel | Enum):
        yield annotation
    for argument in get_args(annotation):
        yield from _named(argument)
