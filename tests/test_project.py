"""The project's own promises: versions agree, files stay small, the commands that are named exist."""

import os
import re
import statistics
import tomllib
from pathlib import Path

import pytest

import peira
from tests.imports import modules

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def name_of(requirement: str) -> str:
    return re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-")


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {name_of(name): version for name, version in pairs}


def test_one_version():
    assert PROJECT["version"] == peira.__version__


@pytest.mark.parametrize("requirement", [*PROJECT["dependencies"], *EXTRAS["dev"], *EXTRAS["docs"]])
def test_the_tested_set_holds_every_dependency_above_its_bound(requirement):
    bound = re.fullmatch(r"[\w.\[\]-]+>=([\d.]+)", requirement)
    assert bound, f"{requirement}: a lower bound and nothing else"
    numbers = [[int(n) for n in re.findall(r"\d+", text)] for text in (bound[1], pinned()[name_of(requirement)])]
    assert numbers[0] <= numbers[1]


def test_the_tested_set_names_no_place():
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^-", text, re.MULTILINE)
    assert pinned()["torch"] == "2.13.0"


def test_every_import_is_a_dependency():
    """What the package imports from outside is declared (and everything has a declared reason to be here)."""
    import ast
    import sys

    provides = {"sklearn": "scikit-learn", "PIL": "pillow"}
    optional = {name_of(requirement) for extra in ("dev", "scale", "serve") for requirement in EXTRAS[extra]}
    declared = {name_of(requirement) for requirement in PROJECT["dependencies"]} | optional
    for path in modules().values():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            for top in {name.split(".")[0] for name in names} - {"peira"} - sys.stdlib_module_names:
                assert provides.get(top, top).lower() in declared, f"{path.name} imports {top}"


def test_files_stay_small():
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules().items()}
    assert not {name: count for name, count in lines.items() if count > 400}, "past 400 lines a file is two ideas"
    assert statistics.median(lines.values()) < 150


def test_every_package_says_what_it_is():
    for name, path in modules().items():
        text = path.read_text(encoding="utf-8").lstrip()
        assert text.startswith(('"""', 'r"""')) or (path.name == "__init__.py" and not text), f"{name} has no docstring"


def test_commands_that_the_readme_names_exist():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w.-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z][\w.-]*)", readme)) - {"and", "are", "it", "sure"}
    assert {"demo", "test"} <= named <= targets


def test_local_links_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "evidence" / "README.md"]:
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"


@pytest.mark.skipif(os.name != "posix", reason="executable bits")
def test_the_checks_run():
    run = ROOT / ".ci" / "run"
    assert os.access(run, os.X_OK)
    assert "set -euo pipefail" in run.read_text(encoding="utf-8")
