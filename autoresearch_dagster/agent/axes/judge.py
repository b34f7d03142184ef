"""Which axes of research an edit touches: judged on syntax trees and overrides, never on words of the agent."""

import ast
import functools
from collections.abc import Mapping

from autoresearch_dagster.agent.axes.axis import AXIS_OF_FIELD, Axis as Axis
from autoresearch_dagster.agent.axes.changes import changes
from autoresearch_dagster.agent.axes.dead import live_tree
from autoresearch_dagster.agent.axes.rules import Judge
from autoresearch_dagster.agent.axes.units import bound, identifiers


def axes_of(
    source: str,
    overrides: Mapping[str, float | int],
    parent_source: str,
    parent_overrides: Mapping[str, float | int],
) -> frozenset[Axis]:
    """Return what an edit touches relative to its parent; renames, comments, reporting and dead code touch nothing.

    Raises:
        SyntaxError: a source does not parse.
    """
    names = {*overrides, *parent_overrides}
    fields = {name for name in names if overrides.get(name) != parent_overrides.get(name)}
    return source_axes(source, parent_source) | {AXIS_OF_FIELD[name] for name in fields if name in AXIS_OF_FIELD}


@functools.lru_cache(maxsize=256)
def source_axes(source: str, parent_source: str) -> frozenset[Axis]:
    """Return what the change of the source alone touches.

    Raises:
        SyntaxError: a source does not parse.
    """
    try:
        if _canonical(source)[0] == _canonical(parent_source)[0]:
            return frozenset()
        return Judge(changes(parent_source, source)).axes()
    except RecursionError:
        # It nests too deep to be compared: such files are refused now, older sessions may have some.
        return frozenset()


def form_of(source: str, *, numbers: bool = True) -> str:
    """Return what two sources have in common that train alike: own names, comments and dead code left out.

    Args:
        source: a train.py.
        numbers: False: literal numbers count as alike, too, as in a sweep of hyperparameters written into code.

    Returns:
        The form, or '' where the source nests too deep to have one.

    Raises:
        SyntaxError: it does not parse.
    """
    try:
        return _canonical(source)[0 if numbers else 1]
    except RecursionError:
        return ""


@functools.lru_cache(maxsize=256)
def _canonical(source: str) -> tuple[str, str]:
    """Return a source with names of its own in order of appearance; the second time with 0 for each number."""
    tree = live_tree(source)
    own, seen = bound(tree), dict[str, str]()
    for node, slot, name in list(identifiers(tree)):
        if name in own:
            setattr(node, slot, seen.setdefault(name, f"name_{len(seen)}"))
    return ast.unparse(tree), ast.unparse(_NoNumbers().visit(tree))


class _NoNumbers(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        number = isinstance(node.value, int | float | complex) and not isinstance(node.value, bool)
        return ast.Constant(0) if number else node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        inner = self.visit(node.operand)
        if isinstance(node.op, ast.USub | ast.UAdd) and isinstance(inner, ast.Constant):
            return inner
        node.operand = inner
        return node
