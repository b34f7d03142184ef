"""What the source says about itself: docstrings of fields, comments beside constants."""

import ast
import inspect
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from types import ModuleType


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant of a module: its section, how its value is written, and the comment beside it."""

    section: str
    name: str
    written: str
    comment: str


@cache
def field_docs(cls: type) -> dict[str, str]:
    """Return the docstring below each field of a class, or each word of an enumeration; those of its bases, too."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("autoresearch_dagster"):
            body = ast.parse(inspect.cleandoc("\n" + inspect.getsource(base))).body[0]
            assert isinstance(body, ast.ClassDef)
            found |= dict(_docs_of(body.body))
    return found


def _docs_of(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for field, after in pairwise(body):
        match field, after:
            case (
                ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str() as text)),
            ):
                yield name, " ".join(text.split())
            case _:
                pass


def first_sentence(cls: type) -> str:
    """Return the first paragraph of a docstring as one line."""
    return " ".join(inspect.cleandoc(cls.__doc__ or "").split("\n\n")[0].split())


def whole_text(cls: type) -> str:
    """Return a docstring with its paragraphs as lines."""
    paragraphs = inspect.cleandoc(cls.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def constants(module: ModuleType) -> list[Constant]:
    """Return the constants of a module that are annotated, in order, with the comments beside them.

    A section is a comment that begins with three dashes.
    """
    source = inspect.getsource(module)
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type is tokenize.COMMENT
    }
    headings = {line: text.strip("- ") for line, text in comments.items() if text.startswith("---")}
    found: list[Constant] = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            section = next((headings[line] for line in sorted(headings, reverse=True) if line < node.lineno), "")
            beside = [comments[line] for line in range(node.lineno, (node.end_lineno or 0) + 1) if line in comments]
            found.append(Constant(section, node.target.id, ast.unparse(node.value), " ".join(beside)))
    return found
