"""Walks the syntax tree of a train.py and says at which lines a rule applies."""

import ast
from collections.abc import Iterator
from typing import Any, TypeVar

from autoresearch_dagster.evaluation import review_rules as rules
from autoresearch_dagster.evaluation.review_nodes import (
    Write,
    is_constant,
    is_masked,
    is_self,
    of_self,
    root,
    targets,
    walk,
    without_subscripts,
)
from autoresearch_dagster.evaluation.review_rules import Rule

Spot = tuple[Rule, int]
"""A rule and the line where it applies."""
Kind = TypeVar("Kind", bound=ast.AST)
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Tree:
    """A parsed file, with the meaning of its imported names."""

    def __init__(self, tree: ast.Module) -> None:
        """Walk the tree once and keep its nodes by kind."""
        self._nodes: dict[type[ast.AST], list[Any]] = {}
        for node in walk(tree):
            self._nodes.setdefault(node.__class__, []).append(node)
        self._names = dict(self._imported())
        self._within: set[ast.AST] = {node.value for node in self._of(ast.Attribute)}
        """What stands at the beginning of a longer chain."""
        self._docstrings = {node.value for node in self._of(ast.Expr)}
        self._constants = {
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }

    def _of(self, *kinds: type[Kind]) -> list[Kind]:
        return [node for kind in kinds for node in self._nodes.get(kind, [])]

    def _imported(self) -> Iterator[tuple[str, str]]:
        """Yield every imported name with what it stands for."""
        for node in self._of(ast.Import):
            for one in node.names:
                root = one.name.partition(".")[0]
                yield one.asname or root, one.name if one.asname else root
        for node in self._of(ast.ImportFrom):
            for one in node.names:
                yield one.asname or one.name, f"{node.module}.{one.name}"

    def spots(self) -> Iterator[Spot]:
        """Yield every place where a rule applies; a place may come more than once."""
        for name in self._of(ast.Name, ast.Attribute):
            yield from self._name(name)
        for call in self._of(ast.Call):
            yield from self._call(call)
        for write in self._of(ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Delete):
            yield from self._write(write)
        for text in self._of(ast.Constant):
            yield from self._text(text)
        for star in self._of(ast.ImportFrom):
            if any(one.name == "*" for one in star.names) and (rule := _rule_of(star.module or "")):
                yield rule, star.lineno
        for model in self._of(ast.ClassDef):
            yield from self._class(model)
        yield from self._budget()

    def _dotted(self, node: ast.AST) -> str:
        """Return `module.name` of a chain of attributes, with imports resolved; '' for anything else."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join([self._names.get(node.id, node.id), *reversed(parts)])

    def _name(self, node: ast.Name | ast.Attribute) -> Iterator[Spot]:
        if isinstance(node, ast.Attribute) and node.attr in rules.INSIDES:
            yield "introspection", node.lineno
        if node in self._within or not isinstance(node.ctx, ast.Load):
            return
        imported = isinstance(begun := root(node), ast.Name) and begun.id in self._names
        if not imported and not (isinstance(node, ast.Name) and node.id in rules.BUILTINS):
            return  # a variable, whatever it is called
        known = self._dotted(node)
        if rule := _rule_of(known):
            yield rule, node.lineno
        if known.startswith("prepare._"):
            yield "patch", node.lineno

    def _call(self, node: ast.Call) -> Iterator[Spot]:
        known = self._dotted(node.func)
        last = node.func.attr if isinstance(node.func, ast.Attribute) else known.rpartition(".")[2]
        if last in ("setattr", "delattr") and node.args and self._is_provided(node.args[0]):
            yield "patch", node.lineno
        if (last in rules.SEEDERS or known in rules.SEEDED) and node.args and self._is_constant(node.args[0]):
            yield "seed", node.lineno
        if last == "scaled_dot_product_attention" and not is_masked(node):
            yield "attention", node.lineno
        if last in rules.ATTENDERS and not self._has_mask():
            yield "attention", node.lineno
        said = {word.arg: word.value for word in node.keywords}
        if last == "flip" or (last == "roll" and any(isinstance(arg, ast.UnaryOp) for arg in ast.walk(node))):
            yield "future", node.lineno
        if is_constant(said.get("bidirectional"), True):
            yield "future", node.lineno

    def _write(self, node: Write) -> Iterator[Spot]:
        for target in targets(node):
            if isinstance(target, ast.Attribute | ast.Subscript) and self._is_provided(target):
                yield "patch", node.lineno

    def _is_provided(self, node: ast.AST) -> bool:
        """Whether something belongs to a module that others provide, and is no switch of it."""
        known = self._dotted(without_subscripts(node))
        imported = isinstance(begun := root(node), ast.Name) and begun.id in self._names
        return imported and known.partition(".")[0] in rules.PROVIDED and not known.startswith(rules.SWITCHES)

    def _text(self, node: ast.Constant) -> Iterator[Spot]:
        if isinstance(node.value, str) and node not in self._docstrings:
            if rules.VALIDATION.search(node.value):
                yield "validation", node.lineno
            if rules.ELSEWHERE.search(node.value):
                yield "path", node.lineno

    def _is_constant(self, node: ast.AST) -> bool:
        return all(
            not isinstance(one, ast.Name | ast.Attribute | ast.Call)
            or (isinstance(one, ast.Name) and one.id in self._constants)
            for one in ast.walk(node)
        )

    def _has_mask(self) -> bool:
        return any(node.arg in rules.MASKS for node in self._of(ast.keyword))

    def _budget(self) -> Iterator[Spot]:
        used = {node.attr for node in self._of(ast.Attribute)}
        if "max_steps" in used:
            return
        places = (one.lineno for one in self._of(ast.FunctionDef) if one.name == "run_training")
        rule: Rule = "steps" if used & {"time_budget_sec", "used_s"} else "budget"
        yield rule, next(places, 1)

    def _class(self, node: ast.ClassDef) -> Iterator[Spot]:
        """Look at what a model does when it answers, saves and loads."""
        methods = {one.name: one for one in node.body if isinstance(one, Function)}
        for name in sorted(rules.HOOKS & methods.keys()):
            yield "code", methods[name].lineno
        seen: set[str] = set()
        waiting = ["forward", "__call__"]
        while waiting:
            name = waiting.pop()
            if name in methods and name not in seen:
                seen.add(name)
                for inner in walk(methods[name]):
                    yield from self._answering(inner)
                    if isinstance(inner, ast.Attribute) and is_self(inner.value):
                        waiting.append(inner.attr)

    def _answering(self, node: ast.AST) -> Iterator[Spot]:
        if isinstance(node, Write):
            if any(of_self(target) for target in targets(node)):
                yield "state", node.lineno
        elif isinstance(node, ast.Global):
            yield "state", node.lineno
        elif isinstance(node, ast.Call):
            known = self._dotted(node.func)
            if known == "setattr" and node.args and is_self(node.args[0]):
                yield "state", node.lineno
            if isinstance(node.func, ast.Attribute):
                name = node.func.attr
                changes = name in rules.MUTATORS or (name.endswith("_") and not name.endswith("__"))
                if changes and of_self(node.func.value):
                    yield "state", node.lineno
                if name in rules.LEARNERS or known == "torch.autograd.grad":
                    yield "learning", node.lineno


def _rule_of(known: str) -> Rule | None:
    """Return the rule of the longest beginning of a name that has one."""
    if known in rules.HARMLESS:
        return None
    if known.startswith(rules.PROCESS_PREFIXES):
        return "process"
    while known:
        if known in rules.NAMES:
            return rules.NAMES[known]
        known = known.rpartition(".")[0]
    return None
