"""One small event of every kind, made from the types of its fields."""

from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel

from autoresearch_dagster.store import events as ev

KINDS: tuple[type[BaseModel], ...] = get_args(get_args(ev.Event)[0])
SIMPLE: dict[Any, Any] = {
    str: "some text",
    int: 1,
    float: 0.5,
    bool: True,
    Decimal: Decimal("0.25"),
    datetime: datetime(2026, 3, 1, 22, tzinfo=UTC),
}
Model = TypeVar("Model", bound=BaseModel)


def small(kind: type[Model]) -> Model:
    """An event, or a part of one, with every field set."""
    return kind.model_validate({name: _value(field.annotation) for name, field in kind.model_fields.items()})


def _value(annotation: Any) -> Any:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if hasattr(annotation, "__supertype__"):  # a key or a digest
        return "s01_d01_e01" if annotation.__name__ == "ExperimentKey" else "0" * 64
    if origin is Literal:
        return arguments[0]
    if origin in (Union, UnionType):
        return _value(arguments[0])
    if origin is tuple:
        return [_value(arguments[0])]
    if origin is dict:
        return {"name": _value(arguments[1])}
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return small(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return next(iter(annotation))
    return SIMPLE.get(annotation, {"some": "JSON"})
