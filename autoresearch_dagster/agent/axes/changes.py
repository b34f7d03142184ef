"""What differs between two versions of a train.py: statements, and within a changed statement the parts."""

import ast
import copy
import difflib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

from autoresearch_dagster.agent.axes.dead import live_tree
from autoresearch_dagster.agent.axes.units import Unit, bound, identifiers, parts, units
from autoresearch_dagster.core import limits

SIMILAR = 0.5
"""From here on two statements of one function count as versions of one another."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step down a statement: the node in each version, and the label of the part taken."""

    nodes: tuple[ast.AST, ...]
    label: str


@dataclass(frozen=True, slots=True)
class Site:
    """A place where a statement differs; `nodes` is what stands there, in both versions where they replace.

    Where one version only wraps what the other has, `nodes` is the wrapping, and `kept` what is inside.
    `whole`: the statement is in one version only.
    """

    unit: Unit
    path: tuple[Step, ...]
    nodes: tuple[ast.AST, ...]
    kept: ast.AST | None = None
    whole: bool = False


@dataclass(slots=True)
class Changes:
    """All units of both versions, and where they differ."""

    units: list[Unit]
    sites: list[Site] = field(default_factory=list[Site])


def changes(old: str, new: str) -> Changes:
    """Compare two sources; what was only renamed, or cannot change a training, is no change.

    Raises:
        SyntaxError: one does not parse.
    """
    before, after = live_tree(old), live_tree(new)
    _rename(before, after)
    olds, news = units(before), units(after)
    found = Changes([*olds, *news])
    gone, come = _left_over(olds, news)
    if not gone and not come:
        gone, come = _moved(olds, news)
    else:
        for one, other in _pairs(gone, come):
            gone.remove(one)
            come.remove(other)
            found.sites.extend(_differ(one.node, other.node, other, ()))
    found.sites.extend(Site(unit, (), (unit.node,), whole=True) for unit in [*gone, *come])
    return found


def _rename(old: ast.Module, new: ast.Module) -> None:
    """Give the old version the new one's names, where a statement shows that only the name changed."""
    gone = bound(old) - {name for _, _, name in identifiers(new)}
    come = bound(new) - {name for _, _, name in identifiers(old)}
    if not gone or not come:
        return
    shapes: dict[str, list[list[str]]] = {}
    for unit in units(new):
        shape, names = _shape(unit, come)
        shapes.setdefault(shape, []).append(names)
    mapping: dict[str, str] = {}
    for unit in units(old):
        shape, names = _shape(unit, gone)
        waiting = shapes.get(shape, [])
        if names and waiting:
            for one, other in zip(names, waiting.pop(0), strict=True):
                mapping.setdefault(one, other)
    own = {id(keyword) for keyword in _own_keywords(old)}
    for node, slot, name in list(identifiers(old)):
        if name in mapping and (not isinstance(node, ast.keyword) or id(node) in own):
            setattr(node, slot, mapping[name])


def _own_keywords(tree: ast.Module) -> Iterator[ast.keyword]:
    """Yield the keywords of calls of what the source defines itself: their names are its own."""
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in defined:
            yield from node.keywords


def _shape(unit: Unit, names: set[str]) -> tuple[str, list[str]]:
    tree = copy.deepcopy(unit.node)
    found: list[str] = []
    for node, slot, name in identifiers(tree):
        if name in names and not isinstance(node, ast.keyword):
            found.append(name)
            setattr(node, slot, "_")
    return ast.unparse(tree), found


def _left_over(olds: list[Unit], news: list[Unit]) -> tuple[list[Unit], list[Unit]]:
    """Return what one version has more of; equal statements meet within their function first."""
    places: tuple[Callable[[Unit], object], ...] = (
        lambda unit: (unit.classes, unit.function, unit.text),
        lambda unit: unit.text,
    )
    for place in places:
        counts = [Counter(place(unit) for unit in side) for side in (olds, news)]
        common = counts[0] & counts[1]
        sides: list[list[Unit]] = []
        for side in (olds, news):
            room, rest = Counter(common), list[Unit]()
            for unit in side:
                if room[place(unit)] > 0:
                    room[place(unit)] -= 1
                else:
                    rest.append(unit)
            sides.append(rest)
        olds, news = sides
    return olds, news


