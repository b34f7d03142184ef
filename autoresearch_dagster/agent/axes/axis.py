"""The axes of research, and the names of torch and of the harness that belong to each."""

import ast
from collections.abc import Iterator, Mapping
from enum import StrEnum


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
_NAMES: Mapping[Axis, tuple[str, ...]] = {
    Axis.OPTIMIZER: (
        *("Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "ASGD", "LBFGS", "NAdam", "RAdam", "RMSprop", "Rprop"),
        *("SGD", "SparseAdam", "Adafactor", "Muon", "Lion", "Sophia"),
    ),
    Axis.SCHEDULE: (
        *("LambdaLR", "MultiplicativeLR", "StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR"),
        *("CosineAnnealingLR", "CosineAnnealingWarmRestarts", "OneCycleLR", "CyclicLR", "PolynomialLR"),
        *("SequentialLR", "ChainedScheduler", "ReduceLROnPlateau"),
    ),
    Axis.LOSS: ("cross_entropy", "nll_loss", "CrossEntropyLoss", "NLLLoss", "kl_div", "mse_loss"),
    Axis.REGULARISATION: (
        *("clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_"),
        *("Dropout", "Dropout1d", "Dropout2d", "AlphaDropout", "dropout", "alpha_dropout"),
    ),
    Axis.DATA: ("make_dataloader", "DataLoader"),
}
CALLS: Mapping[str, Axis] = {name: axis for axis, names in _NAMES.items() for name in names}
"""What a call makes or does, by the last part of its name."""
FILLING = frozenset({"apply", "normal_", "uniform_", "zero_", "fill_", "zeros_", "ones_", "copy_", "mul_"})
"""Methods that initialise what they are called on, in a module or on a weight."""
REPORTING = frozenset({"print", "log_step", "evaluate_bpb", "ExperimentResult"})
"""Calls that change nothing about the model."""


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
