"""A train.py as statements: without what does nothing when it runs, each with the function it stands in."""

import ast
import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

BODIES = ("body", "orelse", "finalbody", "handlers")


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """One statement, a compound one without its body; `classes` and `function` are what it stands in."""

    node: ast.AST
    text: str
    classes: tuple[str, ...]
    function: str
    outer: "Unit | None"
    depth: int


def plain_tree(source: str) -> ast.Module:
    """Parse without comments, docstrings and annotations.

    Raises:
        SyntaxError: it does not parse.
    """
    return cast(ast.Module, _Plain().visit(ast.parse(source.replace("\r\n", "\n"))))


def units(tree: ast.Module) -> list[Unit]:
    """Return all statements in their order, imports left out."""
    return list(_units(tree.body, (), "", None, 0))


def parts(node: ast.AST) -> dict[str, ast.AST]:
    """Return the children of a node by label: a keyword, `arg0`, the key of a dict, the name of a field."""
    if isinstance(node, ast.Call):
        found: dict[str, ast.AST] = {"func": node.func}
        found |= {f"arg{number}": arg for number, arg in enumerate(node.args)}
        return found | {keyword.arg or "**": keyword.value for keyword in node.keywords}
    if isinstance(node, ast.Dict) and all(isinstance(key, ast.Constant) for key in node.keys):
        keys = [str(cast(ast.Constant, key).value) for key in node.keys]
        return dict(zip(keys, node.values, strict=True))
    found = {}
    for name, value in ast.iter_fields(node):
        if isinstance(value, ast.AST) and not isinstance(value, ast.expr_context):
            found[name] = value
        elif isinstance(value, list):
            items = cast(list[object], value)
            found |= {f"{name}{number}": item for number, item in enumerate(items) if isinstance(item, ast.AST)}
    return found


def identifiers(tree: ast.AST) -> Iterator[tuple[ast.AST, str, str]]:
    """Yield every name in a tree with the node and the attribute that hold it."""
    for node in ast.walk(tree):
        for name in ("id", "attr", "arg", "name", "asname"):
            value = getattr(node, name, None)
            if isinstance(value, str) and not (isinstance(node, ast.alias) and name == "name"):
                yield node, name, value


def bound(tree: ast.AST) -> set[str]:
    """Return the names that a source chose itself: variables, arguments, functions, classes, fields of self."""
    found: set[str] = set()
    for node, _, value in identifiers(tree):
        stored = isinstance(getattr(node, "ctx", None), ast.Store)
        chosen = isinstance(node, ast.arg | ast.FunctionDef | ast.ClassDef | ast.alias) or stored
        if chosen and value not in ("run_training", "forward", "self") and not value.startswith("__"):
            found.add(value)
    return found


def _units(
    body: Sequence[ast.AST], classes: tuple[str, ...], function: str, outer: Unit | None, depth: int
) -> Iterator[Unit]:
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Pass):
            continue
        inner = [child for name in BODIES for child in getattr(node, name, []) if isinstance(child, ast.AST)]
        header = copy.copy(node)
        for name in BODIES:
            if isinstance(getattr(header, name, None), list):
                setattr(header, name, [])
        unit = Unit(header, ast.unparse(header), classes, function, outer, depth)
        yield unit
        if isinstance(node, ast.ClassDef):
            yield from _units(inner, (*classes, node.name), "", unit, depth + 1)
        elif isinstance(node, ast.FunctionDef):
            yield from _units(inner, classes, node.name, unit, depth + 1)
        else:
            yield from _units(inner, classes, function, unit, depth + 1)


class _Plain(ast.NodeTransformer):
    """Drops what does nothing when it runs."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None:
            return self.generic_visit(node)
        return self.generic_visit(ast.copy_location(ast.Assign([node.target], node.value), node))

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)
