"""What two versions of a train.py say of their own names: what they are, and who reads them."""

import ast
from collections.abc import Iterator

from autoresearch_dagster.agent.axes.axis import CALLS, FILLING, Axis, calls, dotted, names_of, tail
from autoresearch_dagster.agent.axes.changes import Changes, Site, Step
from autoresearch_dagster.agent.axes.units import Unit, parts


class Facts:
    """Names of both versions; `reads` is where each variable or function is read."""

    def __init__(self, changes: Changes) -> None:
        self.reads = _reads(changes)
        self.handed = _handed_to_apply(changes.units)
        """Functions that some module applies to all its parts."""
        self.modules: set[str] = set()
        self.optimizers: set[str] = set()
        self.kinds: dict[str, Axis] = {}
        """What a variable or a field of self holds: an optimizer, a scheduler, data, a dropout, a loss."""
        self.whole = {"config"}
        """Variables that everything uses: where they are read says nothing."""
        self._classes(changes)
        self._variables(changes)

    def of_call(self, call: ast.Call, *, module: bool) -> Axis | None:
        """Return the axis of what a call calls."""
        name, chain = tail(call), dotted(call.func).split(".")
        if "lr_scheduler" in chain:
            return Axis.SCHEDULE
        filled = module or "weight" in chain or "bias" in chain
        if "init" in chain[:-1] or name == "apply" or (filled and name in FILLING):
            return Axis.INITIALISATION
        if "optim" in chain or name in self.optimizers:
            return Axis.OPTIMIZER
        if name in CALLS or name in self.modules:
            return CALLS.get(name, Axis.ARCHITECTURE)
        if module and chain[0] != "self":
            return None
        owner = self.kinds.get(".".join(chain[:-1]))
        return self.kinds.get(".".join(chain)) or (owner if owner in (Axis.OPTIMIZER, Axis.SCHEDULE) else None)

    def in_module(self, unit: Unit) -> bool:
        """Whether a statement belongs to a module of torch."""
        return any(name in self.modules for name in unit.classes) or (
            isinstance(unit.node, ast.ClassDef) and unit.node.name in self.modules
        )

    def initialises(self, unit: Unit) -> bool:
        """Whether a method is torch's own for that, or is handed to `apply`."""
        own = unit.node.name if isinstance(unit.node, ast.FunctionDef) else unit.function
        return own == "reset_parameters" or (bool(own) and own in self.handed)

    def _classes(self, changes: Changes) -> None:
        headers = [unit.node for unit in changes.units if isinstance(unit.node, ast.ClassDef)]
        known = -1
        # As often as it finds more: a class may stand before the one that it derives from in the other version.
        while known < len(self.modules) + len(self.optimizers):
            known = len(self.modules) + len(self.optimizers)
            for node in headers:
                bases = [dotted(base) for base in node.bases]
                names = {part for base in bases for part in base.split(".")}
                if names & {"nn", "Module", *self.modules}:
                    self.modules.add(node.name)
                elif names & {"Optimizer", "optim", *self.optimizers} or any(
                    CALLS.get(base.split(".")[-1]) is Axis.OPTIMIZER for base in bases
                ):
                    self.optimizers.add(node.name)

    def _variables(self, changes: Changes) -> None:
        for unit in changes.units:
            for call in calls(unit.node):
                if tail(call) == "backward" and isinstance(call.func, ast.Attribute):
                    self.kinds.setdefault(dotted(call.func.value), Axis.LOSS)
            value = unit.node.value if isinstance(unit.node, ast.Assign) else None
            axis = self._made(value) if isinstance(value, ast.Call) else None
            if value is not None and any(tail(call) in self.modules for call in calls(value)):
                self.whole.update(names_of(unit.node))
            for name in names_of(unit.node):
                if axis and (name.startswith("self.") or axis is Axis.LOSS or not self.in_module(unit)):
                    self.kinds.setdefault(name, axis)
        self.kinds.pop("", None)

    def _made(self, call: ast.Call) -> Axis | None:
        """Return what a call makes, if that is something whose later use belongs to an axis."""
        name = tail(call)
        if name == "next":
            return Axis.DATA
        axis = Axis.SCHEDULE if "lr_scheduler" in dotted(call.func) else CALLS.get(name)
        return Axis.OPTIMIZER if name in self.optimizers else None if name.endswith("dropout") else axis


def _reads(changes: Changes) -> dict[str, list[Site]]:
    """Return where each name is read, with the way to it, and the changes that it is part of."""
    found: dict[str, list[Site]] = {}
    for unit in changes.units:
        for path, name in _names_in(unit.node, ()):
            found.setdefault(name.id, []).append(Site(unit, path, (name,)))
    for site in changes.sites:
        if not site.whole:
            names = {name.id for node in site.nodes for name in ast.walk(node) if isinstance(name, ast.Name)}
            for name in sorted(names):
                found.setdefault(name, []).append(site)
    return found


def _names_in(node: ast.AST, path: tuple[Step, ...]) -> Iterator[tuple[tuple[Step, ...], ast.Name]]:
    for label, part in parts(node).items():
        step = (*path, Step((node,), label))
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
            yield step, part
        else:
            yield from _names_in(part, step)


def _handed_to_apply(units: list[Unit]) -> set[str]:
    """Return the functions that some module applies to all its parts."""
    made = [call for unit in units for call in calls(unit.node) if tail(call) == "apply" and call.args]
    return {dotted(call.args[0]).split(".")[-1] for call in made}
