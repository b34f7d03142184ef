"""Small questions about the nodes of a syntax tree, for `review`."""

import ast
from collections.abc import Iterator

Write = ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Delete


def walk(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and all below it, in no particular order; half the time of `ast.walk`."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for name in node._fields:
            value: object = getattr(node, name, None)
            if isinstance(value, list):
                waiting += [one for one in value if isinstance(one, ast.AST)]
            elif isinstance(value, ast.AST) and name != "ctx":
                waiting.append(value)


def targets(node: Write) -> Iterator[ast.AST]:
    """Yield what a statement writes to; of `a, b.c = ...` both."""
    waiting: list[ast.AST] = list(node.targets if isinstance(node, ast.Assign | ast.Delete) else [node.target])
    while waiting:
        target = waiting.pop()
        if isinstance(target, ast.Tuple | ast.List):
            waiting += target.elts
        elif isinstance(target, ast.Starred):
            waiting.append(target.value)
        else:
            yield target


def without_subscripts(node: ast.AST) -> ast.AST:
    """Return `a.b` of `a.b[c][d]`."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return node


def root(node: ast.AST) -> ast.AST:
    """Return `a` of `a.b[c].d()`."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node


def is_self(node: ast.AST) -> bool:
    """Whether it is the name `self`."""
    return isinstance(node, ast.Name) and node.id == "self"


def of_self(node: ast.AST) -> bool:
    """Whether something is kept in the model: `self.a`, `self.a.b[c]`, not `self` and not a local name."""
    return not isinstance(node, ast.Name) and is_self(root(node))


def is_masked(node: ast.Call) -> bool:
    """Whether a call of fused attention is causal or given a mask, or both are computed."""
    said = {word.arg: word.value for word in node.keywords}
    if None in said or any(isinstance(arg, ast.Starred) for arg in node.args) or len(node.args) > 3:
        return True
    mask, causal = said.get("attn_mask"), said.get("is_causal")
    return not (mask is None or is_constant(mask, None)) or not (causal is None or is_constant(causal, False))


def is_constant(node: ast.AST | None, value: object) -> bool:
    """Whether it is written as None, True or False, as asked for."""
    return isinstance(node, ast.Constant) and node.value is value
