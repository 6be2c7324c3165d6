"""Roles: kinds with their reasons, tasks, what is dropped, and summaries that are true."""

import json

import numpy as np
import pytest

from peira.core.errors import DataError
from peira.experience import Table, infer_roles, read, task_of
from peira.experience.profile import BINS, QUANTILES, repeated_rows, summarise


def words(*values):
    return np.array(values, object)


N = 24
KINDS = {
    "numeric": np.linspace(0, 1, N),
    "numeric few": np.arange(N) % 3.0,
    "numeric trend": np.arange(N, dtype=float),
    "categorical": words(*["a", "b", "c"] * (N // 3)),
    "categorical one or none": words(*["a", None] * (N // 2)),
    "boolean bool": np.arange(N) % 2 == 0,
    "boolean 0 and 1": np.arange(N) % 2.0,
    "boolean words": words(*["Yes", "no"] * (N // 2)),
    "datetime": np.arange(N).astype("datetime64[D]").astype("datetime64[us]"),
    "text": words(*(f"this is the sentence number {k}" for k in range(N))),
    "identifier words": words(*(f"P{k}" for k in range(N))),
    "identifier customer_id": np.arange(N) * 7.0 + 1000,
    "constant": np.ones(N),
    "constant words": words(*["a"] * N),
    "constant none": np.full(N, np.nan),
}


def test_kinds_and_reasons():
    roles = infer_roles(Table(KINDS))
    for name, profile in roles.profiles.items():
        assert profile.kind == name.split(" ")[0], (name, profile.kind, profile.reason)
        assert profile.reason
    assert roles.task is None and roles.y is None and roles.X.names == list(KINDS)


@pytest.mark.parametrize(
    "name", ["id", "ID", "PassengerId", "customer_id", "rownames", "row.names", "Unnamed: 0", "index", "uuid"]
)
def test_names_of_identifiers(name):
    assert infer_roles(Table({name: np.arange(9.0), "x": np.arange(9.0)})).kinds == {name: "identifier", "x": "numeric"}


@pytest.mark.parametrize("name", ["paid", "humid", "width", "x", "grid", "solid", "monkey_count", "time"])
def test_names_that_are_none(name):
    assert infer_roles(Table({name: np.arange(9.0)})).kinds == {name: "numeric"}


def test_overrides():
    t = Table({"size": words("S", "L", "M"), "code": np.array([1.0, 2.0, 3.0]), "y": np.array([0.5, 1.0, 2.0])})
    roles = infer_roles(t, "y", {"size": ["S", "M", "L"], "code": "categorical"})
    assert roles.kinds == {"size": ["S", "M", "L"], "code": "categorical"}
    assert infer_roles(t, "y", {"code": "ignored"}).X.names == ["size"]
    for overrides, said in (
        ({"sizes": "text"}, "did you mean 'size'"),
        ({"size": "categoric"}, "did you mean 'categorical'"),
        ({"size": "ordinal"}, "list of their levels"),
        ({"size": ["S", "M"]}, "holds 'L'"),
        ({"y": "numeric"}, "is the target"),
    ):
        with pytest.raises(DataError, match=said):
            infer_roles(t, "y", overrides)


def test_declared_orders_make_ordinal_columns():
    t = Table({"size": words("S", "L", "M")}, orders={"size": ["S", "M", "L"]})
    assert infer_roles(t).kinds == {"size": ["S", "M", "L"]}


def test_rows_without_target_are_dropped_and_stated():
    t = Table({"x": np.arange(5.0), "y": np.array([1.5, np.nan, 2.5, np.nan, 3.0])})
    roles = infer_roles(t, "y")
    assert roles.y.tolist() == [1.5, 2.5, 3.0] and roles.n_dropped == 2 and roles.table.rows.tolist() == [1, 3, 5]
    assert any("2 of 5 rows" in note and "rows 2, 4" in note for note in roles.notes)


def test_several_targets():
    t = read("example:linnerud")
    roles = infer_roles(t, ["Weight", "Waist", "Pulse"])
    assert roles.y.shape == (20, 3) and roles.X.names == ["Chins", "Situps", "Jumps"] and roles.task == "regression"
    with pytest.raises(DataError, match="different tasks"):
        infer_roles(Table({"a": words("u", "v"), "b": np.array([1.5, 2])}), ["a", "b"])


def test_infinite_inputs_are_refused_unless_ignored():
    t = Table({"x": np.array([1.0, 2.0, np.inf]), "y": np.array([0.5, 1.0, 2.0])})
    with pytest.raises(DataError, match=r"'x' holds 1 infinite values \(first in row 3\)"):
        infer_roles(t, "y")
    assert infer_roles(t, "y", {"x": "ignored"}).X.names == []
    with pytest.raises(DataError, match="target 'x' holds 1 infinite"):
        infer_roles(t, "x")


@pytest.mark.parametrize(
    ("column", "task"),
    [
        (np.array([0.5, 1.0]), "regression"),
        (np.arange(11.0), "regression"),
        (np.arange(6.0), "regression"),
        (np.repeat(np.arange(6.0), 5), "classification"),
        (np.repeat(np.arange(11.0), 5), "regression"),
        (np.array([0.0, 1.0]), "classification"),
        (words("a", "b"), "classification"),
        (np.array([True, False]), "classification"),
    ],
)
def test_tasks(column, task):
    assert task_of(column)[0] == task


def test_dates_are_no_target():
    with pytest.raises(DataError, match="dates"):
        task_of(KINDS["datetime"])


def test_repeated_rows_by_brute_force(seed):
    rng = np.random.default_rng(seed)
    for n in (0, 1, 2, 3, 50):
        columns = [
            rng.choice([0.0, -0.0, 1.0, np.nan], n),
            rng.choice(np.array(["a", "b", None], object), n),
            rng.random(n) < 0.5,
            rng.choice(np.array(["2020-01-01", "NaT"], "datetime64[us]"), n),
        ]
        rows = [tuple(str(v).replace("-0.0", "0.0") for v in row) for row in zip(*columns, strict=True)]
        assert repeated_rows(columns, n) == n - len(set(rows))


@pytest.mark.parametrize("scale", [1.0, 1e-300, 1e307])
def test_summaries_of_numbers_against_numpy(seed, scale):
    x = np.random.default_rng(seed).normal(size=200)
    x /= np.abs(x).max()
    x[5] = x[6]
    x = np.append(x * scale, np.nan)
    held, s = x[:-1], summarise(x)
    assert (s["n"], s["n_missing"], s["n_unique"], s["n_infinite"]) == (201, 1, 199, 0)
    assert (s["min"], s["max"]) == (held.min(), held.max())
    np.testing.assert_allclose(list(s["quantiles"].values()), np.quantile(held / scale, QUANTILES) * scale, rtol=1e-12)
    np.testing.assert_allclose(
        [s["mean"], s["std"]], [np.mean(held / scale) * scale, np.std(held / scale) * scale], rtol=1e-9
    )
    counts, _ = np.histogram(held / scale, BINS)
    assert s["histogram"]["counts"] == counts.tolist()
    json.dumps(s, allow_nan=False)


@pytest.mark.parametrize("column", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_summaries_of_little(column, n):
    s = summarise(column[:n])
    assert s["n"] == n and s["n_unique"] <= n
    json.dumps(s, allow_nan=False)


def test_levels_are_counted():
    s = summarise(words("b", "a", None, "b", "a b"))
    assert s["levels"] == [{"level": "b", "count": 2}, {"level": "a", "count": 1}, {"level": "a b", "count": 1}]
    assert s["mean_words"] == 1.25 and s["mean_length"] == 1.5


def test_the_profile_is_json(seed):
    roles = infer_roles(read("example:iris"), "species")
    written = json.loads(json.dumps(roles.to_json(), allow_nan=False))
    assert written["task"] == "classification" and written["repeated_rows"] == 1 and len(written["columns"]) == 5
