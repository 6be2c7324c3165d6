"""Run reproductions: each row's checks, and its failures and missing data as results rather than tracebacks."""

from __future__ import annotations

import contextlib
import sys
import time
import traceback
import warnings
from collections.abc import Sequence
from typing import Any

from .loading import DataAbsent, data_path
from .rows import Check, Grid, Reproduction


def reproduce(id: str, parts: Sequence[Reproduction]) -> dict[str, Any]:
    """One row's result: the headline (claim, reference, value, held) and every check below it.

    ``reference``, ``value`` and ``tolerance`` are those of the first check that did not hold, else of the first.
    """
    checks: list[Check] = []
    grids: list[Grid] = []
    entry: dict[str, Any] = {"id": id, "claim": "; ".join(dict.fromkeys(part.claim for part in parts))}
    begun = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(sys.stderr):
        warnings.simplefilter("always")
        for part in parts:
            try:
                for name in part.data:
                    data_path(name, part.public)
                before = len(checks)
                for found in part.compute():
                    (grids if isinstance(found, Grid) else checks).append(found)
                if len(checks) == before:
                    raise ValueError("the row yields no check")
            except DataAbsent as absent:
                entry["missing"] = str(absent)
            except Exception as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                entry["failed"] = f"{type(error).__name__}: {error} ({where.filename.rsplit('/')[-1]}:{where.lineno})"
    held = bool(checks) and all(c.held for c in checks) and "failed" not in entry and "missing" not in entry
    notes = list(dict.fromkeys(f"{w.category.__name__}: {w.message}" for w in caught))
    telling = next((c for c in checks if not c.held), checks[0] if checks else None)
    plain = telling.plain() if telling else {}
    return entry | {
        "reference": plain.get("reference"),
        "value": plain.get("value"),
        "tolerance": plain.get("tolerance"),
        "compare": plain.get("compare"),
        "held": held,
        "checks": [c.plain() for c in checks],
        "grids": [g.plain() for g in grids],
        "source": "; ".join(dict.fromkeys(part.source for part in parts)),
        "protocol": "; ".join(dict.fromkeys(part.protocol for part in parts)),
        "mark": " ".join(dict.fromkeys(part.mark for part in parts)),
        "data": sorted({name for part in parts for name in part.data}),
        "warnings": notes,
        "seconds": round(time.perf_counter() - begun, 3),
    }