def _moved(olds: list[Unit], news: list[Unit]) -> tuple[list[Unit], list[Unit]]:
    """Return the statements that stand elsewhere, or at another depth."""
    one, other = ([f"{unit.depth} {unit.text}" for unit in side] for side in (olds, news))
    gone: list[Unit] = []
    come: list[Unit] = []
    for kind, i1, i2, j1, j2 in difflib.SequenceMatcher(None, one, other).get_opcodes():
        if kind != "equal":
            gone.extend(olds[i1:i2])
            come.extend(news[j1:j2])
    return gone, come


def _pairs(gone: list[Unit], come: list[Unit]) -> list[tuple[Unit, Unit]]:
    """Find versions of one statement: of one function and kind, the most alike first."""
    rated: list[tuple[float, int, int]] = []
    if len(gone) * len(come) > limits.PAIRED_STATEMENTS:
        return []
    for i, one in enumerate(gone):
        for j, other in enumerate(come):
            same = (one.classes, one.function) == (other.classes, other.function)
            if same and type(one.node) is type(other.node):
                begin, end = (unit.text[: limits.PAIRED_STATEMENT_CHARS] for unit in (one, other))
                alike = difflib.SequenceMatcher(None, begin, end, autojunk=False).ratio()
                rated.append((alike, i, j))
    taken: list[tuple[int, int]] = []
    for alike, i, j in sorted(rated, key=lambda row: (-row[0], row[1], row[2])):
        if alike >= SIMILAR and all(i != a and j != b for a, b in taken):
            taken.append((i, j))
    return [(gone[i], come[j]) for i, j in taken]


def _differ(one: ast.AST, other: ast.AST, unit: Unit, path: tuple[Step, ...]) -> Iterator[Site]:
    """Yield the smallest parts that differ."""
    if ast.dump(one) == ast.dump(other):
        return
    if path and (rest := _wrapped(one, other)):
        yield Site(unit, path, (rest,), kept=one)
    elif path and (rest := _wrapped(other, one)):
        yield Site(unit, path, (rest,), kept=other)
    elif not _comparable(one, other):
        yield Site(unit, path, (one, other))
    else:
        yield from _differ_in_parts(one, other, unit, path)


def _comparable(one: ast.AST, other: ast.AST) -> bool:
    """Whether it makes sense to compare two nodes part by part."""
    if isinstance(one, ast.Call) and isinstance(other, ast.Call):
        return (_dotted(one.func) and _dotted(other.func)) or _method(one.func) == _method(other.func) != ""
    if type(one) is not type(other):
        return False
    return isinstance(one, ast.Dict) or (_own(one) == _own(other) and parts(one).keys() == parts(other).keys())


def _differ_in_parts(one: ast.AST, other: ast.AST, unit: Unit, path: tuple[Step, ...]) -> Iterator[Site]:
    ours, theirs = parts(one), parts(other)
    called = isinstance(one, ast.Call) and _dotted(ours["func"]) and _dotted(theirs["func"])
    swapped = called and ast.dump(ours["func"]) != ast.dump(theirs["func"])
    for label in {**ours, **theirs}:
        step = (*path, Step((one, other), label))
        if called and label == "func":
            if swapped:
                yield Site(unit, step, (ours[label], theirs[label]))
        elif label in ours and label in theirs:
            yield from _differ(ours[label], theirs[label], unit, step)
        elif not swapped:
            # What one optimizer takes and another does not is part of the swap.
            yield Site(unit, step, (ours.get(label) or theirs[label],))


def _own(node: ast.AST) -> list[object]:
    return [value for _, value in ast.iter_fields(node) if not isinstance(value, ast.AST | list)]


def _dotted(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and _dotted(node.value))


def _method(node: ast.AST) -> str:
    """Return the name of a method that is called on the value of an expression; '' for other functions."""
    return node.attr if isinstance(node, ast.Attribute) and not _dotted(node) else ""


def _wrapped(inner: ast.AST, outer: ast.AST) -> ast.AST | None:
    """Return what `outer` adds around `inner`, which a hole stands for; None: it does not contain it."""
    wanted, tree = ast.dump(inner), copy.deepcopy(outer)
    if isinstance(inner, ast.Constant | ast.Name):
        return None
    for node in ast.walk(tree):
        for name, value in ast.iter_fields(node):
            if isinstance(value, ast.AST) and ast.dump(value) == wanted:
                setattr(node, name, ast.Name("_", ast.Load()))
                return tree
            if isinstance(value, list):
                items = cast(list[object], value)
                for number, item in enumerate(items):
                    if isinstance(item, ast.AST) and ast.dump(item) == wanted:
                        items[number] = ast.Name("_", ast.Load())
                        return tree
    return None
