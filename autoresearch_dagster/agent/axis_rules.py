"""How a changed part of a train.py is assigned to axes of research: by what it is and by what uses it."""

import ast
from collections.abc import Iterator, Mapping
from enum import StrEnum

from autoresearch_dagster.agent.source_changes import Changes, Site, Step, Unit, parts


class Axis(StrEnum):
    """A direction of research."""

    SIZE = "size"
    LEARNING_RATE = "learning_rate"
    BATCH = "batch"
    LENGTH = "length"
    REGULARISATION = "regularisation"
    SCHEDULE = "schedule"
    OPTIMIZER = "optimizer"
    ARCHITECTURE = "architecture"
    INITIALISATION = "initialisation"
    LOSS = "loss"
    DATA = "data"
    LOOP = "loop"
    """What is left of the training loop."""


Axes = frozenset[Axis]
NOTHING: Axes = frozenset()
AXIS_OF_FIELD: Mapping[str, Axis] = {
    "n_layer": Axis.SIZE,
    "n_head": Axis.SIZE,
    "n_embd": Axis.SIZE,
    "dropout": Axis.REGULARISATION,
    "device_batch_size": Axis.BATCH,
    "grad_accum_steps": Axis.BATCH,
    "learning_rate": Axis.LEARNING_RATE,
    "time_budget_sec": Axis.LENGTH,
    "max_steps": Axis.LENGTH,
}
"""Fields of the training config."""
GROUP_KEYS: Mapping[str, Axis] = {
    "lr": Axis.LEARNING_RATE,
    "weight_decay": Axis.REGULARISATION,
    "betas": Axis.OPTIMIZER,
    "momentum": Axis.OPTIMIZER,
    "eps": Axis.OPTIMIZER,
}
"""Arguments of an optimizer and keys of its parameter groups."""
CALLS: Mapping[str, Axis] = {
    **dict.fromkeys(
        [
            "Adadelta",
            "Adagrad",
            "Adam",
            "AdamW",
            "Adamax",
            "ASGD",
            "LBFGS",
            "NAdam",
            "RAdam",
            "RMSprop",
            "Rprop",
            "SGD",
            "SparseAdam",
            "Adafactor",
            "Muon",
            "Lion",
            "Sophia",
        ],
        Axis.OPTIMIZER,
    ),
    **dict.fromkeys(
        [
            "LambdaLR",
            "MultiplicativeLR",
            "StepLR",
            "MultiStepLR",
            "ConstantLR",
            "LinearLR",
            "ExponentialLR",
            "CosineAnnealingLR",
            "CosineAnnealingWarmRestarts",
            "OneCycleLR",
            "CyclicLR",
            "PolynomialLR",
            "SequentialLR",
            "ChainedScheduler",
            "ReduceLROnPlateau",
        ],
        Axis.SCHEDULE,
    ),
    **dict.fromkeys(["cross_entropy", "nll_loss", "CrossEntropyLoss", "NLLLoss", "kl_div", "mse_loss"], Axis.LOSS),
    **dict.fromkeys(["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_"], Axis.REGULARISATION),
    **dict.fromkeys(
        ["Dropout", "Dropout1d", "Dropout2d", "AlphaDropout", "dropout", "alpha_dropout"], Axis.REGULARISATION
    ),
    **dict.fromkeys(["make_dataloader", "DataLoader"], Axis.DATA),
}
FILLING = frozenset(["apply", "normal_", "uniform_", "zero_", "fill_", "zeros_", "ones_", "copy_"])
"""Methods that initialise where they stand in a module."""
REPORTING = frozenset(["print", "log_step", "evaluate_bpb", "ExperimentResult"])


