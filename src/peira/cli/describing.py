"""Commands that describe: the methods, a table, and the machine."""

import platform
import re
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from rich.text import Text

import peira

from ..core.devices import resolve_device
from ..core.errors import DataError, closest
from ..core.params import describe
from ..core.text import printable
from ..experience.reading import read
from ..experience.roles import infer_roles
from ..study.image_material import open_images_source
from ..study.material import Material, items
from ..study.planning import target_names
from ..study.sequence_material import open_sequences_source
from ..study.text_material import open_text_source
from . import printing

_LABELS = 100


def methods(name: str | None, *, task: str | None, as_json: bool) -> None:
    """``peira methods``."""
    found = peira.methods(task)
    if name is not None:
        if name not in found:
            raise DataError(f"no method {name!r}; {closest(name, found)}")
        return _method_page(found[name], as_json)
    rows = [
        {"name": n, "title": _title(cls), "tasks": list(cls.card.tasks), "verbs": _verbs(cls), "cost": cls.card.cost}
        for n, cls in found.items()
    ]
    if as_json:
        return printing.print_json(rows)
    grid = printing.grid("method", "what it is", "tasks", "cost")
    for row in rows:
        grid.add_row(row["name"], row["title"], ", ".join(row["tasks"]), row["cost"])
    printing.console().print(grid)


def data(source: str, *, target: str | None, as_json: bool) -> None:
    """``peira data``."""
    asked = {"target": target, "task": "auto"}
    for opens in (open_images_source, open_text_source, open_sequences_source):
        if (material := opens(source, asked)) is not None:
            return _items(material, as_json)
    table = read(source)
    named = target or table.suggested_target
    roles = infer_roles(table, named and target_names(table, named))
    if as_json:
        return printing.print_json(roles.to_json())
    console = printing.console()
    console.print(
        Text(
            f"{len(roles.table)} rows, {len(table.names)} columns"
            + (f"; {roles.task}: {roles.task_reason}" if roles.task else "")
        )
    )
    for note in roles.notes:
        console.print(Text(f"  {printable(note)}"))
    grid = printing.grid("column", "kind", "missing", "different", "values", "why")
    for profile in list(roles.profiles.values())[:200]:
        grid.add_row(
            printing.cell(profile.name),
            profile.kind,
            str(profile.n_missing or ""),
            str(profile.n_unique),
            printing.cell(printing.values(profile.summary)),
            printing.cell(profile.reason),
        )
    console.print(grid)
    if len(roles.profiles) > 200:
        console.print(f"and {len(roles.profiles) - 200} more columns (all of them with --json)")


def _items(material: Material, as_json: bool) -> None:
    """How many things of what kind there are, how many of each label, and what was decided in reading them."""
    profile, N, item = material.profile(), len(material.X), material.item
    if as_json:
        return printing.print_json(profile)
    console = printing.console()
    if profile["data"] == "text":
        told = [f"{profile['symbols']} characters, {profile['different']} different ones", *profile["notes"]]
        console.print(Text(f"{items(N, item)} of {profile['shortest']} to {profile['longest']} characters"))
    else:
        labelled = f"classification: a label stands beside each {item}"
        told = [*profile["notes"], labelled if profile["labels"] else "no labels beside them"]
        console.print(Text(f"{N} {material.inputs}"))
    if profile["repeated"]:
        told.insert(-1, f"{profile['repeated']} of them repeat an earlier one")
    for note in told:
        console.print(Text(f"  {printable(note)}"))
    if not profile.get("labels"):
        return
    grid = printing.grid("label", f"{item}s", "share")
    for line in profile["labels"][:_LABELS]:
        share = f"{100 * line['count'] / N:.1f} %"
        grid.add_row(printing.cell(line["label"]), str(line["count"]), share)
    console.print(grid)
    if len(profile["labels"]) > _LABELS:
        console.print(f"and {len(profile['labels']) - _LABELS} more labels (all of them with --json)")


def doctor(*, as_json: bool) -> None:
    """``peira doctor``: learn a line with every engine, and say what is installed."""
    import torch

    checks: dict[str, Any] = {
        "peira": peira.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }
    for package in ("torch", "numpy", "scipy", "scikit-learn", "numba", "narwhals", "safetensors", "pyarrow"):
        try:
            checks[package] = version(package)
        except PackageNotFoundError:
            checks[package] = "missing"
    checks["threads"] = torch.get_num_threads()
    checks["device"] = str(resolve_device())
    began = time.perf_counter()
    found = peira.methods()
    checks["methods"] = len(found)
    fitted = found["LinearRegression"]().fit(np.arange(4.0)[:, None], 2 * np.arange(4.0) + 1)
    checks["learns"] = bool(abs(fitted.predict([[10.0]])[0] - 21) < 1e-9)
    checks["seconds"] = round(time.perf_counter() - began, 2)
    if as_json:
        return printing.print_json(checks)
    for name, value in checks.items():
        print(f"{name:14} {value}")


def _method_page(cls: type, as_json: bool) -> None:
    parameters = [
        {"name": n, "default": p.default, "type": describe(p.annotation), "range": p.range, "doc": p.doc}
        for n, p in cls.parameters().items()
    ]
    card = {
        n: getattr(cls.card, n)
        for n in ("tasks", "data", "reference", "cost", "exact", "incremental", "sparse", "missing", "multi_output")
    }
    page = sys.modules[cls.__module__].__doc__ or ""
    if as_json:
        return printing.print_json(
            {
                "name": cls.__name__,
                "title": _title(cls),
                "verbs": _verbs(cls),
                "card": card,
                "parameters": parameters,
                "page": page,
            }
        )
    console = printing.console()
    console.print(Text(f"{cls.__name__}: {_title(cls)}", style="bold"))
    console.print(Text(_plain(page.strip())))
    grid = printing.grid("parameter", "default", "type", "range", "meaning")
    for p in parameters:
        grid.add_row(p["name"], repr(p["default"]), p["type"], p["range"], p["doc"])
    console.print(grid)
    console.print(Text(f"verbs: {', '.join(_verbs(cls))}"))
    for name, value in card.items():
        console.print(Text(f"{name}: {', '.join(value) if isinstance(value, tuple) else value}"))


def _plain(page: str) -> str:
    """The page without its markup; formulas stay LaTeX, indented."""
    page = re.sub(r"^ *\.\. math:: *", "    ", page, flags=re.MULTILINE)
    return re.sub(r":math:`([^`]*)`|``([^`]*)``", lambda found: found[1] or found[2], page)


def _title(cls: type) -> str:
    return (cls.__doc__ or "").strip().splitlines()[0].rstrip(".")


def _verbs(cls: type) -> list[str]:
    names = (
        "partial_fit",
        "predict",
        "predict_dist",
        "log_prob",
        "sample",
        "transform",
        "inverse_transform",
        "score",
        "adapt",
    )
    return ["fit", *(name for name in names if hasattr(cls, name))]
