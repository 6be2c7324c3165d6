"""The package's imports, read from its source text."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"


@dataclass(frozen=True)
class Import:
    """One import of a peira module by another: ``when`` is "load", "call" (inside a function) or "types"."""

    importer: str
    target: str
    line: int
    when: str


def modules(source: Path = SOURCE) -> dict[str, Path]:
    """Module name -> file, for everything below ``source``."""
    return {
        ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(source.rglob("*.py"))
    }


def imports(name: str, path: Path, known: dict[str, Path]) -> Iterator[Import]:
    """What one module imports of the package; ``from a import b`` means ``a.b`` where that is a module."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node, when in _statements(ast.parse(path.read_text(encoding="utf-8")), "load"):
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        else:
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            named = [f"{origin}.{a.name}" if f"{origin}.{a.name}" in known else origin for a in node.names]
        for target in dict.fromkeys(named):
            if target.split(".")[0] == "peira":
                yield Import(name, target, node.lineno, when)


def _statements(node: ast.AST, when: str) -> Iterator[tuple[ast.Import | ast.ImportFrom, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child, when
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield from _statements(child, "call")
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from _statements(child, "types")
        else:
            yield from _statements(child, when)


def circle(edges: dict[str, set[str]]) -> list[str]:
    """A circle in a directed graph, as the nodes on the way round; empty if there is none."""
    done: set[str] = set()

    def search(node: str, way: list[str]) -> list[str]:
        if node in way:
            return [*way[way.index(node) :], node]
        if node in done:
            return []
        for after in sorted(edges.get(node, ())):
            if found := search(after, [*way, node]):
                return found
        done.add(node)
        return []

    return next((found for node in sorted(edges) if (found := search(node, []))), [])
