"""Why a row gets its prediction: shares that add up, against rows that are named, and what is refused."""

import shutil

import numpy as np
import pytest

from peira import load, read
from peira.core.errors import DataError, ParameterError
from peira.experience.table import Table
from peira.study.drawing import shares
from peira.study.explained import explain_row, explain_source
from peira.study.learning import learn


def write(path, seed, N=90):
    """A table with numbers, words, dates, holes and a constant, and a number and a label to predict."""
    rng = np.random.default_rng(seed)
    a, b, town = rng.normal(size=N), rng.normal(size=N), rng.choice(["Ulm", "Bonn"], size=N)
    day = np.datetime64("2024-01-01") + rng.integers(0, 300, size=N)
    y = 3 * a - b + 2.0 * (town == "Ulm") + 0.1 * rng.normal(size=N)
    lines = ["a,b,town,day,same,y,label"]
    for i in range(N):
        hole = "" if i % 9 == 4 else f"{a[i]:.6f}"
        lines.append(f"{hole},{b[i]:.6f},{town[i]},{day[i]},7,{y[i]:.6f},{'high' if a[i] * b[i] > 0 else 'low'}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A run of a number, one of a label, and their table."""
    path = tmp_path_factory.mktemp("explained")
    source = write(path / "table.csv", 0)
    runs = [
        learn(source, target, methods=[method], kinds={other: "ignored"}, output=path / target, progress=False, jobs=1)
        for target, other, method in (("y", "label", "LinearRegression"), ("label", "y", "GaussianNB"))
    ]
    return source, *runs


def test_shares_of_a_model_that_adds_are_what_each_column_changes_by_itself(learned):
    """By another route: predictions for the table with one column set to the row's value."""
    source, run, _ = learned
    model, table = load(run.path), read(source)
    told = explain_row(run.path, source, 5)  # its a is missing
    base = model.predict(table).mean()
    assert told["base"] == pytest.approx(base)
    assert told["prediction"] == pytest.approx(model.predict(table)[4])
    assert told["value"] == pytest.approx(told["prediction"])
    assert told["interval"] == pytest.approx([end[4] for end in model.interval(table, 0.9)])
    assert {c["name"] for c in told["columns"]} == {"a", "b", "town", "day"}
    for column in told["columns"]:
        name = column["name"]
        changed = table[name].copy()
        changed[:] = table[name][4]
        alone = model.predict(Table({**table.to_dict(), name: changed})).mean() - base
        assert column["share"] == pytest.approx(alone, abs=1e-9)
        assert column["low"] < column["share"] < column["high"] or column["share"] == 0
    assert sum(c["share"] for c in told["columns"]) == pytest.approx(told["value"] - told["base"])
    a = next(c for c in told["columns"] if c["name"] == "a")
    assert a["value"] is None and a["usual"] is not None
    assert told["observed"] == table["y"][4] and told["background"].startswith("all 90 rows that it learned from")
    assert "the model has learned from this very row" in " ".join(told["words"])


def test_of_labels_the_probability_of_the_predicted_one_is_divided(learned):
    source, _, run = learned
    model, table = load(run.path), read(source)
    for row in (1, 2):
        told = explain_row(run.path, row=row)  # of the run's own data
        probabilities = dict(zip(model.classes_, model.predict_proba(table)[row - 1], strict=True))
        assert told["probabilities"] == pytest.approx(probabilities)
        assert told["explained"] == f"probability of label = {told['prediction']}"
        assert told["value"] == pytest.approx(probabilities[told["prediction"]])
        assert told["base"] + sum(c["share"] for c in told["columns"]) == pytest.approx(told["value"])


def test_over_a_source_columns_that_matter_come_first(learned, tmp_path):
    _, run, _ = learned
    new = write(tmp_path / "new.csv", 1)
    told = explain_source(run.path, new)
    for part in ("columns", "importance"):
        names = [c["name"] for c in told[part]]
        assert names[0] == "a" and names[-1] == "day" and len(names) == 4
    assert told["measure"] == "root mean squared error" and told["rows"] == 90
    blind = new.read_text().replace(",y,label", ",z,label")
    new.write_text(blind)
    told = explain_source(run.path, new)
    assert not told["importance"] and "holds no 'y'" in told["words"][1]


def test_a_row_of_another_source_was_not_learned_from(learned, tmp_path):
    _, run, _ = learned
    told = explain_row(run.path, write(tmp_path / "new.csv", 1), 3)
    assert "learned from this very row" not in " ".join(told["words"]) and "table.csv" in told["background"]


def test_what_the_background_is_where_the_data_are_gone(learned, tmp_path):
    _, run, _ = learned
    moved, new = tmp_path / "run", write(tmp_path / "new.csv", 1)
    shutil.copytree(run.path, moved)
    config = moved / "config.toml"
    config.write_text(config.read_text().replace("table.csv", "gone.csv"))
    with pytest.raises(DataError, match=r"gone\.csv"):
        explain_row(moved, row=1)
    told = explain_row(moved, new, 1)
    assert (
        "new.csv itself (not with those that it learned from" in told["background"] and "gone.csv" in told["background"]
    )
    (alone,) = (moved / "models").iterdir()
    assert "itself, since the model was stored without its data" in explain_row(alone, new, 1)["background"]
    with pytest.raises(ParameterError, match="name the SOURCE"):
        explain_row(alone, row=1)
    one = tmp_path / "one.csv"
    one.write_text("".join(f"{line}\n" for line in new.read_text().splitlines()[:2]))
    with pytest.raises(DataError, match="by comparing with others"):
        explain_row(alone, one, 1)
    assert explain_row(run.path, one, 1)["value"] == pytest.approx(explain_row(run.path, new, 1)["value"])


def test_what_cannot_be_explained(learned, tmp_path):
    source, run, _ = learned
    with pytest.raises(ParameterError, match="no row 91: its rows are numbered from 1 to 90"):
        explain_row(run.path, source, 91)
    few = tmp_path / "few.csv"
    few.write_text("a,day\n1.0,2024-01-01\n2.0,2024-01-02\n")
    with pytest.raises(
        DataError, match="2 columns that the model learned from are missing: 'b', 'town'; there are: a, day"
    ):
        explain_row(run.path, few, 1)
    method = load(run.path).method_
    method.save(tmp_path / "method")
    with pytest.raises(DataError, match="LinearRegression was stored by itself"):
        explain_row(tmp_path / "method", source, 1)
    found = learn(
        source, task="density", methods=["IndependentNormals"], output=tmp_path / "density", progress=False, jobs=1
    )
    with pytest.raises(DataError, match="learned without a target"):
        explain_row(found.path, source, 1)


def test_the_picture_takes_any_names_and_numbers():
    names = ["$\\frac{1}{2", "名前", "", "x" * 300, *(f"c{j}" for j in range(30))]
    for values in (np.linspace(5, -3, 34), np.zeros(34)):
        assert shares(names, values, 1.0, "$_$").startswith(b"\x89PNG")
    assert shares(["one"], [2.0], 0.0, "y").startswith(b"\x89PNG")
