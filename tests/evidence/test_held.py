"""The evidence itself: rows are declared as they should be, and every row whose data are at hand holds."""

import ast
import sys
from pathlib import Path

import pytest

from evidence import RACES, REPRODUCTIONS
from evidence.reproducing import reproduce
from evidence.rows import discover

discover()
EVIDENCE = Path(__file__).parents[2] / "evidence"
IDS = sorted({row.id for row in REPRODUCTIONS}, key=lambda id: [int(number) for number in id.split(".")])


@pytest.mark.parametrize("id", IDS)
def test_the_reference_is_held(id):
    rows = [row for row in REPRODUCTIONS if row.id == id]
    if any(row.slow for row in rows):
        pytest.skip(f"it takes minutes: python -m evidence reproduce {id}")
    entry = reproduce(id, rows)
    if "missing" in entry:
        pytest.skip(entry["missing"])
    assert entry["held"], entry.get("failed") or [c for c in entry["checks"] if not c["held"]]


@pytest.mark.parametrize("path", sorted(EVIDENCE.glob("r*/*.py")), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_rows_import_peira_and_peers_only_inside_functions(path):
    """A race's module must load in an environment that has only the peer."""
    allowed = {"numpy", "evidence", *sys.stdlib_module_names}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
        assert {name.split(".")[0] for name in names} <= allowed, f"{path.name}:{node.lineno}"


@pytest.mark.parametrize("row", [*REPRODUCTIONS, *RACES], ids=lambda row: row.id)
def test_a_row_says_what_it_does(row):
    if row in REPRODUCTIONS:
        assert row.claim
        assert row.source
        assert row.protocol
    else:
        assert row.case
        assert row.peer
        assert row.quality
        assert row.rule


def test_no_case_is_declared_twice():
    cases = [(race.id, race.case, race.peer) for race in RACES]
    assert len(cases) == len(set(cases))
