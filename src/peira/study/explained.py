"""Why a model of a table answers as it does: for one row, and over the rows of a source.

One row: its prediction is divided among the columns by Shapley values (`peira.explaining.shapley`), against rows that
the model learned from. A source: how much each column moves the predictions for its rows, which is the mean size of
those shares, and, where the source holds the target, what shuffling the column costs.

The rows that a model is compared with come from the data of its run, which are read again; a model that was stored by
itself holds none, and then the source's own rows take their place. Either is said in words.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import DataError, ParameterError, UnreadableError
from ..core.iteration import reason_to_stop
from ..core.method import Method
from ..core.persistence import load
from ..core.seeds import derive
from ..core.tasks import TASKS
from ..core.text import printable
from ..experience.profile import count_levels, missing_in
from ..experience.table import Table
from ..explaining import Shares, permutation_importance, shapley_values
from ..measures import get_measure
from .asking import inputs_for
from .learning import reopened
from .model import TableModel
from .planning import QUESTIONS, Study
from .report.figures import interval, measured, moment, number, percent, signed
from .run import Run, plain
from .table_classifier import TableClassifier
from .table_material import TableMaterial
from .table_regressor import TableRegressor

BACKGROUND = 100
"""Rows that one row is compared with."""
_OVERALL, _COMPARED, _JUDGED = 50, 30, 2_000
"""Of a source: rows whose predictions are divided, rows that each is compared with, rows among which is shuffled."""
_QUESTIONS, _PAIRS = 1_000, 8
"""Of one row: mixtures with each row that it is compared with, and pairs of orders, at most."""
LEVEL, INSIDE = 0.95, 0.9
_HALF = 1.96  # standard errors on either side of a share, for LEVEL
READING = (
    "The shares are Shapley values: each is what putting this row's value in the place of the other rows' changes, "
    "averaged over all orders in which the columns can be put in. They explain the model and not the world; columns "
    "that go together can stand in for each other, and to change one without the other can make rows that never occur."
)


@dataclass(frozen=True)
class _Asked:
    """A model, what it is asked about, and what it is compared with."""

    model: TableModel
    target: str
    method: str
    table: Table
    source: str
    background: Table
    compared: str
    """What the background is, in words."""
    learned: bool
    """Whether the model learned from the rows that are explained."""
    seed: int
    measure: str | None


def explain_row(model: Any, source: Any = None, row: int = 1) -> dict[str, Any]:
    """Why a model says what it says of one row.

    Parameters
    ----------
    model : path
        A run, or a stored model of a table that predicts a target.
    source : path, "example:NAME", frame, optional
        What `peira.read` takes. Left out, the data of the run.
    row : int, default 1
        Number of the row in the source, counted from 1, as the report counts.

    Returns
    -------
    dict
        ``prediction``, ``interval`` or ``probabilities``, ``observed`` where the target is known; ``explained``, which
        number is divided; ``base``, its mean over the background, and ``value``, that of the row; ``background``, what
        that is in words; ``columns``, a dict each with ``name``, ``value``, ``usual``, ``share`` and its interval
        ``low``, ``high``, the largest share first; ``words``, the same in sentences.

    Raises
    ------
    DataError
        If there is no such row, a column is lacking, or the model is of no table or has no target.
    """
    asked = _open(model, source)
    place = np.flatnonzero(asked.table.rows == row)
    if not len(place):
        first, last = (int(end) for end in (asked.table.rows.min(), asked.table.rows.max()))
        raise ParameterError(f"{asked.source} has no row {row}: its rows are numbered from {first} to {last}")
    model, one = asked.model, asked.table[place]
    compared = _some(asked.background, BACKGROUND, asked.seed)
    told: dict[str, Any] = {"method": asked.method, "source": asked.source, "row": row, "target": asked.target}
    prediction = plain(np.asarray(model.predict(one)))[0]
    told["prediction"] = prediction
    if isinstance(model, TableClassifier):
        probabilities = np.asarray(model.predict_proba(one))[0]
        told["probabilities"] = dict(zip(map(str, plain(model.classes_)), probabilities.tolist(), strict=True))
        told["explained"] = f"probability of {asked.target} = {prediction}"
    else:
        told["level"], told["interval"] = INSIDE, [float(end[0]) for end in model.interval(one, INSIDE)]
        told["explained"] = asked.target
    if asked.target in one and not missing_in(one[asked.target])[0]:
        told["observed"] = plain(one[asked.target])[0]
    names, (shares,) = _divided(model, one, compared, prediction, questions=_QUESTIONS, seed=asked.seed)
    order = np.argsort(-np.abs(shares.values), kind="stable")
    told |= {"base": shares.base, "value": shares.prediction}
    told["background"] = _drawn(asked, len(compared))
    told["columns"] = [
        {"name": names[j], "value": plain(one[names[j]])[0], "usual": _usual(compared[names[j]]), **_share(shares, j)}
        for j in order
    ]
    told["words"] = _row_words(told, asked.learned)
    return told


def explain_source(model: Any, source: Any) -> dict[str, Any]:
    """Which columns move a model's predictions for the rows of a source, and which it relies on to be right.

    Parameters
    ----------
    model, source : as in `explain_row`

    Returns
    -------
    dict
        ``columns``: ``name``, ``share`` (mean size of its shares in single predictions), the greatest first;
        ``importance`` as `peira.explaining.permutation_importance` gives it, where the source holds the target, with
        the title of its ``measure``; ``background`` and ``words``.
    """
    asked = _open(model, source)
    model = asked.model
    chosen = _some(asked.table, _OVERALL, asked.seed)
    compared = _some(asked.background, _COMPARED, asked.seed)
    names, shares = _divided(model, chosen, compared, None, questions=1, seed=asked.seed)
    sizes = np.abs([s.values for s in shares]).mean(0)
    labels = isinstance(model, TableClassifier)
    told: dict[str, Any] = {
        "method": asked.method,
        "source": asked.source,
        "rows": len(asked.table),
        "target": asked.target,
        "explained": "probability of the predicted label" if labels else asked.target,
        "background": _drawn(asked, len(compared)),
        "columns": [{"name": names[j], "share": float(sizes[j])} for j in np.argsort(-sizes, kind="stable")],
        "importance": [],
        "measure": None,
    }
    if asked.target in asked.table:
        told |= _importance(asked)
    told["words"] = _source_words(told, len(shares))
    return told


# ---------------------------------------------------------------------- what is asked


def _open(path: Any, source: Any) -> _Asked:
    """The model, and the tables; refuses what cannot be explained, and says what can be done instead."""
    model = load(path)
    run = Run.open(path) if (Path(path) / "run.json").is_file() else None
    _require_columns(model, path)
    assert isinstance(model, TableModel)
    study, gone = None, ""
    if run is None and source is None:
        raise ParameterError(f"{path} is a model without its data: name the SOURCE whose rows are to be explained")
    try:
        study = None if run is None else reopened(run)
    except (DataError, UnreadableError) as error:
        if source is None:
            raise
        gone = f" (not with those that it learned from: {error})"
    given = None if source is None else inputs_for(model, source)[0]
    where = printable(str(source)) if isinstance(source, str | Path) else "the table"
    if study is not None:
        assert run is not None
        background, compared = study.X, f"that it learned from, of {study.config['source']}"
        if given is None:
            given, where = _material(study).table, str(study.config["source"])
    else:
        assert given is not None
        background, compared = given, f"of {where} itself{gone or ', since the model was stored without its data'}"
    if len(background) < 2:
        raise DataError(
            f"{where} holds {len(background)} row, and a prediction is explained by comparing with others: name the "
            "run that the model is of, or a SOURCE of more rows"
        )
    state = {} if run is None else run.state
    return _Asked(
        model,
        getattr(model, "target_", "target"),
        type(model.method).__name__,
        given,
        where,
        background,
        compared,
        source is None or _same(study, given),
        int(state.get("seed", 0)),
        state.get("measure"),
    )


def _same(study: Study | None, given: Table) -> bool:
    """Whether a source holds the very rows that the model learned from."""
    if study is None or given.names != (there := _material(study).table).names or len(given) != len(there):
        return False
    return TableMaterial(given, study.roles, study.target).digest() == study.digest


def _material(study: Study) -> TableMaterial:
    assert isinstance(study.material, TableMaterial)  # its model is one of a table
    return study.material


def _require_columns(model: Method, path: Any) -> None:
    if isinstance(model, TableRegressor | TableClassifier):
        return
    if model.card.data != "table":
        what = {"images": "images", "symbols": "texts"}.get(model.card.data, model.card.data)
        raise DataError(
            f"{path} is a model of {what}, which have no columns whose share could be told; the report of its run "
            "shows what it is good at, and its errors: peira report RUN --open"
        )
    if isinstance(model, TableModel) and "multilabel" in model.card.tasks:
        raise DataError(
            f"{path} tells sets of labels, and explain takes one number or label a row: learn the label of interest by "
            "itself, or see the importance of the columns in the run's report: peira report RUN --open"
        )
    if isinstance(model, TableModel):
        raise DataError(
            f"{path} was learned without a target, so there is no prediction to explain; the report of its run tells "
            "what it found: peira report RUN --open"
        )
    raise DataError(
        f"{type(model).__name__} was stored by itself, without the columns that its numbers were made from: explain "
        "takes a run, or the model of one"
    )


def _some(table: Table, count: int, seed: int) -> Table:
    """At most so many rows, drawn by the seed, in their order."""
    if len(table) <= count:
        return table
    return table[np.sort(np.random.default_rng(derive(seed, 2)).permutation(len(table))[:count])]


def _drawn(asked: _Asked, count: int) -> str:
    """The background in words."""
    N = len(asked.background)
    some = f"all {number(N)} rows" if count == N else f"{number(count)} of the {number(N)} rows"
    return f"{some} {asked.compared}"


# ---------------------------------------------------------------------- what is found


def _divided(
    model: TableModel, rows: Table, background: Table, label: Any, *, questions: int, seed: int
) -> tuple[list[str], list[Shares]]:
    """Shapley values of each row's prediction, or of the probability of its label; by the columns that are looked at.

    Columns are put in after they became numbers, where each stands by itself; basis functions, which may join columns,
    come behind that. ``questions``: how many mixtures with each row of the background there may be, about.
    """
    origins = model.design_.get_origins()
    names = list(dict.fromkeys(origins))
    groups = np.array([names.index(name) for name in origins])
    Z, B = model.designed(rows), model.designed(background)
    labels, pairs = isinstance(model, TableClassifier), max(1, min(_PAIRS, questions // (2 * len(names) + 2)))
    said = np.asarray(model.predict(rows)) if labels and label is None else np.full(len(rows), label)
    shares: list[Shares] = []
    for z, one in zip(Z, said, strict=True):
        if shares and reason_to_stop():
            break
        c = int(np.flatnonzero(model.classes_ == one)[0]) if labels else 0

        def answer(Q: np.ndarray, c: int = c) -> np.ndarray:
            seen = model.expand(Q)
            return model.answer("predict_dist", seen).probs[:, c] if labels else model.answer("predict", seen)

        shares.append(shapley_values(answer, z, B, groups, pairs=pairs, seed=derive(seed, 3)))
    return names, shares


def _importance(asked: _Asked) -> dict[str, Any]:
    """What shuffling a column costs among the rows whose target is known."""
    model, target = asked.model, asked.target
    task = "classification" if isinstance(model, TableClassifier) else "regression"
    name = asked.measure if asked.measure not in (None, "expected_cost") else TASKS[task].measure
    measure = get_measure(str(name), task)
    y, known = QUESTIONS[task](asked.table[target], target, {}).read(asked.table[target])
    rows = np.flatnonzero(known)
    if not len(rows):
        return {}
    rows = rows[np.sort(np.random.default_rng(asked.seed).permutation(len(rows))[:_JUDGED])]

    def loss(table: Table) -> float:
        return measure.loss(measure.value(y[rows], getattr(model, measure.needs)(table)))

    used = list(dict.fromkeys(model.design_.get_origins()))
    return {
        "importance": permutation_importance(loss, asked.table[rows].select(used), seed=asked.seed),
        "measure": measure.title,
    }


def _share(shares: Shares, j: int) -> dict[str, Any]:
    value, half = float(shares.values[j]), _HALF * float(shares.errors[j])
    return {"share": value, "low": value - half, "high": value + half}


def _usual(column: np.ndarray) -> Any:
    """What stands in the middle of a column, or most often in it; None if nothing does."""
    held = column[~missing_in(column)]
    if not len(held):
        return None
    if column.dtype.kind in "Ob":
        return count_levels(held)[0][0]
    return plain(np.sort(held)[len(held) // 2 : len(held) // 2 + 1])[0]


# ---------------------------------------------------------------------- in words


def in_words(value: Any) -> str:
    """A cell of the table as a reader writes it."""
    if value is None:
        return "(missing)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return moment(value) if isinstance(value, str) else number(value)


def _row_words(told: dict[str, Any], learned: bool) -> list[str]:
    who, target, where = told["method"], told["target"], f"row {told['row']} of {told['source']}"
    said = told["prediction"] if isinstance(told["prediction"], str) else number(told["prediction"])
    if "interval" in told:
        said = measured(told["prediction"], told["interval"])
        sure = f" ({100 * told['level']:g} % interval {interval(told['interval'])})"
    else:
        others = sorted(told["probabilities"].items(), key=lambda item: -item[1])
        shown = ", ".join(f"{label} {percent(p)}" for label, p in others[:4])
        sure = f" (probabilities: {shown}{f', and {len(others) - 4} more' if len(others) > 4 else ''})"
    words = [f"{who} predicts {target!r} = {said} for {where}{sure}."]
    if "observed" in told:
        words.append(
            f"In truth it is {in_words(told['observed'])}"
            + (", and the model has learned from this very row." if learned else ".")
        )
    base, value = told["base"], told["value"]
    words.append(
        f"For {told['background']}, the mean {_of(told)} is {number(base)}; here it is {number(value)}. The columns "
        f"divide the difference of {signed(value - base)}."
    )
    up = [c["name"] for c in told["columns"] if c["low"] > 0][:3]
    down = [c["name"] for c in told["columns"] if c["high"] < 0][:3]
    parts = [f"most upwards: {', '.join(up)}"] * bool(up) + [f"most downwards: {', '.join(down)}"] * bool(down)
    if parts:
        words.append(f"What moves it {'; '.join(parts)}.")
    return [*words, READING]


def _source_words(told: dict[str, Any], divided: int) -> list[str]:
    words = [
        f"How far each column moves what {told['method']} says of {told['source']}: the mean size of its share in the "
        f"{_of(told)}, over {number(divided)} of {number(told['rows'])} rows, each compared with {told['background']}."
    ]
    if told["importance"]:
        words.append(
            f"What shuffling a column costs in {told['measure']} says how much the predictions need it to be right."
        )
    else:
        words.append(f"{told['source']} holds no {told['target']!r}, so whether it is right cannot be told.")
    return [*words, READING]


def _of(told: dict[str, Any]) -> str:
    """What is divided, in words."""
    return told["explained"] if told["explained"] != told["target"] else f"prediction of {told['target']!r}"
