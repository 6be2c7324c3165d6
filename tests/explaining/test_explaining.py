"""Explanations against closed forms."""

import numpy as np
import pytest

from peira.experience.table import Table
from peira.explaining import bootstrap_coefficients, permutation_importance


def test_permutation_importance_of_a_linear_model(seed):
    r"""For y = w x with squared error, shuffling costs E[w^2 (x - x')^2] = 2 w^2 var(x)."""
    rng = np.random.default_rng(seed)
    table = Table({"a": rng.normal(size=4000), "b": 2 * rng.normal(size=4000), "c": rng.normal(size=4000)})
    y = 3 * table["a"] + table["b"]
    found = permutation_importance(
        lambda t: float(np.mean((y - 3 * t["a"] - t["b"]) ** 2)), table, repeats=10, seed=seed
    )
    by_name = {column["name"]: column for column in found}
    assert by_name["a"]["mean"] == pytest.approx(2 * 9 * np.var(table["a"]), rel=0.05)
    assert by_name["b"]["mean"] == pytest.approx(2 * np.var(table["b"]), rel=0.05)
    assert by_name["c"]["mean"] == 0.0
    assert [c["name"] for c in found] == ["a", "b", "c"]
    assert all(c["low"] <= c["mean"] <= c["high"] for c in found)


def test_bootstrap_intervals_have_the_width_of_theory(seed):
    """For least squares with known design, the spread is sigma sqrt((X'X)^-1)."""
    from peira.linear.least_squares import LinearRegression

    rng = np.random.default_rng(seed)
    X = rng.normal(size=(500, 2))
    y = X @ [2.0, 0.0] + rng.normal(size=500)
    method = LinearRegression().fit(X, y)
    found = {c["name"]: c for c in bootstrap_coefficients(method, X, y, ["a", "b"], draws=400, seed=seed)}
    standard_error = 1 / np.sqrt(500)
    for j, name in enumerate("ab"):
        assert found[name]["value"] == method.coef_[j]
        assert found[name]["high"] - found[name]["low"] == pytest.approx(2 * 1.96 * standard_error, rel=0.25)


def test_too_few_draws_give_no_interval(seed):
    from peira.linear.ridge import Ridge

    X = np.arange(6.0).reshape(3, 2)
    found = bootstrap_coefficients(Ridge().fit(X, [1.0, 2.0, 3.0]), X, np.array([1.0, 2.0, 3.0]), ["a", "b"], draws=5)
    assert all(c["low"] is None for c in found)
