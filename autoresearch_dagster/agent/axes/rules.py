"""How a changed part of a train.py is assigned to axes of research: by what it is and by what uses it."""

import ast

from autoresearch_dagster.agent.axes.axis import (
    AXIS_OF_FIELD,
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
from autoresearch_dagster.agent.axes.changes import Changes, Site, Step
from autoresearch_dagster.agent.axes.facts import Facts
from autoresearch_dagster.agent.axes.units import Unit, parts

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
        self.facts = Facts(found)
        self.memory: dict[tuple[object, ...], Axes] = {}

    def axes(self) -> Axes:
        """Return what all sites together touch."""
        inside: dict[Unit | None, Axes] = {}
        found = NOTHING
        headers = [site for site in self.found.sites if _is_header(site)]
        others = [site for site in self.found.sites if not _is_header(site)]
        # A compound statement is what its body is, so the body comes first.
        for site in [*others, *reversed(headers)]:
            axes = inside[site.unit] if _is_header(site) and site.unit in inside else self.judge(site, ())
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
        if self.facts.in_module(site.unit):
            return self._in_a_module(site, found, seen)
        return found or self._by_uses(site, seen) or self._by_fields(site) or frozenset({Axis.LOOP})

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
        judged = [self.facts.of_call(call, module=self.facts.in_module(site.unit)) for call in made]
        axes = [axis for axis in judged if axis is not None]
        if label == "func":
            return frozenset(axes)
        # What flows through a dropout of self, or through another thing that was made before, is not its setting.
        if not axes or all(dotted(call.func) in self.facts.kinds for call in made):
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
        module = self.facts.in_module(site.unit)
        made = [call for node in site.nodes for call in calls(node)]
        found = {axis for call in made if (axis := self.facts.of_call(call, module=module))}
        config = [keyword.arg or "" for call in made if tail(call) in CONFIGURING for keyword in call.keywords]
        found |= {AXIS_OF_FIELD[name] for name in config if name in AXIS_OF_FIELD}
        value = any(not isinstance(node, ast.Name | ast.Attribute | ast.Constant) for node in site.nodes)
        for name in names_of(site.unit.node):
            kind = self.facts.kinds.get(name)
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
        if self.facts.initialises(site.unit):
            return frozenset({Axis.INITIALISATION})
        if not site.whole and found:
            return found
        value = getattr(site.unit.node, "value", None) if site.whole else None
        axis = self.facts.of_call(value, module=True) if isinstance(value, ast.Call) else None
        if axis is not None and axis in (Axis.REGULARISATION, Axis.INITIALISATION, Axis.LOSS):
            return frozenset({axis})
        if Axis.LOSS in found:
            return found
        if not found and self._by_uses(site, seen) == DROPPING:
            return DROPPING
        return found | {Axis.ARCHITECTURE}

    def _by_uses(self, site: Site, seen: tuple[str, ...]) -> Axes:
        """Judge a variable, a function or a class by where it is used."""
        unit, node = site.unit, site.unit.node
        names = [name for name in names_of(node) if "." not in name and name not in self.facts.whole]
        found = self._used(names, unit, seen, inside=True)
        if found:
            return found
        outer = [name for name in (unit.function, *unit.classes) if name and name != "run_training"]
        if unit.classes and unit.classes[-1] in self.facts.optimizers:
            return frozenset({Axis.OPTIMIZER})
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name != "run_training":
            outer.insert(0, node.name)
        if outer and self.facts.initialises(unit):
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
                sites = [
                    site for site in self.facts.reads.get(name, ()) if _may_read(site.unit, unit, inside=inside)
                ]
                self.memory[place] = NOTHING.union(*(self.judge(site, (*seen, name)) for site in sites))
            found |= self.memory.get(place, NOTHING)
        return found - {Axis.LOOP}


def _is_header(site: Site) -> bool:
    return site.whole and hasattr(site.unit.node, "body")


def _may_read(reader: Unit, unit: Unit, *, inside: bool) -> bool:
    same = (reader.classes, reader.function) == (unit.classes, unit.function)
    return reader is not unit and ((same or not unit.function) if inside else not same)
