"""How the winner works, and how to get it again."""

import inspect
import json
import platform
import shlex
from importlib.metadata import version
from typing import Any

from ..core.params import describe

OF_SEQUENCES = ("sequence", "time", "horizon", "unit")
"""Options that say what is learned from, where it is no table of rows."""


def method_page(outcome: Any) -> dict[str, Any]:
    """The method in its own words, with the settings that were chosen."""
    cls, method = outcome.best.cls, outcome.model.method
    in_words = getattr(outcome.model.method_, "in_words", None)
    module = inspect.getmodule(cls)
    return {
        "title": outcome.best.title,
        "found": in_words(outcome.model.get_names()) if in_words else [],
        "text": inspect.cleandoc(module.__doc__ or ""),
        "card": {name: getattr(cls.card, name) for name in ("reference", "cost", "exact", "incremental", "sparse")},
        "parameters": [
            {
                "name": name,
                "value": getattr(method, name),
                "default": p.default,
                "doc": p.doc,
                "type": describe(p.annotation),
            }
            for name, p in cls.parameters().items()
        ],
    }


def reproduce(outcome: Any) -> dict[str, Any]:
    """The command and the environment that give this report again."""
    config = outcome.study.config
    without = {"--task": outcome.study.task, "--judge": config.get("judge")} if outcome.study.target is None else {}
    named = outcome.study.target if outcome.study.material.data == "table" else config.get("target")
    options = {"-y": named} | without
    options |= {f"--{name}": config.get(name) for name in ("measure", "cv", "trials", "seed", "budget", *OF_SEQUENCES)}
    methods = config["methods"]
    if methods != "all":
        options["--methods"] = methods if isinstance(methods, str) else ",".join(methods)
    verb = "answers" if hasattr(outcome.model, "answers") else "predict"
    words = [str(w) for option, value in options.items() if value is not None for w in (option, value)]
    words += [w for name, kind in json.loads(config.get("kinds") or "{}").items() for w in ("--kind", f"{name}={kind}")]
    words += [
        w for true, said, cost in json.loads(config.get("costs") or "[]") for w in ("--cost", f"{true}:{said}={cost:g}")
    ]
    words += ["--skip-damaged"] if config.get("skip_damaged") else []
    words += ["--calibrate", config["calibration"]] if config.get("calibration") else []
    return {
        "command": shlex.join(["peira", "learn", config["source"], *words]),
        "python": (
            f"import peira\nmodel = peira.load({'runs/' + outcome.run.path.name!r})\n"
            + outcome.study.material.recipe(verb, config["source"])
        ),
        "environment": {
            "python": platform.python_version(),
            "machine": f"{platform.system()} {platform.machine()}",
            **{name: version(name) for name in ("torch", "numpy", "scipy", "scikit-learn")},
        },
        "data_sha256": outcome.run.state.get("data_sha256"),
        "splits": "data/splits.json",
    }
