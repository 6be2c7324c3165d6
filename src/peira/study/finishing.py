"""From cells to an answer: choose, refit, diagnose, explain, and write it all down."""

import inspect
import json
import platform
import shlex
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

import peira

from ..core.errors import NoCandidateError
from ..core.iteration import limiting, task
from ..core.params import describe
from ..core.seeds import derive
from ..diagnosis import Evidence, diagnose
from ..diagnosis.learning_curve import learning_curve
from ..experience.reading import read
from ..experience.table import Table
from ..explaining import bootstrap_coefficients, permutation_importance
from ..measures import measures_for
from .candidates import Candidate
from .evaluating import Cell, choose
from .model import TableModel
from .report import render
from .run import Run, plain
from .verdict import LEVEL, Pooled, leaderboard, pooled_score, procedure, ties
from .wording import verdict_words

_EXPLAIN_ROWS, _SHOWN_ROWS = 2_000, 2_000
_EXPLAIN_SECONDS = 8.0


def finish(study: Any, run: Run, cells: Sequence[Cell], test: Any = None) -> None:
    """Write the outcome of a study into its run.

    Raises
    ------
    NoCandidateError
        If nothing could be fitted; the leaderboard, with the reasons, is written all the same.
    """
    rows = leaderboard(study.candidates, cells, study.folds, study.measure, run.state.get("stopped"))
    _write_leaderboard(run, rows)
    if not rows or rows[0]["status"] != "ok":
        run.update(state="complete", best=None)
        reasons = "; ".join(f"{row['method']}: {row['reason']}" for row in rows[:3])
        raise NoCandidateError(f"no candidate succeeded ({reasons}); see {run.path / 'leaderboard.csv'}")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1), task("finish"), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            report = _Finish(study, run, cells, rows).carry_out(test)
            _write_leaderboard(run, rows)  # the winner's settings are now those of the model that is kept
    finally:
        torch.set_num_threads(threads)
    run.write_text(
        "log.txt", "".join(f"{text}\n" for text in sorted({f"{w.category.__name__}: {w.message}" for w in caught}))
    )
    run.write_json("report.json", report)
    render(run.read_json("report.json"), run.path / "report.html")
    run.update(state="complete")


