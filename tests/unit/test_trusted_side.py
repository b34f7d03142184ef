"""No trusted module opens what a candidate wrote in a way that could run it."""

import ast
from pathlib import Path

import autoresearch_dagster

PACKAGE = Path(autoresearch_dagster.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "plans" not in path.parts)
FORBIDDEN_MODULES = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "runpy", "importlib.util"}
FORBIDDEN_CALLS = {"torch.load", "torch.export.load", "torch.jit.load", "torch.package.PackageImporter"}
TRUSTED = ("evaluation", "training", "experiments", "containers", "store", "data")


def dotted(node):
    """`a.b.c` of an attribute, or ''."""
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return node.id if isinstance(node, ast.Name) else ""


def found(path):
    """What a module imports and calls."""
    imports, calls = set(), set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imports |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imports |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call):
            calls.add(dotted(node.func))
            if dotted(node.func).endswith(("np.load", "numpy.load")):
                said = {word.arg: ast.unparse(word.value) for word in node.keywords}
                assert said.get("allow_pickle") == "False", f"{path}: {ast.unparse(node)}"
    return imports, calls


def test_nothing_trusted_unpickles_or_imports_candidate_code():
    for path in MODULES:
        imports, calls = found(path)
        assert not imports & FORBIDDEN_MODULES, path
        assert not calls & (FORBIDDEN_CALLS | {"exec", "eval", "__import__"}), path
        if path.relative_to(PACKAGE).parts[0] in TRUSTED:
            assert "importlib.import_module" not in calls, path


def test_torch_is_imported_by_the_softmax_alone():
    importing = [path.name for path in MODULES if any(name.split(".")[0] == "torch" for name in found(path)[0])]

    assert importing == ["score.py"]


def test_the_search_would_find_it(tmp_path):
    module = tmp_path / "m.py"
    module.write_text("import pickle, torch\nfrom torch import export\ntorch.export.load('x')\ntorch.load('y')\n")

    imports, calls = found(module)

    assert "pickle" in imports
    assert {"torch.export.load", "torch.load"} <= calls