def dotted(node: ast.AST) -> str:
    """Return `a.b.c` for a chain of names; '' for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""


def calls(node: ast.AST) -> Iterator[ast.Call]:
    """Yield all calls in a part."""
    return (inner for inner in ast.walk(node) if isinstance(inner, ast.Call))


def tail(node: ast.AST) -> str:
    """Return the last name of what a call calls."""
    func = node.func if isinstance(node, ast.Call) else node
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


def targets_of(node: ast.AST) -> list[ast.AST]:
    """Return what a statement assigns to, tuples taken apart."""
    targets: list[ast.AST] = list(node.targets) if isinstance(node, ast.Assign) else []
    if isinstance(node, ast.AugAssign | ast.For):
        targets.append(node.target)
    return [part for one in targets for part in (one.elts if isinstance(one, ast.Tuple | ast.List) else [one])]


def names_of(node: ast.AST) -> list[str]:
    """Return the names and fields that a statement assigns to."""
    return [name for target in targets_of(node) if (name := dotted(target))]


class Judge:
    """Judges the sites of one comparison, with what both versions say of their own names."""

    def __init__(self, found: Changes) -> None:
        self.found = found
        self.modules: set[str] = set()
        self.optimizers: set[str] = set()
        self.kinds: dict[str, Axis] = {}
        """What a variable or a field of self holds: an optimizer, a scheduler, data, a dropout, a loss."""
        self._classes()
        self._variables()

    def axes(self) -> Axes:
        """Return what all sites together touch."""
        by_unit: dict[Unit, Axes] = {}
        headers: list[Site] = []
        for site in self.found.sites:
            if site.whole and isinstance(site.unit.node, ast.stmt) and hasattr(site.unit.node, "body"):
                headers.append(site)
            else:
                by_unit[site.unit] = by_unit.get(site.unit, NOTHING) | self.judge(site, ())
        for site in reversed(headers):
            inside = [axes for unit, axes in by_unit.items() if unit.outer is site.unit]
            by_unit[site.unit] = NOTHING.union(*inside) if inside else self.judge(site, ())
        return NOTHING.union(*by_unit.values())

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
            for name in names_of(unit.node) if axis else []:
                if name.startswith("self.") or axis is Axis.LOSS or not self._in_module(unit):
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
        if "init" in chain[:-1] or name == "apply" or (module and name in FILLING):
            return Axis.INITIALISATION
        if "optim" in chain or name in self.optimizers:
            return Axis.OPTIMIZER
        if name in CALLS:
            return CALLS[name]
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
        if label in AXIS_OF_FIELD and any(tail(call) in ("replace", "ExperimentConfig") for call in made):
            return frozenset({AXIS_OF_FIELD[label]})
        axes = [axis for call in made if (axis := self.of_call(call, module=self._in_module(site.unit)))]
        if not axes:
            return NOTHING
        if label == "func" or all(dotted(call.func) in self.kinds for call in made):
            return frozenset(axes) if label == "func" else NOTHING
        return self._of_argument(axes[0], label, site)

    def _of_argument(self, axis: Axis, label: str, site: Site) -> Axes:
        match axis, label:
            case Axis.OPTIMIZER, "arg1":
                return frozenset({Axis.LEARNING_RATE})
            case Axis.OPTIMIZER, _:
                inner = [key for node in site.nodes for part in ast.walk(node) for key in self._group_keys(part)]
                return frozenset({GROUP_KEYS.get(label, Axis.OPTIMIZER), *(GROUP_KEYS[key] for key in inner)})
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
        for name in names_of(site.unit.node):
            kind = self.kinds.get(name)
            if kind in (Axis.LOSS, Axis.DATA) and (not module or kind is Axis.LOSS):
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
        if axis in (Axis.REGULARISATION, Axis.INITIALISATION, Axis.LOSS):
            return frozenset({axis})
        if Axis.LOSS in found or (not found and self._by_uses(site, seen) == {Axis.REGULARISATION}):
            return found or frozenset({Axis.REGULARISATION})
        return found | {Axis.ARCHITECTURE}

    def _initialises(self, unit: Unit) -> bool:
        """Whether a method is torch's own for that, or is handed to `apply`."""
        if unit.function == "reset_parameters":
            return True
        handed = [
            dotted(call.args[0]).split(".")[-1]
            for other in self.found.units
            for call in calls(other.node)
            if tail(call) == "apply" and call.args
        ]
        own = unit.node.name if isinstance(unit.node, ast.FunctionDef) else unit.function
        return bool(own) and own in handed

    def _by_uses(self, site: Site, seen: tuple[str, ...]) -> Axes:
        """Judge a variable, a function or a class by where it is used."""
        unit, node = site.unit, site.unit.node
        found = self._used([name for name in names_of(node) if "." not in name], unit, seen, inside=True)
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
        found: set[Axis] = set()
        for name in names:
            if name in seen:
                continue
            for other in self.found.units:
                same = (other.classes, other.function) == (unit.classes, unit.function)
                if other is unit or (inside and unit.function and not same) or (not inside and same):
                    continue
                for path, use in uses(other.node, name, ()):
                    found |= self.judge(Site(other, path, (use,)), (*seen, name))
        return frozenset(found - {Axis.LOOP})


def uses(node: ast.AST, name: str, path: tuple[Step, ...]) -> Iterator[tuple[tuple[Step, ...], ast.AST]]:
    """Yield where a statement reads a name, with the way to it."""
    for label, part in parts(node).items():
        step = (*path, Step((node,), label))
        if isinstance(part, ast.Name) and part.id == name and isinstance(part.ctx, ast.Load):
            yield step, part
        else:
            yield from uses(part, name, step)
