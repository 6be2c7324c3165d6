"""What the report says of the winner: data, performance, explanation, errors, method, and how to repeat it.

`account` gathers all of it; every part is a question asked of one `Outcome`.
"""

import inspect
import json
import platform
import shlex
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

import peira

from ..core.iteration import limiting, task
from ..core.params import describe
from ..diagnosis import Evidence
from ..experience.table import Table
from ..explaining import bootstrap_coefficients, permutation_importance
from ..measures import Measure, measures_for
from .candidates import Candidate
from .evaluating import Cell
from .model import TableModel
from .run import Run, plain
from .verdict import LEVEL, Pooled, pooled_score, ties

_EXPLAIN_ROWS, _SHOWN_ROWS = 2_000, 2_000
_EXPLAIN_SECONDS = 8.0


@dataclass(frozen=True)
class Outcome:
    """What a study has come to: the best candidate, what it did on the folds, and its model of all rows."""

    study: Any
    run: Run
    rows: list[dict[str, Any]]
    best: Candidate
    cells: list[Cell]
    unseen: Pooled
    baseline: dict[str, Any] | None
    model: TableModel

    @property
    def measure(self) -> Measure:
        return self.study.measure

    def interval(self, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Calibrated intervals for the rows of the folds."""
        arrays, model = self.unseen.arrays, self.model
        q = np.interp(
            [(1 - level) / 2, (1 + level) / 2],
            np.linspace(0, 1, len(model.residual_quantiles_)),
            model.residual_quantiles_,
        )
        scale = arrays["std"] if model.residuals_scaled_ else 1.0
        return arrays["predicted"] + scale * q[0], arrays["predicted"] + scale * q[1]


def account(
    outcome: Outcome,
    verdict: dict[str, Any],
    findings: list[dict[str, Any]],
    curve: dict[str, Any],
    explained: dict[str, Any],
) -> dict[str, Any]:
    """The whole content of the report."""
    history = getattr(outcome.model.method_, "history_", {})
    return {
        **_header(outcome),
        "verdict": verdict,
        "diagnosis": findings,
        "leaderboard": outcome.rows,
        "data": _data(outcome),
        "performance": _performance(outcome),
        "learning": curve | {"history": history, "history_of": outcome.best.method},
        "explanation": explained,
        "errors": _errors(outcome),
        "method_page": _method_page(outcome),
        "reproduce": _reproduce(outcome),
    }


def evidence(outcome: Outcome, curve: dict[str, Any], explained: dict[str, Any]) -> Evidence:
    """What the checks of `peira.diagnosis` look at."""
    arrays, baseline = outcome.unseen.arrays, outcome.baseline or outcome.rows[0]
    return Evidence(
        observed=arrays["observed"],
        predicted=arrays["predicted"],
        scores=np.array([cell.score for cell in outcome.cells]),
        train_scores=np.array([cell.train_score for cell in outcome.cells]),
        baseline_scores=np.array(baseline["fold_scores"]),
        higher_is_better=outcome.measure.better == "higher",
        measure=outcome.measure.title,
        target=outcome.study.target,
        std=arrays.get("std"),
        pit=arrays.get("pit"),
        repeated_rows=outcome.study.roles.n_repeated,
        ties=ties(outcome.rows),
        curve={"sizes": curve["sizes"], "validation": [float(np.mean(v)) for v in curve["validation"]]},
        warnings=sorted({text for cell in outcome.cells for text in cell.warnings}),
        candidates=len(outcome.rows),
        failed=sum(row["status"] == "failed" for row in outcome.rows),
        stopped=outcome.run.state.get("stopped"),
        importance=explained["importance"],
    )


def explanation(outcome: Outcome) -> dict[str, Any]:
    """Importance of each column for rows of the first fold, and the weights where they can be read."""
    study, model, measure, seed = outcome.study, outcome.model, outcome.measure, outcome.study.config["seed"]
    train, test = study.folds[0]
    test = test[:_EXPLAIN_ROWS]
    with limiting(_EXPLAIN_SECONDS), task("explanation"):
        fitted = TableModel(**model.get_params(deep=False)).fit(study.X[train], study.y[train])

        def loss(table: Table) -> float:
            return measure.loss(measure.value(study.y[test], getattr(fitted, measure.needs)(table)))

        importance = permutation_importance(loss, study.X[test], seed=seed)
        coefficients = []
        if model.basis_ is None and hasattr(model.method_, "coef_"):
            Z = model.numbers(study.X)
            standardised = (study.y - model.target_mean_) / model.target_scale_
            coefficients = bootstrap_coefficients(model.method_, Z, standardised, model.get_names(), seed=seed)
            for row in coefficients:
                for part in ("value", "low", "high"):
                    row[part] = None if row[part] is None else row[part] * model.target_scale_
    note = ""
    if coefficients:
        note = (
            "Numeric columns were standardised first: a coefficient is the change of the target for one standard "
            "deviation of the column; that of a level, the difference from the level left out."
        )
    elif model.basis_ is not None:
        note = (
            f"The method weighs basis functions ({model.expansion}) of the columns, "
            "whose weights say little one by one."
        )
    return {"importance": importance, "coefficients": coefficients, "note": note}


def _header(outcome: Outcome) -> dict[str, Any]:
    state, measure = outcome.run.state, outcome.measure
    return {
        "peira": peira.__version__,
        "created": state["created"],
        "run": outcome.run.path.name,
        "source": outcome.study.config["source"],
        "task": outcome.study.task,
        "target": outcome.study.target,
        "measure": {
            "name": measure.name,
            "title": measure.title,
            "better": measure.better,
            "units": measure.units,
            "range": list(measure.range),
        },
        "rows": len(outcome.study.y),
        "columns": outcome.study.X.shape[1],
        "seed": outcome.study.config["seed"],
        "seconds": state.get("seconds"),
        "complete": state.get("stopped") is None,
        "stopped": state.get("stopped"),
    }


def _data(outcome: Outcome) -> dict[str, Any]:
    """The columns, what was decided of them, and why."""
    roles = outcome.study.roles
    columns = []
    for profile in roles.profiles.values():
        summary = dict(profile.summary)
        quantiles = summary.pop("quantiles", None)
        if quantiles:
            summary["quartiles"] = [quantiles[k] for k in quantiles if float(k) in (0.25, 0.5, 0.75)]
        if "levels" in summary:
            summary["levels"] = [[level["level"], level["count"]] for level in summary["levels"]]
        columns.append(
            {
                "name": profile.name,
                "role": profile.kind if profile.kind in ("target", "ignored") else "input",
                "kind": profile.kind,
                "reason": profile.reason,
                "missing": profile.n_missing,
                "unique": profile.n_unique,
                "summary": summary,
            }
        )
    decisions = [*roles.notes, f"the target asks for {roles.task}: {roles.task_reason}", *outcome.model.design_.notes_]
    return {"decisions": [d for d in decisions if d], "duplicates": roles.n_repeated, "columns": columns}


def _performance(outcome: Outcome) -> dict[str, Any]:
    """Further measures of the winner, and what the plots need, for a sample of rows."""
    arrays = outcome.unseen.arrays
    observed, predicted = arrays["observed"], arrays["predicted"]
    measures = []
    for measure in measures_for(outcome.study.task):
        if measure.needs == "predict":
            low, high = measure.interval(observed, predicted, LEVEL)
            measures.append(_measured(measure, measure.value(observed, predicted), low, high))
        elif measure.name in arrays:
            value, (low, high) = pooled_score(outcome.unseen, measure)
            measures.append(_measured(measure, value, low, high))
    shown = np.sort(np.random.default_rng(0).permutation(len(observed))[:_SHOWN_ROWS])
    low, high = outcome.interval(0.9)
    return {
        "measures": measures,
        "observed": observed[shown],
        "predicted": predicted[shown],
        "low": low[shown],
        "high": high[shown],
        "level": 0.9,
        "calibration": _calibration(outcome),
    }


def _calibration(outcome: Outcome) -> dict[str, Any]:
    """How often central intervals hold the target of an unseen row: the method's own, else those set by errors.

    The latter are judged on each fold with the errors on the other folds, as a new row would be.
    """
    if "pit" in outcome.unseen.arrays:
        pit, whose = outcome.unseen.arrays["pit"], "those of the method's own predictive distribution"
    else:
        errors = [cell.arrays["observed"] - cell.arrays["predicted"] for cell in outcome.cells]
        others = [np.sort(np.concatenate(errors[:f] + errors[f + 1 :])) for f in range(len(errors))]
        sides = [
            (np.searchsorted(o, e, "left") + np.searchsorted(o, e, "right")) / (2 * len(o))
            for o, e in zip(others, errors, strict=True)
        ]
        pit, whose = np.concatenate(sides), "set by the errors on the other folds, as 'peira predict --interval' does"
    nominal = np.linspace(0.05, 0.95, 19)
    distance = 2 * np.abs(pit - 0.5)
    inside = [float(np.mean(distance <= level)) for level in nominal]
    return {"nominal": nominal, "empirical": inside, "rows": len(pit), "whose": whose}


def _measured(measure: Measure, value: float, low: float, high: float) -> dict[str, Any]:
    return {
        "name": measure.name,
        "title": measure.title,
        "value": value,
        "interval": [low, high],
        "units": measure.units,
        "better": measure.better,
    }


def _errors(outcome: Outcome, count: int = 10) -> list[dict[str, Any]]:
    """The rows with the largest errors, with their values."""
    arrays, X = outcome.unseen.arrays, outcome.study.X
    low, high = outcome.interval(0.9)
    worst = np.argsort(-np.abs(arrays["observed"] - arrays["predicted"]), kind="stable")[:count]
    rows = outcome.unseen.rows[worst]
    return [
        {
            "row": int(X.rows[row]),
            "observed": float(arrays["observed"][i]),
            "predicted": float(arrays["predicted"][i]),
            "low": float(low[i]),
            "high": float(high[i]),
            "values": {name: plain(X[name][row]) for name in X.names[:12]},
        }
        for i, row in zip(worst, rows, strict=True)
    ]


def _method_page(outcome: Outcome) -> dict[str, Any]:
    """The method in its own words, with the settings that were chosen."""
    cls, method = outcome.best.cls, outcome.model.method_
    module = inspect.getmodule(cls)
    return {
        "title": outcome.best.title,
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


def _reproduce(outcome: Outcome) -> dict[str, Any]:
    """The command and the environment that give this report again."""
    config = outcome.study.config
    options = {"-y": outcome.study.target} | {
        f"--{name}": config.get(name) for name in ("measure", "cv", "trials", "seed", "budget")
    }
    methods = config["methods"]
    if methods != "all":
        options["--methods"] = methods if isinstance(methods, str) else ",".join(methods)
    words = [str(w) for option, value in options.items() if value is not None for w in (option, value)]
    words += [w for name, kind in json.loads(config.get("kinds") or "{}").items() for w in ("--kind", f"{name}={kind}")]
    return {
        "command": shlex.join(["peira", "learn", config["source"], *words]),
        "python": (
            f"import peira\nmodel = peira.load({'runs/' + outcome.run.path.name!r})\n"
            f"model.predict(peira.read({config['source']!r}))"
        ),
        "environment": {
            "python": platform.python_version(),
            "machine": f"{platform.system()} {platform.machine()}",
            **{name: version(name) for name in ("torch", "numpy", "scipy", "scikit-learn")},
        },
        "data_sha256": outcome.run.state.get("data_sha256"),
        "splits": "data/splits.json",
    }