class _Finish:
    """The winner and all that is said about it."""

    def __init__(self, study: Any, run: Run, cells: Sequence[Cell], rows: list[dict[str, Any]]) -> None:
        self.study, self.run, self.rows = study, run, rows
        self.measure = study.measure
        by_id = {c.id: c for c in study.candidates}
        self.best: Candidate = by_id[rows[0]["id"]]
        self.cells = [cell for cell in cells if cell.candidate == self.best.id]
        self.all_cells = cells
        self.tests = [test for _, test in study.folds]
        self.unseen = Pooled.of(self.cells, self.tests)
        self.baseline = next((row for row in rows if row["baseline"] and row["status"] == "ok"), None)
        self.higher = self.measure.better == "higher"

    def carry_out(self, test: Any) -> dict[str, Any]:
        self.model = self._refit()
        self.model.save(self.run.path / "models" / self.best.id)
        self.run.update(best=self.best.id)
        self._write_unseen()
        with task("learning curve"):
            curve = learning_curve(
                self.model, self.study.X, self.study.y, self.study.folds, self.measure, self.study.config["seed"]
            )
        explanation = self._explanation()
        verdict = self._verdict()
        evidence = self._evidence(curve, explanation)
        findings = [finding.to_json() for finding in diagnose(evidence)]
        self.run.write_json("diagnosis.json", findings)
        verdict["next"] = [f"{f['title']}: {f['fix']}" for f in findings[:4]]
        if test is not None:
            verdict["test"] = self._test(test)
        self.run.update(verdict=verdict, leaderboard=[_public(row) for row in self.rows])
        return plain(
            {
                **self._header(),
                "verdict": verdict,
                "diagnosis": findings,
                "leaderboard": self.rows,
                "data": self._data(),
                "performance": self._performance(),
                "learning": curve
                | {"history": getattr(self.model.method_, "history_", {}), "history_of": self.best.method},
                "explanation": explanation,
                "errors": self._errors(),
                "method_page": self._method_page(),
                "reproduce": self._reproduce(),
            }
        )

    # ---------------------------------------------------------------- the model

    def _refit(self) -> TableModel:
        """The winner, its settings chosen once more on all rows, fitted to all rows."""
        study, cell = self.study, Cell(self.best.id, len(self.study.folds))
        with limiting(), task("refit"):  # the search's budget is spent; this last fit is not optional
            model = choose(self.best, study.X, study.y, study.protocol, cell) or self._as_in_the_first_fold()
            model.fit(study.X, study.y)
        if cell.chosen:
            self.rows[0]["params"] = cell.chosen  # of the model that is kept, rather than of most folds
        model.calibrate(self.unseen.arrays["observed"], self.unseen.arrays["predicted"], self.unseen.arrays.get("std"))
        model.target_ = study.target
        return model

    def _as_in_the_first_fold(self) -> TableModel:
        chosen = dict(self.cells[0].chosen)
        expansion = chosen.pop("expansion")
        seed = derive(self.study.config["seed"], 1)
        return TableModel(method=self.best.make(seed, **chosen), expansion=expansion, kinds=self.study.roles.kinds)

    def _write_unseen(self) -> None:
        """The winner's predictions for rows that it had not seen, in the order of the table."""
        arrays = self.unseen.arrays
        order = np.argsort(self.unseen.rows, kind="stable")
        numbers = self.study.X.rows[self.unseen.rows]
        names = [n for n in ("observed", "predicted", "std") if n in arrays]
        self.run.write_csv(
            f"predictions/{self.best.id}.csv",
            ["row", *names],
            [[int(numbers[i]), *(float(arrays[n][i]) for n in names)] for i in order],
        )

    def _test(self, test: Any) -> dict[str, Any]:
        table = read(test)
        y = table[self.study.target].astype(np.float64)
        known = np.isfinite(y)
        answer = getattr(self.model, self.measure.needs)(table[known])
        low, high = self.measure.interval(y[known], answer, LEVEL)
        return {"rows": int(known.sum()), "score": self.measure.value(y[known], answer), "interval": [low, high]}

    # ---------------------------------------------------------------- what is said

    def _verdict(self) -> dict[str, Any]:
        pooled = procedure(self.study.candidates, self.all_cells, self.study.folds, self.measure) or self.unseen
        score, interval = pooled_score(pooled, self.measure)
        tied = ties(self.rows)
        verdict: dict[str, Any] = {
            "method": self.best.method,
            "score": score,
            "interval": interval,
            "level": LEVEL,
            "clear_winner": not tied and len(self.rows) > 1,
            "tied_with": tied,
            "baseline": None,
            "gain": None,
            "gain_interval": None,
        }
        if self.baseline is not None and self.baseline["id"] != self.best.id:
            verdict["gain"] = self.baseline["difference"]["mean"]
            verdict["gain_interval"] = self.baseline["difference"]["interval"]
        if self.baseline is not None:
            verdict["baseline"] = {k: self.baseline[k] for k in ("method", "score", "interval")}
        return verdict | verdict_words(verdict, self.study, self.measure)

    def _evidence(self, curve: dict[str, Any], explanation: dict[str, Any]) -> Evidence:
        arrays, baseline = self.unseen.arrays, self.baseline or self.rows[0]
        return Evidence(
            observed=arrays["observed"],
            predicted=arrays["predicted"],
            scores=np.array([cell.score for cell in self.cells]),
            train_scores=np.array([cell.train_score for cell in self.cells]),
            baseline_scores=np.array(baseline["fold_scores"]),
            higher_is_better=self.higher,
            measure=self.measure.title,
            target=self.study.target,
            std=arrays.get("std"),
            pit=arrays.get("pit"),
            repeated_rows=self.study.roles.n_repeated,
            ties=ties(self.rows),
            curve={"sizes": curve["sizes"], "validation": [float(np.mean(v)) for v in curve["validation"]]},
            warnings=sorted({text for cell in self.cells for text in cell.warnings}),
            candidates=len(self.rows),
            failed=sum(row["status"] == "failed" for row in self.rows),
            stopped=self.run.state.get("stopped"),
            importance=explanation["importance"],
        )

    def _explanation(self) -> dict[str, Any]:
        """Importance of each column for rows of the first fold, and the weights where they can be read."""
        study, seed = self.study, self.study.config["seed"]
        train, test = study.folds[0]
        test = test[:_EXPLAIN_ROWS]
        with limiting(_EXPLAIN_SECONDS), task("explanation"):
            fitted = TableModel(**self.model.get_params(deep=False)).fit(study.X[train], study.y[train])

            def loss(table: Table) -> float:
                return self.measure.loss(self.measure.value(study.y[test], getattr(fitted, self.measure.needs)(table)))

            importance = permutation_importance(loss, study.X[test], seed=seed)
            coefficients = []
            if self.model.basis_ is None and hasattr(self.model.method_, "coef_"):
                Z = self.model.numbers(study.X)
                standardised = (study.y - self.model.target_mean_) / self.model.target_scale_
                coefficients = bootstrap_coefficients(
                    self.model.method_, Z, standardised, self.model.get_names(), seed=seed
                )
                for row in coefficients:
                    for part in ("value", "low", "high"):
                        row[part] = None if row[part] is None else row[part] * self.model.target_scale_
        note = (
            "Numeric columns were standardised first: a coefficient is the change of the target for one standard deviation of the "
            "column; that of a level, the difference from the level left out."
            if coefficients
            else f"The method weighs basis functions ({self.model.expansion}) of the columns, whose weights say little one by one."
            if self.model.basis_ is not None
            else ""
        )
        return {"importance": importance, "coefficients": coefficients, "note": note}

    def _performance(self) -> dict[str, Any]:
        """Further measures of the winner, and what the plots need, for a sample of rows."""
        arrays = self.unseen.arrays
        observed, predicted = arrays["observed"], arrays["predicted"]
        measures = []
        for measure in measures_for(self.study.task):
            if measure.needs == "predict":
                low, high = measure.interval(observed, predicted, LEVEL)
                measures.append(self._measured(measure, measure.value(observed, predicted), low, high))
            elif measure.name in arrays:
                value, (low, high) = pooled_score(self.unseen, measure)
                measures.append(self._measured(measure, value, low, high))
        shown = np.sort(np.random.default_rng(0).permutation(len(observed))[:_SHOWN_ROWS])
        low, high = self._unseen_interval(0.9)
        performance = {
            "measures": measures,
            "observed": observed[shown],
            "predicted": predicted[shown],
            "low": low[shown],
            "high": high[shown],
            "level": 0.9,
        }
        if "pit" in arrays:
            nominal = np.linspace(0.05, 0.95, 19)
            distance = 2 * np.abs(arrays["pit"] - 0.5)
            inside = [float(np.mean(distance <= level)) for level in nominal]
            performance["calibration"] = {"nominal": nominal, "empirical": inside, "rows": len(observed)}
        return performance

    def _measured(self, measure: Any, value: float, low: float, high: float) -> dict[str, Any]:
        return {
            "name": measure.name,
            "title": measure.title,
            "value": value,
            "interval": [low, high],
            "units": measure.units,
            "better": measure.better,
        }

    def _unseen_interval(self, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Calibrated intervals for the rows of the folds."""
        arrays, model = self.unseen.arrays, self.model
        q = np.interp(
            [(1 - level) / 2, (1 + level) / 2],
            np.linspace(0, 1, len(model.residual_quantiles_)),
            model.residual_quantiles_,
        )
        scale = arrays["std"] if model.residuals_scaled_ else 1.0
        return arrays["predicted"] + scale * q[0], arrays["predicted"] + scale * q[1]

    def _errors(self, count: int = 10) -> list[dict[str, Any]]:
        """The rows with the largest errors, with their values."""
        arrays, X = self.unseen.arrays, self.study.X
        low, high = self._unseen_interval(0.9)
        worst = np.argsort(-np.abs(arrays["observed"] - arrays["predicted"]), kind="stable")[:count]
        rows = self.unseen.rows[worst]
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

    def _header(self) -> dict[str, Any]:
        state, measure = self.run.state, self.measure
        return {
            "peira": peira.__version__,
            "created": state["created"],
            "run": self.run.path.name,
            "source": self.study.config["source"],
            "task": self.study.task,
            "target": self.study.target,
            "measure": {
                "name": measure.name,
                "title": measure.title,
                "better": measure.better,
                "units": measure.units,
                "range": list(measure.range),
            },
            "rows": len(self.study.y),
            "columns": self.study.X.shape[1],
            "seed": self.study.config["seed"],
            "seconds": state.get("seconds"),
            "complete": state.get("stopped") is None,
            "stopped": state.get("stopped"),
        }

    def _data(self) -> dict[str, Any]:
        roles = self.study.roles
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
                    "role": "target"
                    if profile.kind == "target"
                    else "ignored"
                    if profile.kind == "ignored"
                    else "input",
                    "kind": profile.kind,
                    "reason": profile.reason,
                    "missing": profile.n_missing,
                    "unique": profile.n_unique,
                    "summary": summary,
                }
            )
        decisions = [*roles.notes, roles.task_reason, *self.model.design_.notes_]
        return {"decisions": [d for d in decisions if d], "duplicates": roles.n_repeated, "columns": columns}

    def _method_page(self) -> dict[str, Any]:
        cls, method = self.best.cls, self.model.method_
        module = inspect.getmodule(cls)
        return {
            "title": self.best.title,
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

    def _reproduce(self) -> dict[str, Any]:
        config = self.study.config
        options = {"-y": self.study.target} | {
            f"--{name}": config.get(name) for name in ("measure", "cv", "trials", "seed", "budget")
        }
        methods = config["methods"]
        if methods != "all":
            options["--methods"] = methods if isinstance(methods, str) else ",".join(methods)
        words = [str(w) for option, value in options.items() if value is not None for w in (option, value)]
        words += [
            w for name, kind in json.loads(config.get("kinds") or "{}").items() for w in ("--kind", f"{name}={kind}")
        ]
        return {
            "command": shlex.join(["peira", "learn", config["source"], *words]),
            "python": f"import peira\nmodel = peira.load({'runs/' + self.run.path.name!r})\nmodel.predict(peira.read({config['source']!r}))",
            "environment": {
                "python": platform.python_version(),
                "machine": f"{platform.system()} {platform.machine()}",
                **{name: version(name) for name in ("torch", "numpy", "scipy", "scikit-learn")},
            },
            "data_sha256": self.run.state.get("data_sha256"),
            "splits": "data/splits.json",
        }


def _public(row: dict[str, Any]) -> dict[str, Any]:
    """A leaderboard's row without the clock: the same seed gives the same row."""
    return {name: value for name, value in row.items() if not name.endswith("_seconds")}


def _write_leaderboard(run: Run, rows: list[dict[str, Any]]) -> None:
    header = ["rank", "id", "method", "status", "score", "low", "high", "reason", "params"]
    lines = []
    for rank, row in enumerate(rows, 1):
        low, high = row["interval"] or (None, None)
        place = rank if row["status"] == "ok" else ""
        lines.append(
            [
                place,
                row["id"],
                row["method"],
                row["status"],
                row["score"],
                low,
                high,
                row["reason"],
                json.dumps(plain(row["params"])),
            ]
        )
    run.write_csv("leaderboard.csv", header, lines)
