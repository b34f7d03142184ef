"""How a changed part of a train.py is assigned to axes of research: by what it is and by what uses it."""

import ast
from collections.abc import Iterator

from autoresearch_dagster.agent.axis import (
    AXIS_OF_FIELD,
    CALLS,
    FILLING,
    GROUP_KEYS,
    NOTHING,
    REPORTING,
    Axes,
    Axis,
    calls,
    dotted,
    names_of,
    tail,
    targets_of,
)
from autoresearch_dagster.agent.source_changes import Changes, Site, Step
from autoresearch_dagster.agent.source_units import Unit, parts

DROPPING: Axes = frozenset({Axis.REGULARISATION})
"""What a variable of a module touches that is read as a share to drop, and nowhere else."""
CONFIGURING = frozenset({"replace", "ExperimentConfig"})
"""Calls whose keywords are fields of the config."""
USES_DEEP = 6
"""Variables in a row that are followed from where one is set to where the last is used."""


class Judge:
    """Judges the sites of one comparison, with what both versions say of their own names."""

    def __init__(self, found: Changes) -> None:
        self.found = found
        self.reads = _reads(found)
        self.handed = _handed_to_apply(found.units)
        self.memory: dict[tuple[object, ...], Axes] = {}
        self.modules: set[str] = set()
        self.optimizers: set[str] = set()
        self.kinds: dict[str, Axis] = {}
        """What a variable or a field of self holds: an optimizer, a scheduler, data, a dropout, a loss."""
        self.whole = {"config"}
        """Variables that everything uses: where they are read says nothing."""
        self._classes()
        self._variables()

    def axes(self) -> Axes:
        """Return what all sites together touch."""
        inside: dict[Unit | None, Axes] = {}
        found = NOTHING
        # From the end: a compound statement is what its body is, so the body comes first.
        for site in reversed(self.found.sites):
            compound = site.whole and hasattr(site.unit.node, "body")
            axes = inside[site.unit] if compound and site.unit in inside else self.judge(site, ())
            inside[site.unit.outer] = inside.get(site.unit.outer, NOTHING) | axes
            found |= axes
        return found

    def judge(self, site: Site, seen: tuple[str, ...]) -> Axes:
        """Return what one site touches; `seen` are the names whose uses led here."""
        if self._reports(site):
            return NOTHING
        if (found := self._by_target(site)) or (found := self._by_context(site)):
            return found
        found = self._by_content(site)
        if self._in_module(site.unit):
            return self._in_a_module(site, found, seen)
        return found or self._by_uses(site, seen) or self._by_fields(site) or frozenset({Axis.LOOP})

    def _classes(self) -> None:
        headers = [unit.node for unit in self.found.units if isinstance(unit.node, ast.ClassDef)]
        for _ in headers:
            for node in headers:
                bases = [dotted(base) for base in node.bases]
                names = {part for base in bases for part in base.split(".")}
                if names & {"nn", "Module", *self.modules}:
                    self.modules.add(node.name)
                elif names & {"Optimizer", "optim", *self.optimizers} or any(
                    CALLS.get(base.split(".")[-1]) is Axis.OPTIMIZER for base in bases
                ):
                    self.optimizers.add(node.name)

    def _variables(self) -> None:
        for unit in self.found.units:
            for call in calls(unit.node):
                if tail(call) == "backward" and isinstance(call.func, ast.Attribute):
                    self.kinds.setdefault(dotted(call.func.value), Axis.LOSS)
            value = unit.node.value if isinstance(unit.node, ast.Assign) else None
            axis = self._made(value) if isinstance(value, ast.Call) else None
            if value is not None and any(tail(call) in self.modules for call in calls(value)):
                self.whole.update(names_of(unit.node))
            for name in names_of(unit.node):
                if axis and (name.startswith("self.") or axis is Axis.LOSS or not self._in_module(unit)):
                    self.kinds.setdefault(name, axis)
        self.kinds.pop("", None)

    def _made(self, call: ast.Call) -> Axis | None:
        """Return what a call makes, if that is something whose later use belongs to an axis."""
        name = tail(call)
        if name == "next":
            return Axis.DATA
        axis = Axis.SCHEDULE if "lr_scheduler" in dotted(call.func) else CALLS.get(name)
        return Axis.OPTIMIZER if name in self.optimizers else None if name.endswith("dropout") else axis

    def of_call(self, call: ast.Call, *, module: bool) -> Axis | None:
        """Return the axis of what a call calls."""
        name, chain = tail(call), dotted(call.func).split(".")
        if "lr_scheduler" in chain:
            return Axis.SCHEDULE
        filled = module or chain[-2:-1] in (["weight"], ["bias"])
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

    def _in_module(self, unit: Unit) -> bool:
        return any(name in self.modules for name in unit.classes) or (
            isinstance(unit.node, ast.ClassDef) and unit.node.name in self.modules
        )

    def _reports(self, site: Site) -> bool:
        context = [tail(node) for step in site.path for node in step.nodes if isinstance(node, ast.Call)]
        if any(name in REPORTING for name in context):
            return not any(step.label == "model" for step in site.path)
        if not site.whole:
            return False
        value = getattr(site.unit.node, "value", None)
        return isinstance(value, ast.Call) and tail(value) in REPORTING

    def _by_target(self, site: Site) -> Axes:
        for target in targets_of(site.unit.node):
            if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
                key = str(target.slice.value)
                if key in GROUP_KEYS:
                    return frozenset({Axis.SCHEDULE if key == "lr" else GROUP_KEYS[key]})
            if (
                isinstance(target, ast.Attribute)
                and dotted(target.value) == "config"
                and target.attr in AXIS_OF_FIELD
            ):
                return frozenset({AXIS_OF_FIELD[target.attr]})
        return NOTHING

    def _by_context(self, site: Site) -> Axes:
        """Judge by the innermost argument that the site stands in."""
        for step in reversed(site.path):
            if axes := self._of_step(step, site):
                return axes
        return NOTHING

    def _of_step(self, step: Step, site: Site) -> Axes:
        label = step.label
        if any(isinstance(node, ast.Dict) for node in step.nodes) and label in GROUP_KEYS:
            return frozenset({GROUP_KEYS[label]})
        if any(isinstance(node, ast.While) for node in step.nodes) and label == "test":
            return self._by_fields(site) or frozenset({Axis.LENGTH})
        made = [node for node in step.nodes if isinstance(node, ast.Call)]
        if not made:
            return NOTHING
        if label == "dropout_p":
            return frozenset({Axis.REGULARISATION})
        if label in AXIS_OF_FIELD and any(tail(call) in CONFIGURING for call in made):
            return frozenset({AXIS_OF_FIELD[label]})
        judged = [self.of_call(call, module=self._in_module(site.unit)) for call in made]
        axes = [axis for axis in judged if axis is not None]
        if label == "func":
            return frozenset(axes)
        # What flows through a dropout of self, or through another thing that was made before, is not its setting.
        if not axes or all(dotted(call.func) in self.kinds for call in made):
            return NOTHING
        return self._of_argument(axes[0], label, site)

    def _of_argument(self, axis: Axis, label: str, site: Site) -> Axes:
        match axis, label:
            case Axis.OPTIMIZER, "arg1":
                return frozenset({Axis.LEARNING_RATE})
            case Axis.OPTIMIZER, _:
                inner = [key for node in site.nodes for part in ast.walk(node) for key in self._group_keys(part)]
                return frozenset({GROUP_KEYS.get(label, Axis.OPTIMIZER)}) | {GROUP_KEYS[key] for key in inner}
            case Axis.ARCHITECTURE, _:
                return self._by_fields(site) or frozenset({axis})
            case Axis.LOSS, "label_smoothing":
                return frozenset({Axis.REGULARISATION})
            case Axis.DATA, "arg1" | "B" | "batch_size":
                return frozenset({Axis.BATCH})
            case _:
                return frozenset({axis})

    def _group_keys(self, node: ast.AST) -> list[str]:
        return [key for key in parts(node) if key in GROUP_KEYS] if isinstance(node, ast.Dict) else []

    def _by_content(self, site: Site) -> Axes:
        module = self._in_module(site.unit)
        made = [call for node in site.nodes for call in calls(node)]
        found = {axis for call in made if (axis := self.of_call(call, module=module))}
        config = [keyword.arg for call in made if tail(call) in CONFIGURING for keyword in call.keywords]
        found |= {AXIS_OF_FIELD[name] for name in config if name in AXIS_OF_FIELD}
        value = any(not isinstance(node, ast.Name | ast.Attribute | ast.Constant) for node in site.nodes)
        for name in names_of(site.unit.node):
            kind = self.kinds.get(name)
            if (kind is Axis.LOSS and value) or (kind is Axis.DATA and not module):
                found.add(kind)
        if not site.whole:
            found |= self._by_fields(site)
        return frozenset(found)

    def _by_fields(self, site: Site) -> Axes:
        """Judge by the fields of the config that are read."""
        read = (*site.nodes, site.kept) if isinstance(site.kept, ast.Attribute) else site.nodes
        names = [part for node in read for part in ast.walk(node) if isinstance(part, ast.Attribute)]
        return frozenset(AXIS_OF_FIELD[part.attr] for part in names if part.attr in AXIS_OF_FIELD)

    def _in_a_module(self, site: Site, found: Axes, seen: tuple[str, ...]) -> Axes:
        if self._initialises(site.unit):
            return frozenset({Axis.INITIALISATION})
        if not site.whole and found:
            return found
        value = getattr(site.unit.node, "value", None) if site.whole else None
        axis = self.of_call(value, module=True) if isinstance(value, ast.Call) else None
        if axis is not None and axis in (Axis.REGULARISATION, Axis.INITIALISATION, Axis.LOSS):
            return frozenset({axis})
        if Axis.LOSS in found:
            return found
        if not found and self._by_uses(site, seen) == DROPPING:
            return DROPPING
        return found | {Axis.ARCHITECTURE}

    def _initialises(self, unit: Unit) -> bool:
        """Whether a method is torch's own for that, or is handed to `apply`."""
        own = unit.node.name if isinstance(unit.node, ast.FunctionDef) else unit.function
        return own == "reset_parameters" or (bool(own) and own in self.handed)

    def _by_uses(self, site: Site, seen: tuple[str, ...]) -> Axes:
        """Judge a variable, a function or a class by where it is used."""
        unit, node = site.unit, site.unit.node
        names = [name for name in names_of(node) if "." not in name and name not in self.whole]
        found = self._used(names, unit, seen, inside=True)
        if found:
            return found
        outer = [name for name in (unit.function, *unit.classes) if name and name != "run_training"]
        if unit.classes and unit.classes[-1] in self.optimizers:
            return frozenset({Axis.OPTIMIZER})
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name != "run_training":
            outer.insert(0, node.name)
        if outer and self._initialises(unit):
            return frozenset({Axis.INITIALISATION})
        return self._used(outer, unit, seen, inside=False)

    def _used(self, names: list[str], unit: Unit, seen: tuple[str, ...], *, inside: bool) -> Axes:
        """Judge names by where they are read: within their function, or (`inside` is False) outside of it."""
        if len(seen) >= USES_DEEP:
            return NOTHING
        found = NOTHING
        for name in names:
            place = (name, unit.classes, unit.function, inside, len(seen))
            if name not in seen and place not in self.memory:
                self.memory[place] = NOTHING
                sites = [site for site in self.reads.get(name, ()) if _may_read(site.unit, unit, inside=inside)]
                self.memory[place] = NOTHING.union(*(self.judge(site, (*seen, name)) for site in sites))
            found |= self.memory.get(place, NOTHING)
        return found - {Axis.LOOP}


def _may_read(reader: Unit, unit: Unit, *, inside: bool) -> bool:
    same = (reader.classes, reader.function) == (unit.classes, unit.function)
    return reader is not unit and ((same or not unit.function) if inside else not same)


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
