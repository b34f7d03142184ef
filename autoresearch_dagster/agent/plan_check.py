"""What is certain to fail in a plan, found before anything of it runs.

The type checker of the sandbox is sometimes wrong: about unions, about globals.  What it only suspects does not
keep a plan from running; it fails, if at all, when it runs.
"""

import ast
import difflib
import re
import unicodedata
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from autoresearch_dagster.agent.plan_advice import MODULES, NO_AWAIT, NO_PLAN, ONLY_CALLED, cut_line

_CERTAIN: Final = frozenset(
    {
        "invalid-syntax",
        "missing-argument",
        "parameter-already-assigned",
        "positional-only-parameter-as-kwarg",
        "too-many-positional-arguments",
        "unknown-argument",
        "unresolved-reference",
    }
)
_FINDING: Final = re.compile(r"^main\.py:(\d+):(\d+): (?:error|warning)\[([a-z-]+)\] (.*)$", re.MULTILINE)
_ARGUMENT: Final = re.compile(r"^Argument to function `(\w+)` is incorrect: Expected `.+`, found `(.+)`$")
_PLAIN: Final = frozenset(
    [
        "str",
        "int",
        "bool",
        "bytes",
        "list",
        "dict",
        "set",
        "frozenset",
        "dict_keys",
        "dict_values",
        "dict_items",
        "def",
    ]
)
"""Types whose values fit or do not; a float may be whole, a tuple or a generator becomes a list."""
_VAGUE: Final = re.compile(r"\||Unknown|Any|Todo|Divergent")
_ASYNC: Final = frozenset({"create_task", "ensure_future", "gather", "shield", "wait", "wait_for"})
_CALLBACKS: Final = frozenset({"filter", "map", "max", "min", "sort", "sorted"})
_SHOWN: Final = 5
"""Findings that are shown; mending the first ones often mends the others."""


@dataclass(frozen=True, slots=True)
class _Finding:
    line: int
    column: int
    rule: str
    message: str


def certain_errors(report: str, code: str, tools: Collection[str]) -> str:
    """Return what the type checker's report holds of certain errors, each with its line; "" if none.

    A report that cannot be read is returned as it is.
    """
    findings = [_Finding(int(m[1]), int(m[2]), m[3], m[4]) for m in _FINDING.finditer(report)]
    if not findings:
        return report.strip() or "The plan has a type error."
    lines = code.split("\n")
    syntax = [found for found in findings if found.rule == "invalid-syntax"]
    certain = syntax[:1] or [found for found in findings if _is_certain(found, lines, code, tools)]
    told = [_told(found, lines, tools) for found in certain[:_SHOWN]]
    if len(certain) > _SHOWN:
        told.append(f"... and {len(certain) - _SHOWN} more.")
    if told and not any(name in code for name in tools):
        told.append(NO_PLAN)
    return "\n".join(told)


def _is_certain(found: _Finding, lines: list[str], code: str, tools: Collection[str]) -> bool:
    shared = re.search(r"^\s*(global|nonlocal)\s", code, re.MULTILINE) is not None
    if found.rule == "unresolved-reference":
        return not shared
    if found.rule != "invalid-argument-type":
        return found.rule in _CERTAIN
    match = _ARGUMENT.match(found.message)
    if match is None or match[1] not in tools or shared:
        return False
    kind = match[2]
    if kind == "None":
        return re.match(r"(\w+\s*=\s*)?None\b", _line(lines, found)[found.column - 1 :]) is not None
    if kind.startswith("Literal["):
        return _of_one_type(kind)
    head = re.split(r"[\[ ]", kind)[0]
    return head in _PLAIN and (head == "def" or not _VAGUE.search(kind))


def _of_one_type(literal: str) -> bool:
    """Whether all values of `Literal[...]` have the same type, so that none of them fits."""
    try:
        values = ast.literal_eval(literal.removeprefix("Literal"))
    except (ValueError, SyntaxError):
        return False
    return len({type(value) for value in values}) == 1


def _line(lines: list[str], found: _Finding) -> str:
    return lines[found.line - 1] if found.line <= len(lines) else ""


def _told(found: _Finding, lines: list[str], tools: Collection[str]) -> str:
    line = _line(lines, found)
    told = [f"Line {found.line} [{found.rule}]: {cut_line(found.message)}", f"    {cut_line(line)}"]
    odd = [char for char in dict.fromkeys(line) if _is_odd(char)]
    if found.rule in ("invalid-syntax", "unresolved-reference") and odd:
        named = ", ".join(
            f"U+{ord(char):04X} {unicodedata.name(char, 'control character')}" for char in odd[:_SHOWN]
        )
        told.append(f"    This line has unusual characters: {named}; use plain ASCII outside of strings.")
    elif found.rule == "unresolved-reference":
        name = found.message.split("`")[1]
        near = difflib.get_close_matches(name, tools, n=3)
        if name in MODULES:
            told.append(f"    Write `import {name}` first.")
        elif near:
            told.append(f"    There is: {', '.join(near)}.")
        else:
            told.append("    No variable survives a turn; the functions are those listed under Tools.")
    elif "`return` statement outside" in found.message:
        told.append("    A plan's value is its last expression: leave `return` out.")
    return "\n".join(told)


def _is_odd(char: str) -> bool:
    return char != "\t" and (ord(char) > 126 or ord(char) < 32)


def misused_tools(code: str, tools: Collection[str]) -> str:
    """Return what is wrong with how a plan uses its tools, each with its line; "" if nothing.

    Found are: a tool that is awaited, passed on, called inside a key function, or defined anew.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""  # the sandbox itself says what is wrong
    lines = code.split("\n")
    found = dict(sorted(_misuses(tree, tools)))
    told = [f"Line {line}: {text}\n    {cut_line(lines[line - 1])}" for line, text in found.items()]
    return "\n".join(told[:_SHOWN])


def _misuses(tree: ast.AST, tools: Collection[str]) -> Iterator[tuple[int, str]]:
    called: set[ast.expr] = set()
    taken: set[str] = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                if name in tools:
                    yield node.lineno, _defined_anew(name)
            case ast.Await(value=ast.Call(func=ast.Name(id=name))) if name in tools:
                yield node.lineno, NO_AWAIT
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                called.add(node.func)
                inner = [*node.args, *(keyword.value for keyword in node.keywords)]
                if name in _ASYNC and any(_calls(value, tools) for value in inner):
                    yield node.lineno, NO_AWAIT
                if name in _CALLBACKS and any(
                    isinstance(value, ast.Lambda) and _calls(value.body, tools) for value in inner
                ):
                    yield node.lineno, f"No tool can be called inside of {name}(): call it in a for loop first."
            case ast.Name(id=name, ctx=ast.Store()) if name in tools:
                yield node.lineno, _defined_anew(name)
            case ast.Name(id=name) if name in tools and name not in taken and node not in called:
                yield node.lineno, ONLY_CALLED.format(name)
            case _:
                pass


def _calls(node: ast.AST, tools: Collection[str]) -> bool:
    return any(
        isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id in tools
        for inner in ast.walk(node)
    )


def _defined_anew(name: str) -> str:
    return f"{name} is a tool; a function or variable of that name would hide it. Choose another name."
