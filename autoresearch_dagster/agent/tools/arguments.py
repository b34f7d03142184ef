"""What a plan may pass to a tool: plain JSON data that every reader of the journal can read."""

from pydantic import JsonValue

from autoresearch_dagster.core import limits


def to_json(value: object, depth: int = 0) -> JsonValue:
    """Turn a value of a plan into plain JSON data; tuples become lists.

    Raises:
        TypeError: it holds something that JSON cannot express, or that other readers of JSON cannot read.
    """
    if depth > limits.CALL_ARGUMENT_DEPTH:
        raise TypeError(f"data may be nested {limits.CALL_ARGUMENT_DEPTH} levels deep; pass flatter data")
    match value:
        case None | bool() | str():
            return value
        case int():
            if abs(value) > limits.CALL_INTEGER:
                raise TypeError("a whole number of more than 64 bits cannot be passed to a tool; pass it as text")
            return value
        case float():
            if value != value or value in (float("inf"), float("-inf")):
                raise TypeError("nan and infinity cannot be passed to a tool")
            return value
        case list() | tuple():
            return [to_json(item, depth + 1) for item in value]
        case dict():
            if not all(isinstance(key, str) for key in value):
                raise TypeError("the keys of a dict that is passed to a tool must be strings")
            return {str(key): to_json(item, depth + 1) for key, item in value.items()}
        case _:
            raise TypeError(f"a {type(value).__name__} cannot be passed to a tool; use JSON data only")
