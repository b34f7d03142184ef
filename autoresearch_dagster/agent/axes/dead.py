"""Takes out of a train.py what cannot change a training: constants and functions that nothing reads, `if True:`.

Only what is certain goes; a statement that may matter stays, and so does everything in a file that looks at its own
names or its own text (`globals()`, `eval`, `inspect`, ...).

What is covered: `pass`; branches and loops of a constant; `print` of constants; assignments of constants,
functions, classes and imports of harmless modules whose name is read nowhere in the file, neither as a field nor in
a string.
What is not covered: all that would take running the code, such as a variable that is computed and never used, a
branch that is never taken, or arithmetic that changes nothing.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from typing import Final, cast

from autoresearch_dagster.agent.axes.axis import dotted
from autoresearch_dagster.agent.axes.units import bound, plain_tree

_LOOKING: Final = frozenset(
    {"globals", "locals", "vars", "eval", "exec", "compile", "dir", "__import__", "__file__", "sys"}
    | {"inspect", "importlib", "gc", "ast", "linecache", "__builtins__", "builtins"}
)
"""Names of what reads a file's own names or text."""
_LOOKING_FIELDS: Final = frozenset(
    {"__dict__", "__globals__", "__code__", "f_globals", "f_locals", "__subclasses__"}
)
_HARMLESS: Final = frozenset(
    {
        "math",
        "functools",
        "itertools",
        "collections",
        "dataclasses",
        "typing",
        "time",
        "random",
        "copy",
        "json",
        "re",
    }
)
"""Modules whose import changes nothing."""
_MODULES: Final = frozenset({"nn.Module", "torch.nn.Module", "Module", "object"})
_BINDING: Final = (ast.Yield, ast.YieldFrom, ast.Await, ast.Global, ast.Nonlocal)
"""What changes the function it stands in even where it is never reached."""
_ARITHMETIC: Final = (ast.Add, ast.Sub, ast.Mult, ast.Div)
_BODIES: Final = ("body", "orelse", "finalbody")


def live_tree(source: str) -> ast.Module:
    """Parse without comments, docstrings, annotations and dead statements.

    Raises:
        SyntaxError: it does not parse.
    """
    tree = plain_tree(source)
    if _looks_at_itself(tree) or "print" in bound(tree):
        return tree
    tree = cast(ast.Module, _Branches().visit(tree))
    while _drop_unread(tree):
        pass
    return tree


def _looks_at_itself(tree: ast.Module) -> bool:
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) if name in _LOOKING:
                return True
            case ast.Attribute(attr=name) if name in _LOOKING_FIELDS:
                return True
            case ast.Import(names=names) if any(one.name.split(".")[0] in _LOOKING for one in names):
                return True
            case ast.ImportFrom(module=module, names=names) if (module or "").split(".")[0] in _LOOKING or any(
                one.name == "*" for one in names
            ):
                return True
            case _:
                pass
    return False


class _Branches(ast.NodeTransformer):
    """Takes what a constant decides for what it decides, and leaves out what does nothing."""

    def visit_Pass(self, node: ast.Pass) -> None:
        return None

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        if not isinstance(node.test, ast.Constant):
            return node
        taken, other = (node.body, node.orelse) if node.test.value else (node.orelse, node.body)
        return node if _binds(other) else taken

    def visit_While(self, node: ast.While) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        never = isinstance(node.test, ast.Constant) and not node.test.value
        return node.orelse if never and not _binds(node.body) else node

    def visit_Assert(self, node: ast.Assert) -> ast.AST | None:
        return None if isinstance(node.test, ast.Constant) and node.test.value else node

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        call = node.value
        if isinstance(call, ast.Call) and dotted(call.func) == "print":
            return (
                None if all(_pure(one) for one in [*call.args, *(word.value for word in call.keywords)]) else node
            )
        return self.generic_visit(node)


def _binds(body: list[ast.stmt]) -> bool:
    return any(isinstance(node, _BINDING) for part in body for node in ast.walk(part))


def _drop_unread(tree: ast.Module) -> bool:
    """Remove what binds only names that are read nowhere; whether there was any."""
    reads = Counter(_reads(tree))
    found = False
    for owner, slot in list(_places(tree)):
        body = cast(list[ast.stmt], getattr(owner, slot))
        kept = [one for one in body if not _unread(one, reads)]
        found |= len(kept) < len(body)
        setattr(owner, slot, kept)
    return found


def _reads(tree: ast.AST) -> Iterator[str]:
    """Yield every name as often as something may read it."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load() | ast.Del()):
                yield name
            case ast.AugAssign(target=ast.Name(id=name)):
                yield name
            case ast.Attribute(attr=name):
                yield name
            case ast.Constant(value=str(text)):
                yield text
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                yield from names
            case _:
                pass


def _places(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Yield the bodies in which a name belongs to the module or to a function: a class's are its fields."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef):
            yield from ((node, slot) for slot in _BODIES if isinstance(getattr(node, slot, None), list))


def _unread(node: ast.stmt, reads: Counter[str]) -> bool:
    match node:
        case ast.Assign(targets=targets, value=value):
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            return len(names) == len(targets) and _pure(value) and all(_free(name, reads) for name in names)
        case ast.AnnAssign(target=ast.Name(id=name), value=None):
            return _free(name, reads)
        case ast.Import(names=aliases):
            return all(one.name in _HARMLESS and _free(one.asname or one.name, reads) for one in aliases)
        case ast.ImportFrom(module=module, names=aliases):
            return module in _HARMLESS and all(_free(one.asname or one.name, reads) for one in aliases)
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            inner = Counter(_reads(node))
            return _defines(node) and _free(name, reads - inner)
        case _:
            return False


def _free(name: str, reads: Counter[str]) -> bool:
    return reads[name] == 0 and name != "run_training" and not name.startswith("__")


def _defines(node: ast.stmt) -> bool:
    """Whether a statement only defines something: nothing else happens when it is reached."""
    match node:
        case ast.FunctionDef(decorator_list=[], args=args):
            return all(_pure(one) for one in [*args.defaults, *args.kw_defaults] if one is not None)
        case ast.ClassDef(decorator_list=[], keywords=[], bases=bases, body=body):
            return all(dotted(base) in _MODULES for base in bases) and all(
                _defines(one) or (isinstance(one, ast.Assign) and _pure(one.value)) for one in body
            )
        case _:
            return False


def _pure(node: ast.AST) -> bool:
    """Whether an expression is made of constants and takes no time."""
    match node:
        case ast.Constant():
            return True
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts) | ast.JoinedStr(values=parts):
            return all(_pure(part) for part in parts)
        case ast.Dict(keys=keys, values=values):
            return all(part is not None and _pure(part) for part in [*keys, *values])
        case ast.UnaryOp(operand=ast.Constant()):
            return True
        case ast.BinOp(left=left, op=op, right=right) if isinstance(op, _ARITHMETIC):
            return all(
                isinstance(part, ast.Constant) and isinstance(part.value, int | float) for part in (left, right)
            )
        case _:
            return False
