"""Who imports whom, what is never imported, and what an import may cost."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.imports import circle, imports, modules

LAYERS = [
    ("numerics",),
    ("core",),
    ("experience", "layers", "measures", "training"),
    (
        *("linear", "kernels", "latent", "inference", "neural", "sequences", "language", "generative", "graphs"),
        *("transfer", "control"),
    ),
    ("diagnosis", "explaining", "tuning"),
    ("study",),
    ("cli", "serving", "__main__"),
]
CHAPTERS = LAYERS[3]
RANK = {package: rank for rank, layer in enumerate(LAYERS) for package in layer}
DISCOVER_ONLY = {"study", "tuning", "diagnosis", "explaining", "cli", "serving"}
EXCEPTIONS = {("tuning", "kernels")}  # Bayesian optimisation uses a Gaussian process

MODULES = modules()
IMPORTS = [found for name, path in MODULES.items() for found in imports(name, path, MODULES)]


def package(module: str) -> str:
    """The part of the package that a module belongs to; "" for ``peira`` itself."""
    return [*module.split("."), ""][1]


def described(found) -> str:
    return f"{found.importer}:{found.line} imports {found.target}"


def test_every_package_has_its_place():
    placeless = {package(name) for name in MODULES} - set(RANK) - {""}
    assert not placeless, f"say in LAYERS where these stand: {placeless}"


def test_imports_point_downwards():
    wrong = []
    for found in IMPORTS:
        low, high = package(found.target), package(found.importer)
        if low == high or "" in (low, high) or (high, low) in EXCEPTIONS:
            continue  # `import peira` itself is free and lazy; its face names the packages below for type checkers
        later_chapter = {low, high} <= set(CHAPTERS) and CHAPTERS.index(low) > CHAPTERS.index(high)
        if RANK[low] > RANK[high] or later_chapter:
            wrong.append(described(found))
    assert not wrong, "\n".join(wrong)


def test_methods_are_known_by_discovery_alone():
    wrong = [
        described(found)
        for found in IMPORTS
        if package(found.importer) in DISCOVER_ONLY
        and package(found.target) in CHAPTERS
        and (package(found.importer), package(found.target)) not in EXCEPTIONS
    ]
    assert not wrong, "\n".join(wrong)


def test_no_circle_between_modules():
    """While modules load; a function may look back: a method saves itself through persistence, which builds methods."""
    edges: dict[str, set[str]] = {}
    for found in IMPORTS:
        if found.when == "load" and found.importer != found.target:
            edges.setdefault(found.importer, set()).add(found.target)
    assert circle(edges) == []


def test_no_circle_between_packages():
    edges: dict[str, set[str]] = {}
    for found in IMPORTS:
        low, high = package(found.target), package(found.importer)
        if low and high and low != high:
            edges.setdefault(high, set()).add(low)
    assert circle(edges) == []


FORBIDDEN_MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "marshal", "shelve"}
FORBIDDEN_NAMES = {"eval", "exec", "__import__"}
FORBIDDEN_LOADERS = {"torch": {"load"}, "joblib": {"load"}, "yaml": {"load", "unsafe_load"}, "os": {"system", "popen"}}


def dangers(tree: ast.AST, by_name_allowed: bool) -> list[tuple[int, str]]:
    """What could run code that is only data, as (line, what)."""
    found = []
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
            taken = {alias.name for alias in node.names} & FORBIDDEN_LOADERS.get(node.module or "", set())
            found += [(node.lineno, f"{node.module}.{name}") for name in taken]
        elif isinstance(node, ast.Name) and node.id in FORBIDDEN_NAMES:
            found.append((node.lineno, node.id))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in FORBIDDEN_LOADERS.get(node.value.id, ()):
                found.append((node.lineno, f"{node.value.id}.{node.attr}"))
            if node.attr == "import_module" and not by_name_allowed:
                found.append((node.lineno, "import by name"))
        elif isinstance(node, ast.keyword):
            false = isinstance(node.value, ast.Constant) and node.value.value is False
            if (node.arg == "allow_pickle" and not false) or (node.arg == "shell" and not false):
                found.append((node.value.lineno, f"{node.arg}={ast.unparse(node.value)}"))
        found += [(node.lineno, name) for name in names if name.split(".")[0] in FORBIDDEN_MODULES]
    return found


@pytest.mark.parametrize("name", MODULES)
def test_data_never_become_code(name):
    """Imports by name stand only in discovery and in the lazy faces of packages, from names written in the source."""
    path = MODULES[name]
    by_name_allowed = path.name == "__init__.py" or name == "peira.core.registry"
    assert dangers(ast.parse(path.read_text(encoding="utf-8")), by_name_allowed) == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from pickle import loads",
        "eval('1')",
        "import torch\ntorch.load('x')",
        "from joblib import load",
        "np.load('x', allow_pickle=True)",
        "np.load('x', allow_pickle=flag)",
        "subprocess.run('x', shell=True)",
        "importlib.import_module(name)",
    ],
)
def test_the_watch_sees_each_danger(code):
    assert dangers(ast.parse(code), by_name_allowed=False)


def test_the_watch_lets_the_harmless_pass():
    code = "import re\nre.compile('x')\nmodel.eval()\nnp.load('x', allow_pickle=False)\nsafetensors.torch.load('x')"
    assert dangers(ast.parse(code), by_name_allowed=False) == []


def test_circles_are_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"a"}}) == ["a", "a"]
    assert circle({"a": {"b", "c"}, "b": {"c"}}) == []


HEAVY = {"torch", "numpy", "scipy", "sklearn", "numba", "pandas", "polars", "pyarrow", "matplotlib", "gymnasium"}


def loaded(code: str) -> set[str]:
    """The heavy packages that a fresh interpreter holds after running ``code``."""
    tail = f"\nimport json, sys; print(json.dumps(sorted(set(sys.modules) & set({sorted(HEAVY)}))), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code + tail], capture_output=True, text=True, cwd=Path(__file__).parents[1], check=True
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_importing_peira_loads_nothing_heavy():
    assert loaded("import peira; dir(peira)") == set()


@pytest.mark.parametrize("arguments", [["--help"], ["learn", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments):
    code = f"import sys; sys.argv = ['peira', *{arguments}]\nfrom peira.cli import main\n"
    assert loaded(code + "try: main()\nexcept SystemExit: pass") == set()
